"""The supervisor's process with a child that is a fake: signals, exits, restarts and the lock file."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.ports import free_port
from xopc_supervisor import contract, lock, renew
from xopc_supervisor.child import Child
from xopc_supervisor.contract import Address, Installation, Launch, LockInfo, RestartIntent
from xopc_supervisor.states import Phase, State

FAKE = Path(__file__).parents[1] / "fakes" / "supervised_child.py"
TROUBLED = Path(__file__).parents[1] / "fakes" / "troubled_supervisor.py"


class Supervised:
    """One supervisor process and what its children noted."""

    def __init__(self, tmp_path: Path, script: str, **environ: str) -> None:
        self.notes_path = tmp_path / "notes.jsonl"
        self.intent_path = tmp_path / "intent.json"
        self.version_path = tmp_path / "version.py"
        self.version_path.write_text('__version__ = "0.1.0"\n')
        self.launch = Launch(
            config_path=str(tmp_path / "xopc.json"),
            state_dir=str(tmp_path),
            lock_path=str(tmp_path / "locks" / "gateway.lock"),
            intent_path=str(self.intent_path),
            log_dir=str(tmp_path / "logs"),
            listen=(Address("127.0.0.1", 0),),
            command=(sys.executable, str(FAKE)),
            explain_port=(sys.executable, "-c", "print('explained')"),
            version_file=str(self.version_path),
            ready_text="READY AT {port}",
            flags={},
        )
        self.process = subprocess.Popen(
            [sys.executable, str(TROUBLED), "gateway"]
            if any(name.startswith("FAKE_") for name in environ)
            else [sys.executable, "-m", "xopc_supervisor", "gateway"],
            env={
                **os.environ,
                **environ,
                contract.LAUNCH_VARIABLE: self.launch.to_json(),
                "FAKE_CHILD": script,
                "FAKE_CHILD_LOG": str(self.notes_path),
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def notes(self, event: str) -> list[dict[str, Any]]:
        text = self.notes_path.read_text() if self.notes_path.exists() else ""
        notes = [json.loads(line) for line in text.splitlines()]
        return [note for note in notes if note["event"] == event]

    def wait_for(self, event: str, count: int = 1) -> list[dict[str, Any]]:
        """The first `count` notes of this event."""
        return until(lambda: notes if len(notes := self.notes(event)) >= count else None)

    def lock(self) -> LockInfo | None:
        path = Path(self.launch.lock_path)
        return LockInfo.from_json(path.read_text()) if path.exists() else None

    def wait_for_state(self, state: str) -> LockInfo:
        return until(lambda: info if (info := self.lock()) and info.state == state else None)

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def end(self) -> tuple[int, str]:
        """Exit code and output, once it has ended."""
        output, _ = self.process.communicate(timeout=20)
        return self.process.returncode, output


def until(found: Callable[[], Any]) -> Any:  # noqa: ANN401 - gives back what `found` finds
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        value = found()
        if value is not None:
            return value
        time.sleep(0.01)
    raise TimeoutError


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Supervised]]:
    started: list[Supervised] = []

    def start(script: str, **environ: str) -> Supervised:
        started.append(Supervised(tmp_path, script, **environ))
        return started[-1]

    yield start
    for supervised in started:
        supervised.process.kill()  # harmless where it has ended
        if supervised.process.stdout is not None and not supervised.process.stdout.closed:
            supervised.process.communicate()


def test_a_ready_child_is_announced_with_the_real_port(start: Callable[..., Supervised]) -> None:
    supervised = start("ready,hang")
    info = supervised.wait_for_state("serving")
    (born,) = supervised.wait_for("born")
    assert info.port == born["ports"][0]
    assert (info.pid, info.child_pid, info.boot_id) == (supervised.process.pid, born["pid"], born["boot"])
    assert (info.host, info.version) == ("127.0.0.1", "0.1.0")
    supervised.signal(signal.SIGTERM)
    assert supervised.end() == (0, f"READY AT {info.port}\n")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_reaches_the_child_and_leaves_no_lock(start: Callable[..., Supervised], number: int) -> None:
    supervised = start("ready,hang")
    supervised.wait_for_state("serving")
    supervised.signal(number)
    code, _ = supervised.end()
    assert code == 0
    assert len(supervised.notes("SIGTERM")) == 1
    assert supervised.lock() is None


def test_the_second_stop_kills(start: Callable[..., Supervised]) -> None:
    supervised = start("ignore-term,ready,hang")
    supervised.wait_for_state("serving")
    supervised.signal(signal.SIGINT)
    supervised.wait_for("SIGTERM ignored")
    began = time.monotonic()
    supervised.signal(signal.SIGINT)
    assert supervised.end()[0] == 0
    assert time.monotonic() - began < 3


def test_a_crash_is_followed_by_a_new_child_on_the_same_sockets(start: Callable[..., Supervised]) -> None:
    supervised = start("ready,wait:0.1,kill:9|ready,hang")
    first, second = supervised.wait_for("born", 2)
    _, go = supervised.wait_for("go", 2)
    assert (go["kind"], go["reason"]) == ("crash", "killed by SIGKILL")
    assert first["ports"] == second["ports"]
    assert first["boot"] != second["boot"]
    supervised.signal(signal.SIGTERM)
    assert "The gateway crashed: killed by SIGKILL" in supervised.end()[1]


def test_connections_made_while_no_child_runs_are_not_refused(start: Callable[..., Supervised]) -> None:
    supervised = start("ready,exit:1|exit:1|exit:1|ready,hang")
    info = supervised.wait_for_state("backing-off")
    assert info.port is not None
    with socket.create_connection(("127.0.0.1", info.port), timeout=5):
        pass


def test_a_refused_configuration_stays_down_with_78(start: Callable[..., Supervised]) -> None:
    supervised = start("exit:78")
    assert supervised.end()[0] == contract.EXIT_CONFIG
    assert len(supervised.notes("born")) == 1
    assert supervised.lock() is None


def test_under_launchd_it_stays_down_with_0(start: Callable[..., Supervised]) -> None:
    assert start("exit:78", XOPC_SERVICE_MARKER="launchd").end()[0] == 0


def test_exit_75_is_followed_at_once_and_is_no_crash(start: Callable[..., Supervised]) -> None:
    supervised = start("ready,wait:0.1,exit:75|ready,hang")
    _, go = supervised.wait_for("go", 2)
    assert go["kind"] == "respawn"


def test_without_respawn_a_crash_ends_it_with_the_childs_code(start: Callable[..., Supervised]) -> None:
    supervised = start("ready,exit:3", XOPC_NO_RESPAWN="1")
    assert supervised.end()[0] == 3
    assert len(supervised.notes("born")) == 1


def test_sigusr1_asks_the_child_for_a_restart_in_its_process(start: Callable[..., Supervised]) -> None:
    supervised = start("ready,hang")
    supervised.wait_for_state("serving")
    supervised.signal(signal.SIGUSR1)
    heard = supervised.wait_for("heard", 2)
    assert heard[1]["words"] == "restart in-process SIGUSR1"


def test_an_intent_says_what_sigusr1_means_and_is_consumed(start: Callable[..., Supervised]) -> None:
    supervised = start("ready,hang")
    info = supervised.wait_for_state("serving")
    now_ms = int(time.time() * 1000)
    intent = RestartIntent(supervised.process.pid, info.boot_id, "respawn", "by hand", now_ms)
    supervised.intent_path.write_text(intent.to_json())
    supervised.signal(signal.SIGUSR1)
    _, go = supervised.wait_for("go", 2)
    assert (go["kind"], go["reason"]) == ("respawn", "by hand")
    assert not supervised.intent_path.exists()


def test_a_newer_installed_version_turns_a_restart_into_a_respawn(start: Callable[..., Supervised]) -> None:
    supervised = start("ready,hang")
    supervised.wait_for_state("serving")
    supervised.version_path.write_text('__version__ = "0.2.0"\n')
    supervised.signal(signal.SIGUSR1)
    _, go = supervised.wait_for("go", 2)
    assert go["reason"] == "SIGUSR1, version 0.1.0 to 0.2.0"


def test_sighup_reloads_where_there_is_no_terminal(start: Callable[..., Supervised]) -> None:
    supervised = start("ready,hang")
    supervised.wait_for_state("serving")
    supervised.signal(signal.SIGHUP)
    heard = supervised.wait_for("heard", 2)
    assert heard[1]["words"] == "restart reload configuration reload (SIGHUP)"


def test_the_child_of_a_killed_supervisor_sees_its_lifeline_end(start: Callable[..., Supervised]) -> None:
    supervised = start("ready,hang")
    supervised.wait_for_state("serving")
    supervised.process.kill()
    supervised.process.communicate()
    supervised.wait_for("lifeline ended")


def test_processes_that_a_child_leaves_behind_are_killed(start: Callable[..., Supervised]) -> None:
    supervised = start("leave-orphan,ready,exit:1|ready,hang")
    (note,) = supervised.wait_for("orphan")
    supervised.wait_for("born", 2)
    until(lambda: True if not contract.is_alive(note["orphan"], None) else None)


def test_readiness_reaches_the_service_manager(start: Callable[..., Supervised], tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(20)
        supervised = start("ready,hang", NOTIFY_SOCKET=str(tmp_path / "notify"))
        assert manager.recv(100).startswith(b"FDSTORE=1\n")
        assert manager.recv(100) == b"READY=1"
        (born,) = supervised.wait_for("born")
        assert "NOTIFY_SOCKET" not in born["environment"]
        supervised.signal(signal.SIGTERM)
        assert manager.recv(100) == b"STOPPING=1"


def ask_for_respawn(supervised: Supervised) -> None:
    info = supervised.wait_for_state("serving")
    now_ms = int(time.time() * 1000)
    intent = RestartIntent(supervised.process.pid, info.boot_id, "respawn", "by hand", now_ms)
    supervised.intent_path.write_text(intent.to_json())
    supervised.signal(signal.SIGUSR1)


def test_a_candidate_stands_by_beside_the_child_and_follows_it(start: Callable[..., Supervised]) -> None:
    supervised = start("ready,hang")
    ask_for_respawn(supervised)
    first, second = supervised.wait_for("born", 2)
    assert (first["beside"], second["beside"]) == (False, True)
    assert supervised.wait_for("go", 2)[1]["since"] is not None
    heard = [(note["pid"], note["words"].partition(" ")[0], note["fds"]) for note in supervised.notes("heard")]
    assert heard[-2:] == [(first["pid"], "hand-over", 1), (second["pid"], "go", 0)]
    info = until(lambda: info if (info := supervised.wait_for_state("serving")).child_pid == second["pid"] else None)
    assert (info.pid, info.boot_id) == (supervised.process.pid, second["boot"])


def test_a_candidate_that_dies_is_told_of_and_the_child_goes_on(start: Callable[..., Supervised]) -> None:
    supervised = start("ready,hang|say:failed the disk is on fire,exit:1")
    ask_for_respawn(supervised)
    first, _ = supervised.wait_for("born", 2)
    declined = supervised.wait_for("heard", 3)[-1]
    assert (declined["pid"], declined["words"]) == (first["pid"], "declined the disk is on fire")
    info = until(lambda: info if (info := supervised.lock()) and info.problem else None)
    assert (info.child_pid, info.state) == (first["pid"], "serving")
    assert info.problem == "the new process could not take over (the disk is on fire); the one before goes on"
    assert supervised.process.poll() is None


def test_a_stop_ends_the_candidate_too(start: Callable[..., Supervised]) -> None:
    supervised = start("ready,hang|hang")
    ask_for_respawn(supervised)
    _, second = supervised.wait_for("born", 2)
    supervised.signal(signal.SIGTERM)
    assert supervised.end()[0] == 0
    assert not contract.is_alive(second["pid"], None)


def test_sigterm_with_an_intent_is_a_restart(start: Callable[..., Supervised]) -> None:
    supervised = start("ready,hang")
    info = supervised.wait_for_state("serving")
    intent = RestartIntent(supervised.process.pid, info.boot_id, "in-process", "by hand", int(time.time() * 1000))
    supervised.intent_path.write_text(intent.to_json())
    supervised.signal(signal.SIGTERM)
    assert supervised.wait_for("heard", 2)[1]["words"] == "restart in-process by hand"
    assert not supervised.intent_path.exists()


def test_under_a_manager_sigterm_with_an_intent_ends_it_in_the_shape_of_a_restart(
    start: Callable[..., Supervised],
) -> None:
    supervised = start("ready,hang", XOPC_SERVICE_MARKER="systemd")
    info = supervised.wait_for_state("serving")
    intent = RestartIntent(supervised.process.pid, info.boot_id, "in-process", "by hand", int(time.time() * 1000))
    supervised.intent_path.write_text(intent.to_json())
    supervised.signal(signal.SIGTERM)
    assert supervised.wait_for("heard", 2)[1]["words"] == "stop restart by hand"
    supervised.wait_for_state("stopping")
    supervised.signal(signal.SIGTERM)
    assert supervised.end()[0] == 0


def test_a_silent_child_is_ended_and_followed(start: Callable[..., Supervised]) -> None:
    supervised = start("ready-watched:1,hang|ready,hang")
    (go,) = [note for note in supervised.wait_for("go", 2) if note["kind"] == "crash"]
    assert go["reason"] == "its event loop did not turn for 1 s"


def test_other_addresses_are_bound_beside_those_that_serve(start: Callable[..., Supervised]) -> None:
    port = free_port()
    supervised = start(f'ready,hang|say:listen [["127.0.0.1"; {port}; true]],ready,hang')
    before = supervised.wait_for_state("serving").port
    ask_for_respawn(supervised)
    (sockets,) = supervised.wait_for("sockets")
    assert sockets["ports"] == [port]
    until(lambda: True if supervised.wait_for_state("serving").port == port else None)
    assert before is not None
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", before), timeout=5)


def test_an_address_that_is_not_to_be_had_is_refused_and_nothing_is_given_up(start: Callable[..., Supervised]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        supervised = start(f'ready,hang|say:listen [["127.0.0.1"; {port}; true]],hang')
        before = supervised.wait_for_state("serving").port
        ask_for_respawn(supervised)
        words = supervised.wait_for("heard", 3)[-1]["words"]
    assert words == f"refused port {port} at 127.0.0.1 is already in use"
    assert before is not None
    socket.create_connection(("127.0.0.1", before), timeout=5).close()


def with_spare(start: Callable[..., Supervised], then: str = "ready,hang") -> tuple[Supervised, Any, Any]:
    """A child, and a spare that does `then`; with what both noted of their birth."""
    supervised = start(f"ready-with-spare,hang|{then}")
    child, spare = supervised.wait_for("born", 2)
    assert (child["spare"], spare["spare"], spare["beside"]) == (False, True, False)
    return supervised, child, spare


def test_a_spare_serves_after_a_crash_and_another_one_follows_it(start: Callable[..., Supervised]) -> None:
    supervised, child, spare = with_spare(start, then="ready-with-spare,hang")
    info = supervised.wait_for_state("serving")
    assert info.child_pid == child["pid"]
    os.kill(child["pid"], signal.SIGKILL)
    _, go = supervised.wait_for("go", 2)
    assert (go["pid"], go["kind"], go["reason"]) == (spare["pid"], "crash", "killed by SIGKILL")
    assert go["since"] is not None
    third = supervised.wait_for("born", 3)[-1]
    assert third["spare"]
    info = supervised.wait_for_state("serving")
    assert (info.child_pid, info.boot_id) == (spare["pid"], spare["boot"])
    supervised.signal(signal.SIGTERM)
    assert supervised.end()[0] == 0
    assert not contract.is_alive(third["pid"], None)


def test_a_spare_of_another_version_than_the_installed_one_is_dropped(start: Callable[..., Supervised]) -> None:
    supervised, child, spare = with_spare(start)
    supervised.version_path.write_text('__version__ = "0.2.0"\n')
    os.kill(child["pid"], signal.SIGKILL)
    third = supervised.wait_for("born", 3)[-1]
    assert not third["spare"]
    _, go = supervised.wait_for("go", 2)
    assert (go["pid"], go["kind"]) == (third["pid"], "crash")
    until(lambda: True if not contract.is_alive(spare["pid"], None) else None)


def test_a_restart_into_a_newer_version_drops_the_spare(start: Callable[..., Supervised]) -> None:
    supervised, child, spare = with_spare(start)
    supervised.version_path.write_text('__version__ = "0.2.0"\n')
    supervised.signal(signal.SIGUSR1)
    _, go = supervised.wait_for("go", 2)
    assert go["reason"] == "SIGUSR1, version 0.1.0 to 0.2.0"
    assert go["pid"] not in (child["pid"], spare["pid"])
    assert not contract.is_alive(spare["pid"], None)


def test_a_successor_takes_the_place_of_the_spare(start: Callable[..., Supervised]) -> None:
    supervised, child, spare = with_spare(start)
    ask_for_respawn(supervised)
    third = supervised.wait_for("born", 3)[-1]
    assert (third["spare"], third["beside"]) == (False, True)
    _, go = supervised.wait_for("go", 2)
    assert (go["pid"], go["kind"]) == (third["pid"], "respawn")
    until(lambda: True if not contract.is_alive(spare["pid"], None) else None)
    until(lambda: True if not contract.is_alive(child["pid"], None) else None)


def test_a_restart_in_the_process_leaves_the_spare_alone(start: Callable[..., Supervised]) -> None:
    supervised, _, spare = with_spare(start)
    supervised.signal(signal.SIGUSR1)
    assert supervised.wait_for("heard", 2)[-1]["words"] == "restart in-process SIGUSR1"
    assert contract.is_alive(spare["pid"], None)


def test_a_spare_that_dies_is_told_of_once_and_the_child_hears_nothing(start: Callable[..., Supervised]) -> None:
    supervised, child, _ = with_spare(start, then="say:failed the disk is on fire,exit:1")
    time.sleep(0.5)
    assert [note["pid"] for note in supervised.notes("heard")] == [child["pid"]]
    info = supervised.wait_for_state("serving")
    assert (info.child_pid, info.problem) == (child["pid"], None)
    supervised.signal(signal.SIGTERM)
    _, output = supervised.end()
    assert output.count("The spare process ended: the disk is on fire.") == 1
    assert len(supervised.notes("born")) == 2


def test_what_a_child_leaves_behind_is_killed_though_a_successor_follows_it(start: Callable[..., Supervised]) -> None:
    supervised = start("leave-stranger,ready,hang|ready,hang")
    ask_for_respawn(supervised)
    supervised.wait_for("go", 2)
    (note,) = supervised.wait_for("orphan")
    until(lambda: True if not contract.is_alive(note["orphan"], None) else None)


def test_what_a_crashed_child_leaves_behind_is_killed_though_a_spare_follows_it(
    start: Callable[..., Supervised],
) -> None:
    supervised = start("leave-stranger,ready-with-spare,hang|ready,hang")
    (note,) = supervised.wait_for("orphan")
    child, spare = supervised.wait_for("born", 2)
    assert contract.is_alive(note["orphan"], None)
    os.kill(child["pid"], signal.SIGKILL)
    assert supervised.wait_for("go", 2)[-1]["pid"] == spare["pid"]
    until(lambda: True if not contract.is_alive(note["orphan"], None) else None)


def test_a_system_that_starts_no_process_once_does_not_strand_the_supervisor(start: Callable[..., Supervised]) -> None:
    supervised = start("ready,hang", FAKE_FAILED_SPAWNS="1")
    supervised.wait_for_state("serving")
    supervised.signal(signal.SIGTERM)
    code, output = supervised.end()
    assert code == 0
    assert "no process could be started" in output


def test_a_stop_during_the_renewal_is_followed_afterwards(start: Callable[..., Supervised]) -> None:
    supervised = start("ready,hang")
    supervised.wait_for_state("serving")
    supervised.version_path.write_text('__version__ = "0.2.0"\n')
    supervised.signal(signal.SIGUSR1)
    time.sleep(0.03)
    supervised.signal(signal.SIGTERM)
    assert supervised.end()[0] == 0


def test_a_stop_that_reaches_both_processes_lets_the_child_drain(start: Callable[..., Supervised]) -> None:
    supervised = start("stop-slowly,ready,hang")
    info = supervised.wait_for_state("serving")
    assert info.child_pid is not None
    os.kill(info.child_pid, signal.SIGTERM)
    time.sleep(0.1)
    supervised.signal(signal.SIGTERM)
    assert supervised.end()[0] == 0
    assert len(supervised.notes("drained")) == 1


def test_children_that_were_there_before_are_left_alone(tmp_path: Path, start: Callable[..., Supervised]) -> None:
    supervised = start("ready,wait:0.2,exit:1|ready,hang", FAKE_SIDECAR=str(tmp_path / "sidecar"))
    supervised.wait_for("born", 2)
    sidecar = int((tmp_path / "sidecar").read_text())
    time.sleep(0.2)
    assert contract.is_alive(sidecar, None)
    supervised.signal(signal.SIGTERM)
    assert supervised.end()[0] == 0
    assert contract.is_alive(sidecar, None)
    os.kill(sidecar, signal.SIGKILL)


def test_a_reason_that_is_no_text_ends_nothing(start: Callable[..., Supervised]) -> None:
    supervised = start("ready,hang")
    info = supervised.wait_for_state("serving")
    now_ms = int(time.time() * 1000)
    intent = RestartIntent(supervised.process.pid, info.boot_id, "in-process", "f\udcfcr Ana", now_ms)
    supervised.intent_path.write_text(intent.to_json())
    supervised.signal(signal.SIGUSR1)
    assert supervised.wait_for("heard", 2)[1]["words"] == "restart in-process f?r Ana"


def test_a_defect_of_the_supervisor_is_logged_and_survived(start: Callable[..., Supervised]) -> None:
    supervised = start("ready,hang", FAKE_DEFECT="1")
    supervised.wait_for_state("serving")
    supervised.signal(signal.SIGUSR1)
    until(lambda: True if "has a defect" in log_of(supervised) else None)
    supervised.signal(signal.SIGTERM)
    assert supervised.end()[0] == 0


def log_of(supervised: Supervised) -> str:
    return "".join(path.read_text() for path in Path(supervised.launch.log_dir).glob("app-*.log"))


def environment(root: Path, version: str) -> Path:
    """An interpreter in an environment of its own, which knows where the one in use is."""
    python = root / version / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    (root / version / "version.py").write_text(f'__version__ = "{version}"\n')
    (root / version / Installation.NAME).write_text(Installation(str(root / "current"), "version.py").to_json())
    return python


def test_a_supervisor_that_was_renewed_goes_on_to_the_environment_that_has_taken_its_place(tmp_path: Path) -> None:
    # As when pip has replaced the code of a version that knew of no such thing.
    first, second = environment(tmp_path, "0.1.0"), environment(tmp_path, "0.2.0")
    (tmp_path / "current").symlink_to("0.2.0")
    launch = Launch(
        config_path=str(tmp_path / "xopc.json"),
        state_dir=str(tmp_path),
        lock_path=str(tmp_path / "gateway.lock"),
        intent_path=str(tmp_path / "intent.json"),
        log_dir=str(tmp_path / "logs"),
        listen=(),
        command=(str(first), str(FAKE)),
        explain_port=(str(first), "-c", ""),
        version_file=str(tmp_path / "0.1.0" / "version.py"),
        ready_text="",
        flags={},
    )
    held = lock.acquire(launch.lock_path, LockInfo(os.getpid(), None, launch.config_path, ""))
    ours, theirs = socket.socketpair()
    ours.settimeout(20)
    sleeping = [sys.executable, "-c", "import time; time.sleep(60)"]
    with socket.create_server(("127.0.0.1", 0)) as listener, ours, theirs, subprocess.Popen(sleeping) as serving:
        child = Child(serving.pid, "boot-1", theirs)
        state = State(Phase.SERVING, ready_at=1.0, ever_ready=True)
        asked = ("respawn", "an update")
        left = renew.save(held, [listener], child, state, announced=True, down_since=None, restart=asked)
        environ = {contract.LAUNCH_VARIABLE: launch.to_json(), renew.VARIABLE: left.to_json()}
        command = [first, "-P", "-m", "xopc_supervisor", "gateway"]
        with subprocess.Popen(command, env={**os.environ, **environ}, pass_fds=left.fds) as supervisor:
            try:
                assert ours.recv(200) == b"restart respawn an update, version None to 0.2.0\n"
                seen = psutil.Process(supervisor.pid).environ()
                assert Launch.from_json(seen[contract.LAUNCH_VARIABLE]).command == (str(second), str(FAKE))
            finally:
                supervisor.kill()
                serving.kill()
    held.release()
