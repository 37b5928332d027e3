"""The whole tree in this process: real sockets, a real database, and the test as its supervisor."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio
from attrs import define

from xopc.config.accepted import keep_accepted
from xopc.config.resolve import Flags
from xopc.config.setup import prepare
from xopc.gateway.line import Line
from xopc.gateway.places import Places
from xopc.gateway.tree import Home, Outcome, run
from xopc_supervisor.contract import Address, Go, Inheritance

TOKEN = "an-invented-token-0123456789"


@define
class Supervised:
    """A running tree, and the supervisor's end of its line."""

    home: Home
    line: trio.SocketStream
    outcomes: list[Outcome]
    _heard: bytes = b""

    async def words(self, until: str) -> list[str]:
        """All words up to this one, without the `alive`."""
        with trio.fail_after(10):
            while f"{until}" not in self._heard.decode():
                self._heard += await self.line.receive_some()
        lines, self._heard = self._heard.decode().splitlines(), b""
        return [line for line in lines if line != "alive"]

    async def tell(self, line: str) -> None:
        await self.line.send_all(f"{line}\n".encode())

    def told_to_hand_over(self, reason: str) -> socket.socket:
        """The successor's end of the heirloom."""
        ours, theirs = socket.socketpair()
        ours.settimeout(10)
        with theirs, socket.socket(fileno=os.dup(self.line.socket.fileno())) as line:
            socket.send_fds(line, [f"hand-over {reason}\n".encode()], [theirs.fileno()])
        return ours

    async def get(self, path: str) -> Any:  # noqa: ANN401 - JSON
        """The JSON that a client gets."""
        port = self.home.places.serving[0].getsockname()[1]
        async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
            head = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nX-Api-Key: {TOKEN}\r\nConnection: close\r\n\r\n"
            await stream.send_all(head.encode())
            reply = b"".join([part async for part in stream])
        return json.loads(reply.partition(b"\r\n\r\n")[2])


def write(home: Path, document: object) -> None:
    (home / ".xopc").mkdir(exist_ok=True)
    (home / ".xopc" / "xopc.json").write_text(json.dumps(document))


@asynccontextmanager
async def running(
    directory: Path,
    *,
    kind: str = "start",
    since: float | None = None,
    boot_id: str = "boot-1",
    use_accepted: bool = False,
    edited: object = None,
    bound: tuple[Address, ...] = (),
    problem: str | None = None,
    **variables: str,
) -> AsyncGenerator[Supervised]:
    """A tree from its start to its end, which the block has to bring about."""
    environ = {"XOPC_HOME": str(directory), **variables}
    ours, theirs = socket.socketpair()
    resolved = prepare(environ, Flags(), use_accepted=use_accepted)
    if edited is not None:
        write(directory, edited)
    home = Home(
        resolved=resolved,
        flags=Flags(),
        environ=environ,
        inheritance=Inheritance(0, 0, (), boot_id, 4711),
        go=Go(kind, f"a {kind}", since),
        places=Places((socket.create_server(("127.0.0.1", 0)),), bound or resolved.addresses, problem=problem),
        line=Line(theirs.detach()),
    )
    supervised = Supervised(home, trio.SocketStream(trio.socket.from_stdlib_socket(ours)), [])

    async def run_home() -> None:
        supervised.outcomes.append(await run(home))

    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(run_home)
            yield supervised
    finally:
        ours.close()
        home.line.close()
        home.places.serving[0].close()


@pytest.fixture(autouse=True)
def no_forced_exit(monkeypatch: pytest.MonkeyPatch) -> None:
    """The process under test is the test's own, which must not be ended."""

    def never(_code: int, _seconds: float = 0) -> None: ...

    monkeypatch.setattr("xopc.gateway.tree.force_exit", never)


@pytest.fixture
def configured(home: Path) -> Path:
    write(home, {"gateway": {"auth": {"token": TOKEN}}})
    return home


async def test_it_listens_and_then_is_ready_and_a_stop_ends_it(configured: Path) -> None:
    async with running(configured) as supervised:
        assert await supervised.words("ready") == ["listening", "ready 30 0"]
        health = await supervised.get("/health")
        assert (health["status"], health["bootId"], health["pid"]) == ("healthy", "boot-1", 4711)
        await supervised.tell("stop by hand")
        assert "stopping" in await supervised.words("stopping")
    assert supervised.outcomes == [Outcome.STOP]


async def test_the_loss_of_the_supervisor_is_a_stop(configured: Path) -> None:
    async with running(configured) as supervised:
        await supervised.words("ready")
        await supervised.line.aclose()
    assert supervised.outcomes == [Outcome.STOP]


