"""Updates and rollbacks between real wheels in real environments, with a gateway and clients that ask all the time.

Slow, since pip installs all that xopc needs several times: some 15 s each. Nothing is fetched from a network.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.e2e.harness import Gateway, run_xopc, until
from tests.e2e.load import Load
from tests.e2e.wheels import build_wheel, install, offline, pack_dependencies
from tests.fakes.service_managers import FakeManagers
from tests.ports import free_port
from xopc_supervisor.contract import Installation

pytestmark = pytest.mark.timeout(900)  # on a machine that does much else; some 20 s each on one that does not

OLD, NEW, MIGRATING, FAULTY = "0.1.0", "0.2.0", "0.3.0", "0.4.0"
MIGRATION = "CREATE TABLE only_of_the_newer (id INTEGER PRIMARY KEY);\n"
FAULTS = {
    "xopc/config/resolve.py": """

from xopc.contracts.errors import ConfigError, Problem

_resolve = resolve


def resolve(environ, flags):
    resolved = _resolve(environ, flags)
    if (resolved.paths.state_dir / "picky").exists():
        raise ConfigError(str(resolved.paths.config_path), Problem("$.gateway.port", "is not liked by this version"))
    return resolved
""",
    "xopc/gateway/main.py": """

_first_stand_by, _first_run = _stand_by, run


def _stand_by(inheritance, launch, line, environ):
    if (resolve_paths(environ).state_dir / "shy").exists():
        raise OSError(5, "this version is shy")
    return _first_stand_by(inheritance, launch, line, environ)


async def run(home):
    if (home.resolved.paths.state_dir / "fragile").exists():
        raise RuntimeError("this version is fragile")
    await _first_run(home)
""",
}
"""Each shows where a file of that name lies in the state directory, which is not the case when the version is tried."""


class World:
    """A person's home, an environment with the old version in it, and wheels of others."""

    def __init__(self, home: Path, wheels: dict[str, Path], old: Path, house: Path) -> None:
        self.home = home
        self.wheels = wheels
        self.old = old
        self.script = old / "bin" / "xopc"
        self.root = home / ".local" / "share" / "xopc"
        self.environ = {**os.environ, **offline(house), "XOPC_HOME": str(home), "HOME": str(home)}

    def xopc(self, *args: str, program: Path | None = None) -> subprocess.CompletedProcess[str]:
        return run_xopc(*args, environ=self.environ, cwd=self.home, program=(program or self.script,))

    def update(self, *args: str) -> dict[str, Any]:
        """What a successful update says."""
        done = self.xopc("update", "--json", *args)
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout)

    def fail_to_update(self, *args: str) -> str:
        done = self.xopc("update", *args)
        assert done.returncode == 1, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return done.stderr

    def version(self, program: Path | None = None) -> str:
        return self.xopc("--version", program=program).stdout.strip()


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Those of xopc by their version."""
    folder = tmp_path_factory.mktemp("wheels")
    edits = {MIGRATING: {"xopc/storage/migrations/0999_newer.sql": MIGRATION}, FAULTY: FAULTS}
    versions = (OLD, NEW, MIGRATING, FAULTY)
    return {version: build_wheel(folder / version, version, edits.get(version)) for version in versions}


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Wheels of all that xopc needs."""
    house = tmp_path_factory.mktemp("house")
    pack_dependencies(house)
    return house


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory, wheels: dict[str, Path], house: Path) -> Path:
    """An environment as a person makes it, with the old version in it."""
    place = tmp_path_factory.mktemp("old") / "venv"
    install(wheels[OLD], place, house)
    return place


@pytest.fixture
def world(home: Path, wheels: dict[str, Path], old: Path, house: Path) -> Iterator[World]:
    yield World(home, wheels, old, house)
    (old / Installation.NAME).unlink(missing_ok=True)  # the next home knows nothing of this one


@pytest.fixture
def run(world: World) -> Iterator[Callable[..., Gateway]]:
    """Starts the gateway of the old environment, or of another program."""
    started: list[Gateway] = []

    def run(program: Path = world.script, *, never_respawns: bool = False) -> Gateway:
        environ = {"XOPC_NO_RESPAWN": "1"} if never_respawns else {}
        gateway = Gateway(world.home, "--port", "0", program=(program,), child=None, within=(), **environ)
        started.append(gateway)
        return gateway.wait_until_ready()

    yield run
    for gateway in started:
        gateway.kill()


def send(gateway: Gateway, text: str) -> None:
    body = json.dumps({"message": text, "session": "main"})
    answer = gateway.request("POST", "/api/agent", body=body, headers={"Content-Type": "application/json"})
    assert answer.status == 200, answer.body


def transcript(gateway: Gateway) -> str:
    return gateway.xopc("sessions", "list", "--json").stdout


