"""A generation with its real parts: channels, sessions, outbox and the built-in model."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
import trio
from attrs import evolve

from tests.fakes.telegram_server import TOKEN, BotApi, serving
from xopc.config.plan import make_plan
from xopc.config.resolve import Flags, Resolved, resolve
from xopc.contracts.api.status import TreeNode
from xopc.contracts.cron import Job, JobDelivery, Payload, PayloadKind, RunStatus, Schedule, ScheduleKind
from xopc.contracts.messages import Address, Inbound, Outbound, OutboxState, PeerKind
from xopc.contracts.settings.cron import CronSettings
from xopc.contracts.settings.file import AgentEntry, AgentsSettings
from xopc.contracts.settings.outbox import OutboxSettings
from xopc.contracts.transcript import RunState
from xopc.core.tasks import Node, open_branch
from xopc.gateway.generation import Generation, Life, start_generation


def configured(home: Path, bot_api: BotApi | None = None, **gateway: object) -> Resolved:
    document: dict[str, Any] = {"gateway": gateway}
    if bot_api is not None:
        telegram = {"botToken": TOKEN, "apiRoot": bot_api.root, "dmPolicy": "open"}
        document["channels"] = {"telegram": telegram}
    (home / ".xopc").mkdir(exist_ok=True)
    (home / ".xopc" / "xopc.json").write_text(json.dumps(document))
    return resolve({"XOPC_HOME": str(home)}, Flags())


def inbound(text: str) -> Inbound:
    return Inbound(Address("webchat", "default", "chat"), PeerKind.DIRECT, "chat", text, f"test:{text}")


PARTS = {"channels", "sessions", "heartbeat", "outbox", "scheduler", "upkeep"}


def names(node: TreeNode) -> set[str]:
    return {child.name for child in node.children}


async def answered(generation: Generation, text: str) -> RunState:
    (accepted,) = await generation.inbox.accept([inbound(text)])
    return (await generation.sessions.wait(accepted.run_id)).state


async def test_it_tells_why_a_model_cannot_be_asked(home: Path, life: Life) -> None:
    async with open_branch(Node("root")) as branch:
        generation = await start_generation(branch, 1, configured(home), life)
        assert generation.why_no_model("builtin/offline") is None
        why = generation.why_no_model("nobody/fast")
        await generation.end()
        assert why is not None
        assert why.startswith('There is no model "nobody/fast": no provider "nobody" is configured')


async def test_its_parts_are_tasks_below_it(home: Path, life: Life) -> None:
    root = Node("root")
    async with open_branch(root) as branch:
        generation = await start_generation(branch, 3, configured(home), life)
        (node,) = root.snapshot().children
        assert (node.name, node.restarts) == ("generation", 2)
        assert names(node) == PARTS
        assert names(node.children[0]) == {"webchat:default"}
        await generation.end()
    assert root.snapshot().children == ()


async def test_a_message_is_answered_by_the_built_in_model(home: Path, life: Life) -> None:
    async with open_branch(Node("root")) as branch:
        generation = await start_generation(branch, 1, configured(home), life)
        assert await answered(generation, "Hello") is RunState.DONE
        await generation.end()


async def test_a_drained_generation_answers_no_more_and_the_next_one_goes_on(home: Path, life: Life) -> None:
    async with open_branch(Node("root")) as branch:
        first = await start_generation(branch, 1, configured(home), life)
        with trio.fail_after(5):
            await first.drain()
        (accepted,) = await first.inbox.accept([inbound("left over")])
        await first.end()
        second = await start_generation(branch, 2, configured(home), life)
        with trio.fail_after(5):
            assert (await second.sessions.wait(accepted.run_id)).state is RunState.DONE
        await second.end()


async def test_rows_117_119_a_deferred_channel_connects_in_phase_2_and_the_outbox_begins_after_it(
    home: Path, life: Life
) -> None:
    async with serving() as bot_api, open_branch(Node("root")) as branch:
        bot_api.chats.add(7)
        generation = await start_generation(branch, 1, configured(home, bot_api), life)
        assert "outbox" not in names(generation.node.snapshot())
        assert not bot_api.called("getMe")
        row_id, _ = await life.storage.enqueue(Outbound(Address("telegram", "default", "7"), "queued before"))
        await generation.begin_phase_2()
        with trio.fail_after(10):
            await bot_api.until(lambda: bot_api.sent)
        assert [call.method for call in bot_api.calls].index("getMe") < [call.method for call in bot_api.calls].index(
            "sendMessage"
        )
        row = await life.storage.outbox_row(row_id)
        assert row is not None
        assert row.state in (OutboxState.SENT, OutboxState.INFLIGHT)
        await generation.end()


async def test_row_123_with_mode_off_nothing_is_deferred(home: Path, life: Life) -> None:
    async with serving() as bot_api, open_branch(Node("root")) as branch:
        resolved = configured(home, bot_api, channelConnectDeferMode="off")
        generation = await start_generation(branch, 1, resolved, life)
        assert bot_api.called("getMe")
        assert "outbox" in names(generation.node.snapshot())
        await generation.end()


async def test_a_channel_that_cannot_connect_degrades_the_gateway_and_stops_nothing(home: Path, life: Life) -> None:
    async with serving() as bot_api, open_branch(Node("root")) as branch:
        bot_api.fail("getMe", status=401, times=-1)
        resolved = configured(home, bot_api, channelConnectDeferMode="off")
        generation = await start_generation(branch, 1, resolved, life)
        assert generation.is_degraded()
        assert {"name": "telegram", "enabled": True, "connected": False} in generation.channel_status()
        assert await answered(generation, "Hello") is RunState.DONE
        await generation.end()


async def test_a_changed_channel_reads_on_and_answers_and_the_one_before_is_closed(home: Path, life: Life) -> None:
    async with serving() as bot_api, open_branch(Node("root")) as branch:
        before = configured(home, bot_api)
        generation = await start_generation(branch, 1, before, life)
        await generation.begin_phase_2()
        bot_api.receive(chat=7, text="one")
        with trio.fail_after(10):
            await bot_api.until(lambda: len(bot_api.sent) == 1)
        old = generation.channels["telegram"]
        settings = before.settings.channels.telegram
        channels = evolve(before.settings.channels, telegram=evolve(settings, text_chunk_limit=1000))
        after = evolve(before, settings=evolve(before.settings, channels=channels))
        plan = make_plan(before, after)
        await generation.change(after, plan)
        await generation.change_channels(plan)
        bot_api.receive(chat=7, text="two")
        with trio.fail_after(10):
            await bot_api.until(lambda: len(bot_api.sent) == 2)
        assert generation.channels["telegram"] is not old
        assert names(generation.node.snapshot()) == {
            "channels",
            "sessions",
            "heartbeat",
            "outbox",
            "scheduler",
            "upkeep",
        }
        assert {"name": "telegram", "enabled": True, "connected": True} in generation.channel_status()
        assert not generation.is_degraded()
        await generation.end()


async def test_the_time_to_live_of_messages_that_wait_is_that_of_the_changed_configuration(
    home: Path, life: Life
) -> None:
    async with serving() as bot_api, open_branch(Node("root")) as branch:
        bot_api.chats.add(7)
        before = configured(home, bot_api, channelConnectDeferMode="off")
        generation = await start_generation(branch, 1, before, life)
        bot_api.fail("sendMessage", status=429, parameters={"retry_after": 1})
        address = Address("telegram", "default", "7")
        first, _ = await generation.outbox.enqueue(Outbound(address, "first"))
        second, _ = await generation.outbox.enqueue(Outbound(address, "second"))
        after = evolve(before, settings=evolve(before.settings, outbox=OutboxSettings(ttl_seconds=1)))
        await generation.change(after, make_plan(before, after))
        async with life.hub.subscribe(types=("message.failed",)) as events:
            with trio.fail_after(10):
                failed = set[object]()
                while failed != {first, second}:
                    failed |= {event.data["messageId"] for event in await events.receive()}
        assert bot_api.sent == []
        await generation.end()


async def test_row_118_jobs_run_from_phase_1_on_with_the_settings_in_force_until_the_drain(
    home: Path, life: Life
) -> None:
    async with open_branch(Node("root")) as branch:
        before = configured(home)
        generation = await start_generation(branch, 1, before, life)
        off = evolve(before, settings=evolve(before.settings, cron=CronSettings(enabled=False)))
        plan = make_plan(before, off)
        assert plan.hot == ("cron.enabled",)
        await generation.change(off, plan)
        job = Job(
            id="5f0c1a2b",
            schedule=Schedule(ScheduleKind.AT, at=time.time() + 0.05),
            payload=Payload(PayloadKind.SYSTEM_EVENT, "Hello"),
            created_at=0,
            updated_at=0,
            delivery=JobDelivery(channel="webchat", to="chat"),
        )
        await generation.scheduler.add(job)
        await trio.sleep(0.3)
        assert await life.storage.job_runs(job.id, 10) == []
        await generation.change(before, make_plan(off, before))
        async with life.hub.subscribe(types=("cron.run",)) as events:
            with trio.fail_after(5):
                while await ways(life, job.id) != [RunStatus.SUCCESS]:
                    await events.receive()
        (run,) = await life.storage.job_runs(job.id, 10)
        assert run.session_key == "main:webchat:default:direct:chat"
        await generation.drain()
        await generation.end()


async def ways(life: Life, job_id: str) -> list[RunStatus]:
    return [run.status for run in await life.storage.job_runs(job_id, 10)]


async def test_messages_go_where_the_changed_routes_say(home: Path, life: Life) -> None:
    async with open_branch(Node("root")) as branch:
        before = configured(home)
        generation = await start_generation(branch, 1, before, life)
        assert generation.route(inbound("one")).agent == "main"
        agents = AgentsSettings(list=(AgentEntry("robin"),))
        after = evolve(before, settings=evolve(before.settings, agents=agents))
        await generation.change(after, make_plan(before, after))
        assert generation.route(inbound("two")).agent == "robin"
        assert await answered(generation, "two") is RunState.DONE
        await generation.end()


@pytest.mark.parametrize("times", [1, 3])
async def test_the_end_of_a_generation_leaves_its_neighbours_alone(home: Path, life: Life, times: int) -> None:
    async with open_branch(Node("root")) as branch:
        for number in range(1, times + 1):
            generation = await start_generation(branch, number, configured(home), life)
            await generation.end()
        last = await start_generation(branch, times + 1, configured(home), life)
        assert await answered(last, "Hello") is RunState.DONE
        branch.cancel()


async def test_a_beat_by_hand_bothers_nobody_where_the_built_in_model_would_answer(home: Path, life: Life) -> None:
    async with open_branch(Node("root")) as branch:
        generation = await start_generation(branch, 1, configured(home), life)
        await generation.heartbeat.wake("trigger")
        with trio.fail_after(5):
            while True:
                if (await generation.heartbeat.pulse()).skipped is not None:
                    break
                await trio.sleep(0.01)
        assert await life.storage.last_beat() is None
        await generation.end()


async def test_a_change_of_the_heartbeat_is_in_force_at_once(home: Path, life: Life) -> None:
    async with open_branch(Node("root")) as branch:
        before = configured(home)
        generation = await start_generation(branch, 1, before, life)
        assert (await generation.heartbeat.pulse()).next_at is not None
        after = configured(home, heartbeat={"enabled": False})
        plan = make_plan(before, after)
        assert plan.hot == ("gateway.heartbeat.enabled",)
        await generation.change(after, plan)
        assert (await generation.heartbeat.pulse()).next_at is None
        await generation.end()


@pytest.mark.parametrize("moment", range(10))
async def test_it_may_be_drained_at_any_moment_of_its_second_phase(home: Path, life: Life, moment: int) -> None:
    configured(home)
    bots = {name: {"botToken": TOKEN, "apiRoot": "http://127.0.0.1:1"} for name in ("a", "b", "c", "d")}
    document = {"channels": {"telegram": {"enabled": True, "accounts": bots}}}
    (home / ".xopc" / "xopc.json").write_text(json.dumps(document))
    resolved = resolve({"XOPC_HOME": str(home)}, Flags())
    async with open_branch(Node("root")) as branch:
        generation = await start_generation(branch, 1, resolved, life)
        await generation.begin_phase_2()
        for _ in range(moment):
            await trio.lowlevel.checkpoint()
        with trio.fail_after(5):
            await generation.drain()
        for _ in range(5):
            await trio.lowlevel.checkpoint()
        await generation.end()