async def test_a_restart_in_the_process_is_said_recorded_and_counted(configured: Path) -> None:
    async with running(configured) as supervised:
        await supervised.words("ready")
        await supervised.tell("restart in-process a new key")
        assert await supervised.words("ready") == ["restart in-process a new key", "ready 30 0"]
        status = await supervised.get("/api/status")
        assert (status["health"]["generation"], status["restarts"]) == (2, 1)
        assert (status["lastRestart"]["kind"], status["lastRestart"]["reason"]) == ("in-process", "a new key")
        await supervised.tell("stop")
    assert supervised.outcomes == [Outcome.STOP]


async def test_a_respawn_is_a_wish_and_it_serves_until_it_is_told_to_hand_over(configured: Path) -> None:
    async with running(configured) as supervised:
        await supervised.words("ready")
        await supervised.tell("restart respawn a new version")
        assert await supervised.words("version") == ["restart respawn a new version"]
        assert (await supervised.get("/health"))["status"] == "healthy"
        with supervised.told_to_hand_over("a new version") as heirloom:
            assert await trio.to_thread.run_sync(heirloom.recv, 1) == b""
    assert supervised.outcomes == [Outcome.RESPAWN]


async def test_an_idle_connection_goes_to_the_successor_with_what_it_asks_later(configured: Path) -> None:
    async with running(configured) as supervised:
        await supervised.words("ready")
        idle = await trio.open_tcp_stream("127.0.0.1", supervised.home.places.serving[0].getsockname()[1])
        async with idle:
            await supervised.get("/health")
            with supervised.told_to_hand_over("a new version") as heirloom:
                _, fds, _, _ = await trio.to_thread.run_sync(socket.recv_fds, heirloom, 1, 4)
            await idle.send_all(b"GET /later")
            with socket.socket(fileno=fds[0]) as passed:
                passed.setblocking(True)
                assert passed.recv(100) == b"GET /later"
    assert supervised.outcomes == [Outcome.RESPAWN]


async def test_a_successor_that_is_declined_changes_nothing(configured: Path) -> None:
    async with running(configured) as supervised:
        await supervised.words("ready")
        await supervised.tell("restart respawn a new version")
        await supervised.tell("declined it has a bug")
        await supervised.words("version")
        await supervised.tell("restart in-process all the same")
        await supervised.words("ready")
        assert (await supervised.get("/health"))["generation"] == 2
        await supervised.tell("stop")
    assert supervised.outcomes == [Outcome.STOP]


async def test_a_restart_that_comes_while_a_successor_is_awaited_is_left_to_it(configured: Path) -> None:
    async with running(configured) as supervised:
        await supervised.words("ready")
        await supervised.tell("restart respawn a new version")
        await supervised.words("version")
        await supervised.tell("restart in-process meanwhile")
        await trio.sleep(0.2)
        assert (await supervised.get("/health"))["generation"] == 1
        await supervised.tell("declined it has a bug")
        assert (await supervised.words("ready"))[0] == "restart in-process meanwhile"
        await supervised.tell("stop")


async def test_an_edit_while_it_started_is_followed(configured: Path) -> None:
    async with running(configured, edited={"gateway": {"auth": {"token": TOKEN}}, "agents": {}}) as supervised:
        assert await supervised.words("ready 30 0\nrestart")
        await supervised.words("ready")
        last = (await supervised.get("/api/status"))["lastRestart"]
        assert last["reason"] == "the configuration changed while this process started"
        await supervised.tell("stop")


async def test_a_hand_over_without_a_place_for_the_connections_parts_from_them_cleanly(configured: Path) -> None:
    async with running(configured) as supervised:
        await supervised.words("ready")
        await supervised.tell("hand-over a new version")
    assert supervised.outcomes == [Outcome.RESPAWN]


async def test_two_signals_within_a_second_are_one_stop(configured: Path) -> None:
    async with running(configured) as supervised:
        await supervised.words("ready")
        await supervised.tell("stop one")
        await supervised.tell("stop one")
    assert supervised.outcomes == [Outcome.STOP]


async def test_a_refused_reload_does_not_hide_that_the_last_accepted_copy_serves(configured: Path) -> None:
    keep_accepted(prepare({"XOPC_HOME": str(configured)}, Flags()))
    (configured / ".xopc" / "xopc.json").write_text("{")
    async with running(configured, use_accepted=True) as supervised:
        await supervised.words("ready")
        await supervised.tell("restart reload SIGHUP")
        await trio.sleep(0.3)
        health = await supervised.get("/health")
        assert (health["status"], health["problems"]) == ("degraded", ["configuration"])
        await supervised.tell("stop")