def test_an_update_and_a_rollback_under_load_refuse_nobody(world: World, run: Callable[..., Gateway]) -> None:
    gateway = run()
    send(gateway, "remember the milk")
    first, told = gateway.health(), transcript(gateway)
    world.environ["PIP_FIND_LINKS"] += f" {world.wheels[NEW].parent}"
    with Load(gateway.port, "/health", {}).running() as load:
        looked = world.xopc("update", "--check")
        assert f"xopc {NEW} is there; {OLD} is in use" in looked.stdout
        done = world.update()
        assert (done["from"], done["to"], done["gateway"]) == (OLD, NEW, "handed-over")
        second = gateway.health()
        assert world.version() == NEW, "the script that the person knows leads to the new version"
        back = world.update("--rollback")
        assert (back["from"], back["to"], back["gateway"]) == (NEW, OLD, "handed-over")
        third = gateway.health()
        world.environ["PIP_FIND_LINKS"] = ""
        assert "pip finds no xopc==0.9.9" in world.fail_to_update("--version", "0.9.9")
        forth = world.update("--version", NEW)
        assert (forth["to"], forth["gateway"]) == (NEW, "handed-over"), "it is kept, so pip is not asked for it"
        assert world.update("--version", OLD)["gateway"] == "handed-over"
    assert load.failures == []
    assert load.answered > 100
    assert [each["version"] for each in (first, second, third)] == [OLD, NEW, OLD]
    assert len({each["bootId"] for each in (first, second, third)}) == 3
    assert {each["pid"] for each in (first, second, third)} == {gateway.process.pid}
    assert transcript(gateway) == told
    assert world.version() == world.version(Path(done["program"])) == OLD


def test_a_newer_schema_is_reached_with_a_copy_kept_and_not_gone_back_from(
    world: World, run: Callable[..., Gateway]
) -> None:
    gateway = run()
    send(gateway, "remember the milk")
    told = transcript(gateway)
    done = world.update("--wheel", str(world.wheels[MIGRATING]))
    copy = Path(done["databaseCopy"])
    assert copy.stat().st_mode & 0o777 == 0o600
    assert gateway.health()["version"] == MIGRATING
    assert transcript(gateway) == told
    with Load(gateway.port, "/health", {}).running() as load:
        refused = world.fail_to_update("--rollback")
    assert f"xopc {OLD} cannot go on with this database" in refused
    assert str(copy) in refused
    assert load.failures == []
    assert gateway.health()["version"] == MIGRATING
    assert world.update("--wheel", str(world.wheels[MIGRATING]))["result"] == "up-to-date"
    # As docs/how-to/update.md says.
    send(gateway, "what is lost then")
    assert gateway.xopc("gateway", "stop").returncode == 0
    for suffix in ("", "-wal", "-shm"):
        (gateway.state / f"xopc.db{suffix}").unlink(missing_ok=True)
    shutil.copy(copy, gateway.state / "xopc.db")
    assert world.update("--rollback")["gateway"] == "not-running"
    again = run()
    assert again.health()["version"] == OLD
    assert transcript(again) == told


def test_a_version_that_is_no_good_leaves_the_old_one_serving_with_the_reason(
    world: World, run: Callable[..., Gateway], tmp_path: Path
) -> None:
    gateway = run()
    send(gateway, "remember the milk")
    before, told = gateway.health(), transcript(gateway)
    torn = build_wheel(tmp_path / "torn", "0.5.0", {"xopc/gateway/main.py": "\nimport a_module_that_was_forgotten\n"})
    with Load(gateway.port, "/health", {}).running() as load:
        said = world.fail_to_update("--wheel", str(torn))
        assert "No module named 'a_module_that_was_forgotten'" in said
        (gateway.state / "picky").touch()
        said = world.fail_to_update("--wheel", str(world.wheels[FAULTY]))
        assert "refuses this configuration" in said
        assert "$.gateway.port: is not liked by this version" in said
        assert world.version() == OLD
        (gateway.state / "picky").rename(gateway.state / "shy")
        said = world.fail_to_update("--wheel", str(world.wheels[FAULTY]))
        assert "could not take over" in said
        assert "this version is shy" in said
        assert f"xopc {OLD} has gone on serving" in said
        assert gateway.health()["bootId"] == before["bootId"], "the same process has served all the time"
        (gateway.state / "shy").rename(gateway.state / "fragile")
        said = world.fail_to_update("--wheel", str(world.wheels[FAULTY]))
        assert "this version is fragile" in said
        assert f"xopc {OLD} is in use, and serves again" in said
    assert load.failures == [], "whoever came while it crashed has waited"
    assert world.version() == gateway.health()["version"] == OLD
    assert transcript(gateway) == told
    (gateway.state / "fragile").unlink()
    assert world.update("--wheel", str(world.wheels[FAULTY]))["to"] == FAULTY
    assert gateway.health()["version"] == FAULTY


