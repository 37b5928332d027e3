"""How the process ends, as the supervisor and the clients see it; `test_tree.py` has the rest."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio

from tests.fakes.supervised_tree import running
from xopc.core.hub import Hub
from xopc.gateway.departure import RESTART_EXPECTED_MS, Outcome, say_goodbye


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
