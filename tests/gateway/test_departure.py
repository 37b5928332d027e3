"""How the process ends, as the supervisor and the clients see it; `test_tree.py` has the rest."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from tests.fakes.supervised_tree import TOKEN, Supervised, running
from xopc.core.hub import Hub
from xopc.gateway.departure import RESTART_EXPECTED_MS, Outcome, say_goodbye
from xopc.gateway.generation import Generation
from xopc.server.wire.serve import LAST_CALL_SECONDS


@pytest.mark.parametrize(("reason", "expected"), [("restarting", RESTART_EXPECTED_MS), ("stopping", None)])
async def test_subscribers_are_told_why_and_when_to_come_back(reason: str, expected: int | None) -> None:
    hub = Hub("boot-1")
    async with hub.subscribe() as events:
        say_goodbye(hub, reason)
        (event,) = await events.receive()
        assert event.data == {"reason": reason, "restartExpectedMs": expected}
        assert await events.receive() == []


async def test_a_stop_is_the_end_and_a_hand_over_leaves_to_another(configured: Path) -> None:
    async with running(configured) as supervised:
        await supervised.words("ready")
        await supervised.tell("stop by hand")
        await supervised.words("stopping")
    assert supervised.outcomes == [Outcome.STOP]
    async with running(configured, boot_id="boot-2") as supervised:
        await supervised.words("ready")
        with supervised.told_to_hand_over("a new version") as heirloom:
            assert await trio.to_thread.run_sync(heirloom.recv, 1) == b""
    assert supervised.outcomes == [Outcome.RESPAWN]


async def test_a_stop_does_not_wait_for_a_reload(configured: Path) -> None:
    async with running(configured) as supervised:
        await supervised.words("ready")
        await supervised.tell("restart reload SIGHUP")
        with trio.fail_after(5):
            await supervised.tell("stop by hand")
            await supervised.words("stopping")
    assert supervised.outcomes == [Outcome.STOP]


GET_STATUS = f"GET /api/status HTTP/1.1\r\nHost: localhost\r\nX-Api-Key: {TOKEN}\r\n\r\n".encode()


async def ask(client: trio.SocketStream, what: bytes = GET_STATUS) -> bytes:
    """The head of the answer."""
    with trio.fail_after(5):
        await client.send_all(what)
        return (await client.receive_some()).partition(b"\r\n\r\n")[0]


async def connect(supervised: Supervised) -> trio.SocketStream:
    return await trio.open_tcp_stream("127.0.0.1", supervised.home.places.serving[0].getsockname()[1])


@pytest.mark.parametrize("stop", ["stop by hand", "stop restart an update"])
async def test_where_the_sockets_are_kept_a_stop_leaves_newcomers_to_the_next_and_serves_who_is_connected(
    configured: Path, stop: str
) -> None:
    async with running(configured, XOPC_SERVICE_MARKER="systemd") as supervised:
        await supervised.words("ready")
        kept = supervised.home.places.serving[0].dup()
        async with await connect(supervised) as inside:
            assert b" 200 " in await ask(inside)
            await supervised.tell(stop)
            await supervised.words("stopping")
            answer = b""
            while b"connection: close" not in answer.lower():  # the drain begins when the restart is recorded
                answer = await ask(inside)
                assert b" 200 " in answer
        await wait_all_tasks_blocked()
        newcomer = await connect(supervised)
        await newcomer.send_all(GET_STATUS)
    assert supervised.outcomes == [Outcome.STOP]
    with kept:
        accepted, _ = kept.accept()
    with accepted:
        assert accepted.recv(10_000) == GET_STATUS
    await newcomer.aclose()


async def test_where_the_sockets_are_kept_who_is_connected_is_served_however_long_his_first_request_takes(
    configured: Path,
) -> None:
    async with running(configured, XOPC_SERVICE_MARKER="systemd") as supervised:
        await supervised.words("ready")
        async with await connect(supervised) as late, await connect(supervised) as slow:
            await slow.send_all(GET_STATUS[:-2])
            assert await supervised.get("/api/status")  # both are accepted
            await supervised.tell("stop by hand")
            await supervised.words("stopping")
            await trio.sleep(LAST_CALL_SECONDS + 0.25)
            assert b" 200 " in await ask(late)
            assert b" 200 " in await ask(slow, GET_STATUS[-2:])
    assert supervised.outcomes == [Outcome.STOP]


@pytest.mark.parametrize(
    ("marker", "stop", "served"),
    [("systemd", "stop by hand", True), ("", "stop restart an update", True), ("", "stop by hand", False)],
)
async def test_who_waits_for_a_restart_that_a_stop_cuts_short_is_served_if_anybody_comes_afterwards(
    configured: Path, monkeypatch: pytest.MonkeyPatch, marker: str, stop: str, served: bool
) -> None:
    drain, restarting = Generation.drain, trio.Event()

    async def drain_long(generation: Generation) -> None:
        if not restarting.is_set():
            restarting.set()
            await trio.sleep_forever()
        await drain(generation)

    monkeypatch.setattr(Generation, "drain", drain_long)
    async with running(configured, XOPC_SERVICE_MARKER=marker) as supervised:
        await supervised.words("ready")
        await supervised.tell("restart in-process a wish")
        with trio.fail_after(5):
            await restarting.wait()
        async with await connect(supervised) as waiting:
            await waiting.send_all(GET_STATUS)
            await wait_all_tasks_blocked(0.05)
            await supervised.tell(stop)
            assert ((b" 200 " in await ask(waiting, b"")), supervised.outcomes) == (served, [])
    assert supervised.outcomes == [Outcome.STOP]


async def test_where_they_end_with_the_gateway_a_stop_tells_newcomers_so(configured: Path) -> None:
    async with running(configured) as supervised:
        await supervised.words("ready")
        async with await connect(supervised) as inside:
            assert b" 200 " in await ask(inside)
            await supervised.tell("stop by hand")
            await supervised.words("stopping")
            async with await connect(supervised) as newcomer:
                assert b" 503 " in await ask(newcomer)
            assert b" 503 " in await ask(inside)