def test_an_update_that_is_killed_at_any_step_leaves_what_serves_and_can_be_updated(
    world: World, run: Callable[..., Gateway]
) -> None:
    gateway = run()
    wheel = str(world.wheels[NEW])
    with Load(gateway.port, "/health", {}).running() as load:
        for step in ("Installing", "Trying"):
            kill_update(world, wheel, step)
            assert gateway.health()["version"] == world.version() == OLD
        kill_update(world, wheel, f"xopc {NEW} is in use now")
        assert gateway.health()["status"] == "healthy"
        resumed = world.xopc("update", "--wheel", wheel)
        assert resumed.returncode == 0, resumed.stderr
        assert "was cut off after the switch" in resumed.stdout
        until(lambda: gateway.health()["version"] == NEW, "it is the new version")
        assert world.version() == NEW
        assert not (world.root / "update.json").exists()
        assert world.update("--rollback")["to"] == OLD
    assert load.failures == []
    newer = (world.root / "previous").resolve()
    newer.rename(newer.with_name(".aside"))
    assert "there is no version before" in world.fail_to_update("--rollback")
    newer.with_name(".aside").rename(newer)
    (world.root / "current").unlink()
    (world.root / "current").symlink_to("gone")
    again = world.xopc("update", "--wheel", wheel)
    assert f"xopc {OLD} is in use again" in again.stdout
    assert f"xopc {NEW} is in use, and its gateway serves" in again.stdout
    names = sorted(path.name for path in (world.root / "versions").iterdir())
    assert names == [OLD, f"{NEW}-2"], "what was made by half is gone, and its name was not used again"


def test_a_gateway_that_crashes_between_the_switch_and_the_hand_over_comes_back_as_the_new_version(
    world: World, run: Callable[..., Gateway]
) -> None:
    gateway = run()
    world.update("--wheel", str(world.wheels[NEW]), "--config", str(world.home / "other.json"))
    boot_id = gateway.boot_id()
    assert gateway.health()["version"] == OLD, "it was another configuration's gateway that was to be replaced"
    os.kill(gateway.child_pid, signal.SIGKILL)
    until(lambda: gateway.boot_id() not in (None, boot_id), "another process serves")
    assert gateway.health()["version"] == NEW


def test_a_gateway_that_cannot_be_replaced_is_told_of(
    world: World, run: Callable[..., Gateway], start: Callable[..., Gateway]
) -> None:
    gateway = start()
    done = world.update("--wheel", str(world.wheels[NEW]))
    assert done["gateway"] == "left-alone"
    assert "another installation of xopc" in done["warnings"][0]
    assert f"{done['program']} gateway" in done["warnings"][0]
    gateway.signal(signal.SIGTERM)
    assert gateway.wait_until_ended() == 0
    obstinate = run(Path(done["program"]), never_respawns=True)
    back = world.update("--rollback")
    assert "XOPC_NO_RESPAWN" in back["warnings"][0]
    assert obstinate.health()["version"] == NEW


def test_an_installed_service_goes_on_as_the_new_version_and_its_definition_names_the_program_that_stays(
    world: World,
) -> None:
    with FakeManagers(world.home, runs=True) as managers:
        world.environ.update(managers.environ)
        port = free_port()
        for command in (("install", "--port", str(port)), ("start",)):
            done = world.xopc("gateway", "service", *command)
            assert done.returncode == 0, done.stdout + done.stderr
        unit = world.home / ".config" / "systemd" / "user" / "xopc-gateway.service"
        assert f"ExecStart={world.script} gateway" in unit.read_text()
        before = health(port)
        with Load(port, "/health", {}).running() as load:
            done = world.update("--wheel", str(world.wheels[NEW]))
            assert (done["gateway"], done["warnings"]) == ("handed-over", [])
            after = health(port)
            assert (after["version"], after["pid"]) == (NEW, before["pid"]), "the manager's process is the same"
            text = unit.read_text()
            assert f"ExecStart={done['program']} gateway --foreground --port {port}" in text
            assert f"v{NEW})" in text
        assert load.failures == []


def health(port: int) -> dict[str, Any]:
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=20)) as connection:
        connection.request("GET", "/health")
        return json.load(connection.getresponse())


def kill_update(world: World, wheel: str, step: str) -> None:
    """Run an update until it tells of a step, and kill it, pip and all."""
    command = [world.script, "update", "--wheel", wheel]
    process = subprocess.Popen(
        command, env=world.environ, cwd=world.home, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    assert process.stdout is not None
    seen = threading.Event()

    def read() -> None:
        for line in process.stdout or ():
            if step in line:
                seen.set()
                return

    threading.Thread(target=read, daemon=True).start()
    assert seen.wait(120), f"it does not come to {step}"
    if step == "Installing":
        time.sleep(1.5)  # somewhere within it
    os.killpg(process.pid, signal.SIGKILL)
    process.wait(10)
    process.stdout.close()
    for each in psutil.process_iter(["cmdline"]):  # the gateway that was tried would end by itself a minute later
        if (each.info["cmdline"] or [""])[0].startswith(str(world.root)):
            with contextlib.suppress(psutil.Error):
                if "xopc-trial-" in each.environ().get("XOPC_HOME", ""):
                    each.kill()