async def test_a_stop_that_a_service_manager_follows_with_a_start_is_a_restart_in_the_records(configured: Path) -> None:
    async with running(configured) as supervised:
        await supervised.words("ready")
        await supervised.tell("stop restart an upgrade")
    async with running(configured, boot_id="boot-2") as supervised:
        await supervised.words("ready")
        last = (await supervised.get("/api/status"))["lastRestart"]
        assert (last["kind"], last["reason"]) == ("respawn", "an upgrade")
        assert last["durationMs"] is not None
        await supervised.tell("stop")


async def test_the_start_after_a_crash_says_how_long_nobody_was_answered(configured: Path) -> None:
    async with running(configured, kind="crash", since=0.0) as supervised:
        await supervised.words("ready")
        last = (await supervised.get("/api/status"))["lastRestart"]
        assert (last["kind"], last["reason"]) == ("crash", "a crash")
        assert last["durationMs"] > 0
        await supervised.tell("stop")


async def test_a_configuration_that_forbids_restarts_is_obeyed_but_can_be_reloaded(configured: Path) -> None:
    write(configured, {"gateway": {"auth": {"token": TOKEN}}, "commands": {"restart": False}})
    async with running(configured) as supervised:
        await supervised.words("ready")
        await supervised.tell("restart in-process please")
        await supervised.tell("restart reload SIGHUP")
        await supervised.words("ready")
        assert (await supervised.get("/health"))["generation"] == 2
        assert (await supervised.get("/api/status"))["lastRestart"]["reason"] == "SIGHUP"
        await supervised.tell("stop")


async def test_a_broken_configuration_leaves_the_generation_as_it_is(configured: Path) -> None:
    async with running(configured) as supervised:
        await supervised.words("ready")
        write(configured, {"gateway": {"port": "many"}})
        await supervised.tell("restart in-process broken")
        write_later = {"gateway": {"auth": {"token": TOKEN}}}
        await trio.sleep(0.3)
        assert (await supervised.get("/health"))["generation"] == 1
        write(configured, write_later)
        await supervised.tell("restart in-process mended")
        await supervised.words("ready")
        assert (await supervised.get("/health"))["generation"] == 2
        await supervised.tell("stop")


async def test_other_addresses_are_the_wish_for_a_successor(configured: Path) -> None:
    async with running(configured) as supervised:
        await supervised.words("ready")
        write(configured, {"gateway": {"port": 18999, "auth": {"token": TOKEN}}})
        await supervised.tell("restart reload SIGHUP")
        assert await supervised.words("SIGHUP") == ["restart respawn SIGHUP"]
        assert (await supervised.get("/health"))["generation"] == 1
        await supervised.tell("stop")


async def test_where_no_process_may_follow_other_addresses_wait_for_the_next_start(
    configured: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    async with running(configured, XOPC_NO_RESPAWN="1") as supervised:
        await supervised.words("ready")
        write(configured, {"gateway": {"port": 18999, "auth": {"token": TOKEN}}})
        await supervised.tell("restart reload SIGHUP")
        await supervised.words("ready")
        assert (await supervised.get("/health"))["generation"] == 2
        await supervised.tell("stop")
    assert "gateway.port or gateway.bind changed" in capfd.readouterr().out


async def test_an_address_that_is_not_there_is_a_problem_from_the_first_answer_on(configured: Path) -> None:
    custom = {"bind": "custom", "customBindHost": "198.51.100.7", "auth": {"token": TOKEN}}
    write(configured, {"gateway": custom})
    async with running(configured) as supervised:
        await supervised.words("ready")
        health = await supervised.get("/health")
        assert (health["status"], health["problems"]) == ("degraded", ["addresses"])
        assert any(node["name"] == "addresses" for node in (await supervised.get("/api/tree"))["children"])
        write(configured, {"gateway": {**custom, "customBindHost": "127.0.0.2"}})
        await supervised.tell("restart reload SIGHUP")
        assert await supervised.words("SIGHUP") == ["restart respawn SIGHUP"]
        await supervised.tell("stop")


async def test_sockets_that_are_not_for_what_the_configuration_names_are_tried_for_again_by_a_restart(
    configured: Path,
) -> None:
    async with running(configured, bound=(Address("127.0.0.1", 1),), problem="port 18790 is taken") as supervised:
        await supervised.words("ready")
        assert (await supervised.get("/health"))["problems"] == ["addresses"]
        await supervised.tell("restart in-process by hand")
        assert await supervised.words("by hand") == ["restart respawn by hand"]
        await supervised.tell("stop")
