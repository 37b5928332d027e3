"""Reloads over a real generation and real files. The file is not watched here, but where a test says so."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing
from attrs import define, evolve, field

from xopc.config.accepted import keep_accepted, resolve_or_accepted
from xopc.config.resolve import Flags, Resolved, resolve
from xopc.contracts.api.config import Reloaded
from xopc.contracts.errors import LostSecret
from xopc.core.tasks import Node, open_branch
from xopc.gateway.generation import Generation, Life, start_generation
from xopc.gateway.orders import Order, Restart
from xopc.gateway.problems import Problems
from xopc.gateway.reload import INSIDE, Reloader, Surroundings
from xopc_supervisor import contract

TOKEN = "an-invented-token-0123456789"
OTHER = "another-invented-token-98765"
NO_FLAGS = Flags()


@define(eq=False)
class World:
    """A generation that can be reloaded, and what became of it."""

    file: Path
    life: Life
    generation: Generation
    reloader: Reloader
    surroundings: Surroundings
    problems: Problems
    orders: list[Order] = field(factory=list[Order])
    put_in_force: list[Resolved] = field(factory=list[Resolved])
    outside: list[Callable[[], Awaitable[None]]] = field(factory=list[Callable[[], Awaitable[None]]])
    """What happens outside of the generation when it has another configuration."""

    async def write(self, document: object) -> None:
        await trio.Path(self.file).write_text(document if isinstance(document, str) else json.dumps(document))

    async def reload(self, document: object) -> Reloaded:
        """Write the file, and ask for its effect."""
        await self.write(document)
        return await self.reloader.reload("by hand")

    def codes(self) -> list[str]:
        return [problem.code for problem in self.problems.standing()]


def configured(mode: str = "off", *, token: str = TOKEN, settles: int = 3_600_000, **gateway: object) -> dict[str, Any]:
    """A document; the file counts as changed by itself only where it `settles`, in milliseconds."""
    return {"gateway": {"auth": {"token": token}, "reload": {"mode": mode, "debounceMs": settles}, **gateway}}


WATCHED = configured("hybrid", settles=20)


@asynccontextmanager
async def reloadable(
    home: Path, life: Life, document: object, flags: Flags = NO_FLAGS, *, accepted: bool = False, **environ: str
) -> AsyncGenerator[World]:
    file = home / ".xopc" / "xopc.json"
    file.parent.mkdir(exist_ok=True)
    file.write_text(document if isinstance(document, str) else json.dumps(document))
    environ = {"XOPC_HOME": str(home), **environ}
    resolved = (resolve_or_accepted if accepted else resolve)(environ, flags)
    problems, orders, put_in_force = Problems(), list[Order](), list[Resolved]()

    outside = list[Callable[[], Awaitable[None]]]()

    async def note(before: Resolved) -> None:
        put_in_force.append(before)
        for part in outside:
            await part()

    async with open_branch(Node("root")) as branch:
        generation = await start_generation(branch, 1, resolved, life)
        on = Surroundings(environ, flags, resolved, problems, life.hub, orders.append, lambda: generation, note)
        reloader = Reloader(on)
        await branch.start("config watcher", reloader.run)
        yield World(file, life, generation, reloader, on, problems, orders, put_in_force, outside)
        branch.cancel()


async def test_what_is_hot_is_in_force_at_once_and_nothing_restarts(home: Path, life: Life) -> None:
    async with reloadable(home, life, configured()) as world, life.hub.subscribe(types=["config.reload"]) as events:
        before = world.generation.resolved
        outcome = await world.reload(configured(token=OTHER, corsOrigins=["https://desk.example.com"]))
        assert outcome == Reloaded(reloaded=True, hot=("gateway.auth.token", "gateway.corsOrigins"))
        assert world.generation.resolved.auth.secret == OTHER
        assert (world.put_in_force, world.orders) == ([before], [])
        (event,) = await events.receive()
        assert (event.type, event.data) == ("config.reload", {"section": "gateway"})


async def test_a_move_is_ordered_and_what_is_hot_beside_it_does_not_wait(home: Path, life: Life) -> None:
    async with reloadable(home, life, configured()) as world, life.hub.subscribe(types=["config.reload"]) as events:
        outcome = await world.reload({**configured(port=18999, token=OTHER), "session": {"dmScope": "per-peer"}})
        assert outcome.hot == ("gateway.auth.token", "session.dmScope")
        assert outcome.restart == ("gateway.port",)
        assert world.generation.resolved.auth.secret == OTHER
        assert world.orders == [Restart(contract.IN_PROCESS, "by hand", is_due=True)]
        assert [event.data for event in await events.receive()] == [
            {"section": "gateway", "requiresRestart": True},
            {"section": "session"},
        ]


async def test_in_mode_hot_a_move_waits_and_is_told_until_it_is_taken_back(home: Path, life: Life) -> None:
    async with reloadable(home, life, configured("hot")) as world:
        outcome = await world.reload(configured("hot", port=18999, token=OTHER))
        assert (outcome.hot, outcome.restart) == (("gateway.auth.token",), ("gateway.port",))
        assert (world.orders, world.codes(), world.problems.degrades) == ([], ["reload"], False)
        # It waits still when another key changes.
        assert (await world.reload(configured("hot", port=18999, standby=True))).restart == ("gateway.port",)
        assert world.codes() == ["reload"]
        await world.reload(configured("hot"))
        assert world.codes() == []


@pytest.mark.parametrize(("mode", "no_respawn"), [("hot", "0"), ("off", "1")])
async def test_where_a_move_is_left_to_people_nobody_else_is_to_see_to_it(
    home: Path, life: Life, mode: str, no_respawn: str
) -> None:
    async with reloadable(home, life, configured(mode), XOPC_NO_RESPAWN=no_respawn) as world:
        await world.reload(configured(mode, port=18999))
        assert world.reloader.decides_where().port == 18790
        assert world.generation.resolved.port == 18999
        await world.reload(configured("hybrid", port=18999))
        assert world.reloader.decides_where().port == (18999 if mode == "hot" else 18790)


async def test_in_mode_restart_everything_that_matters_takes_one(home: Path, life: Life) -> None:
    async with reloadable(home, life, configured("restart")) as world:
        outcome = await world.reload(configured("restart", token=OTHER))
        assert (outcome.hot, outcome.restart) == ((), ("gateway.auth.token",))
        assert world.generation.resolved.auth.secret == TOKEN
        assert world.orders == [Restart(contract.IN_PROCESS, "by hand", is_due=True)]


async def test_in_mode_restart_what_matters_to_nobody_does_not(home: Path, life: Life) -> None:
    async with reloadable(home, life, configured("restart")) as world:
        assert await world.reload(configured("restart", channelConnectDeferMode="off")) == Reloaded(reloaded=True)
        assert world.orders == []


async def test_where_no_process_may_follow_a_move_waits_for_people(home: Path, life: Life) -> None:
    async with reloadable(home, life, configured(), XOPC_NO_RESPAWN="1") as world:
        assert (await world.reload(configured(port=18999))).restart == ("gateway.port",)
        assert world.orders == []
        (problem,) = world.problems.standing()
        assert problem.message == "These changes wait for a restart: gateway.port. Stop and start the gateway"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("{", "is not JSON: line 1, column 2"),
        ("", "The configuration is empty: write {} into it, or delete it"),
        ('{"gateway": {"port": "many"}}', "$.gateway.port: must be a whole number"),
        ('{"gateway": {"auth": {"token": "short"}}}', "$.gateway.auth.token: gateway auth token is too short"),
        ('{"gateway": {}}', "$.gateway.auth.token: is gone: put it back"),
    ],
)
async def test_a_bad_edit_changes_nothing_and_is_told_without_a_path_of_this_machine(
    home: Path, life: Life, content: str, told: str
) -> None:
    async with reloadable(home, life, configured()) as world:
        before = world.generation.resolved
        outcome = await world.reload(content)
        assert not outcome.reloaded
        assert told in (outcome.error or "")
        assert str(home) not in (outcome.error or "")
        assert world.generation.resolved is before
        assert (world.codes(), world.problems.degrades) == (["configuration"], False)
        assert str(world.file) in world.problems.standing()[0].message
        assert world.reloader.last is not None
        assert world.reloader.last.error == outcome.error


async def test_a_file_that_is_gone_is_no_wish_for_the_defaults(home: Path, life: Life) -> None:
    async with reloadable(home, life, configured()) as world:
        await trio.Path(world.file).unlink()
        outcome = await world.reloader.reload("by hand")
        assert outcome.error == "The configuration is gone: put it back, or restart for the defaults"
        assert world.generation.resolved.auth.secret == TOKEN


async def test_a_changed_key_that_an_option_outranks_is_told_once(
    home: Path, life: Life, capsys: pytest.CaptureFixture[str]
) -> None:
    async with reloadable(home, life, configured(), Flags(port=18800, token=TOKEN)) as world:
        outcome = await world.reload(configured(port=18999, token=OTHER))
        assert outcome == Reloaded(reloaded=True)
        assert world.orders == []
        await world.reload(configured(port=18999, token=OTHER, standby=True))
    told = "Changed without an effect, since an option, a variable or another key decides: "
    assert capsys.readouterr().out.count(told) == 1


async def test_a_mended_file_takes_the_place_of_the_accepted_copy(home: Path, life: Life) -> None:
    async with reloadable(home, life, configured()) as world:
        assert keep_accepted(world.generation.resolved) is None
    async with reloadable(home, life, "{", accepted=True) as world:
        assert world.generation.resolved.refusal is not None
        assert not (await world.reload("{ ")).reloaded
        assert world.problems.degrades
        assert await world.reload(configured()) == Reloaded(reloaded=True)
        assert world.generation.resolved.refusal is None


async def test_a_reload_that_is_asked_for_reads_the_models_again(home: Path, life: Life) -> None:
    async with reloadable(home, life, configured()) as world:
        (before,) = world.generation.agents
        await world.reloader.reload("by hand")
        (after,) = world.generation.agents
        assert after is not before


async def test_models_that_are_read_again_are_counted_and_told_without_a_path(home: Path, life: Life) -> None:
    path = trio.Path(home / ".xopc" / "models.json")
    models = {"providers": {"local": {"baseUrl": "http://127.0.0.1:1/v1", "models": [{"id": "a"}, {"id": "b"}]}}}
    async with reloadable(home, life, configured()) as world, life.hub.subscribe() as heard:
        for text in (json.dumps(models), "{"):
            await path.write_text(text)
            await world.reloader.reload("by hand")
        told = [event.data for event in await heard.receive() if event.type == "models-json.reloaded"]
    fine, broken = told
    assert fine == {"modelCount": 3}
    assert broken["modelCount"] == 1
    assert broken["error"].startswith("models.json is not used: it ")
    assert str(home) not in broken["error"]


async def test_other_agents_and_channels_are_applied(home: Path, life: Life) -> None:
    async with reloadable(home, life, configured()) as world:
        (agent,), webchat, telegram = (world.generation.agents, *world.generation.channels.values())
        document = {"agents": {"defaults": {"temperature": 0}}, "channels": {"telegram": {"dmPolicy": "open"}}}
        outcome = await world.reload({**configured(), **document})
        assert outcome.hot == ("agents.defaults.temperature", "channels.telegram.dmPolicy")
        assert world.generation.agents[-1] is not agent
        assert world.generation.channels["webchat"] is webchat
        assert world.generation.channels["telegram"] is not telegram


async def test_what_the_running_parts_cannot_take_takes_a_restart(home: Path, life: Life) -> None:
    async with reloadable(home, life, configured()) as world:

        async def fail() -> None:
            raise RuntimeError("a bug")

        world.outside.append(fail)
        outcome = await world.reload(configured(token=OTHER))
        assert (outcome.hot, outcome.restart) == ((), ("gateway.auth.token",))
        assert world.orders == [Restart(contract.IN_PROCESS, "by hand", is_due=True)]


async def test_a_reload_while_the_generation_is_replaced_is_left_for_afterwards(home: Path, life: Life) -> None:
    async with reloadable(home, life, configured()) as world:
        async with world.reloader.paused():
            assert await world.reload(configured(token=OTHER)) == Reloaded(reloaded=True)
            assert world.generation.resolved.auth.secret == TOKEN
        assert world.orders == [Restart(contract.RELOAD, "by hand")]
        await world.reloader.reload("afterwards")
        assert world.generation.resolved.auth.secret == OTHER


async def test_an_error_of_our_own_ends_neither_the_gateway_nor_the_next_reload(home: Path, life: Life) -> None:
    async with reloadable(home, life, configured()) as world:

        def fail(_: Order) -> None:
            raise RuntimeError("a bug")

        reloader = Reloader(evolve(world.surroundings, give=fail))
        async with trio.open_nursery() as nursery:
            await nursery.start(reloader.run)
            await world.write(configured(port=18999))
            assert await reloader.reload("by hand") == Reloaded(reloaded=False, error=INSIDE)
            await world.write(configured())
            assert (await reloader.reload("by hand")).reloaded
            nursery.cancel_scope.cancel()


async def test_a_reload_that_does_not_end_is_cut_and_a_restart_makes_up_for_it(home: Path, life: Life) -> None:
    async with reloadable(home, life, configured()) as world:
        is_stuck = trio.Event()

        async def hang() -> None:
            is_stuck.set()
            await trio.sleep_forever()

        world.outside.append(hang)
        await world.write(configured(token=OTHER))
        world.reloader.begin("by hand")
        await is_stuck.wait()
        with trio.fail_after(5):
            async with world.reloader.paused():
                pass
        assert world.orders == [Restart(contract.IN_PROCESS, "a reload was cut", is_due=True)]


async def test_a_port_that_is_taken_back_ends_the_problem_that_it_could_not_be_had(home: Path, life: Life) -> None:
    async with reloadable(home, life, configured()) as world:
        await world.reload(configured(port=18999))
        world.problems.report("hand-over", "The port is taken.", degrades=False)
        await world.reload(configured(port=18999, standby=True))
        assert world.codes() == ["hand-over"]
        await world.reload(configured(standby=True))
        assert world.codes() == []


async def test_whoever_hangs_up_does_not_cut_a_reload(home: Path, life: Life) -> None:
    async with reloadable(home, life, configured()) as world:
        await world.write(configured(token=OTHER))
        with trio.CancelScope() as request:
            request.cancel()
            await world.reloader.reload("by hand")
        await until(lambda: world.put_in_force)


async def test_many_who_ask_at_once_are_all_answered(home: Path, life: Life) -> None:
    async with reloadable(home, life, configured()) as world:
        await world.write(configured(token=OTHER))
        outcomes: list[Reloaded] = []

        async def ask() -> None:
            outcomes.append(await world.reloader.reload("by hand"))

        async with trio.open_nursery() as nursery:
            for _ in range(5):
                nursery.start_soon(ask)
        assert sorted(outcome.hot for outcome in outcomes) == [()] * 4 + [("gateway.auth.token",)]


async def test_whoever_asks_before_it_runs_waits_for_it(home: Path, life: Life) -> None:
    async with reloadable(home, life, configured()) as world:
        reloader = Reloader(world.surroundings)
        await world.write(configured(token=OTHER))
        async with trio.open_nursery() as nursery:

            async def ask() -> None:
                assert (await reloader.reload("by hand")).hot == ("gateway.auth.token",)
                nursery.cancel_scope.cancel()

            nursery.start_soon(ask)
            await trio.testing.wait_all_tasks_blocked()
            await nursery.start(reloader.run)


async def test_in_mode_off_a_changed_file_is_left_alone_until_somebody_asks(home: Path, life: Life) -> None:
    async with reloadable(home, life, configured(settles=20)) as world:
        await world.write(configured(token=OTHER, settles=20))
        await trio.sleep(1.2)  # two looks
        assert world.put_in_force == []
        assert (await world.reloader.reload("by hand")).hot == ("gateway.auth.token",)


async def test_in_mode_off_a_successor_catches_up_with_what_its_predecessor_was_asked_for(
    home: Path, life: Life
) -> None:
    async with reloadable(home, life, configured()) as world:
        await world.write(configured(token=OTHER))
        world.reloader.catch_up()
        await until(lambda: world.put_in_force)
        assert world.generation.resolved.auth.secret == OTHER
        agents = world.generation.agents
        world.reloader.catch_up()
        await world.reloader.pause()
        assert world.generation.agents == agents


async def test_a_changed_file_is_followed(home: Path, life: Life) -> None:
    async with reloadable(home, life, WATCHED) as world, life.hub.subscribe() as events:
        await world.write(configured("hybrid", settles=20, port=18999))
        with trio.fail_after(10):
            assert (await events.receive())[0].data == {"section": "gateway", "requiresRestart": True}
        assert world.orders == [Restart(contract.IN_PROCESS, "the configuration changed: gateway.port", is_due=True)]


async def test_a_file_with_the_same_meaning_changes_nothing_and_one_with_the_same_text_is_not_even_weighed(
    home: Path, life: Life
) -> None:
    async with reloadable(home, life, WATCHED) as world:
        await world.write(json.dumps(WATCHED, indent=4))
        await until(lambda: world.put_in_force)
        assert world.reloader.last is None
        await trio.Path(world.file).touch()
        await world.write(json.dumps(WATCHED, indent=4))
        await trio.sleep(1.2)  # two looks
        assert len(world.put_in_force) == 1


async def test_a_bad_edit_that_is_undone_is_a_problem_that_is_over(home: Path, life: Life) -> None:
    async with reloadable(home, life, WATCHED) as world:
        await world.write("{")
        await until(lambda: world.codes() == ["configuration"])
        await world.write(WATCHED)
        await until(lambda: world.codes() == [])
        assert world.put_in_force == []


async def test_what_waits_is_told_again_after_a_restart_that_could_not_change_it(home: Path, life: Life) -> None:
    async with reloadable(home, life, configured(), XOPC_NO_RESPAWN="1") as world:
        before = world.generation.resolved
        gateway = evolve(before.settings.gateway, port=18999)
        world.generation.resolved = evolve(before, port=18999, settings=evolve(before.settings, gateway=gateway))
        world.reloader.tell_what_waits()
        assert world.codes() == ["reload"]
        world.generation.resolved = before
        world.reloader.tell_what_waits()
        assert world.codes() == []


async def until(condition: Callable[[], object]) -> None:
    with trio.fail_after(10):
        while not condition():  # noqa: ASYNC110  problems and files have no events
            await trio.sleep(0.02)


# ------------------------------------------------------------------ secrets


def put(path: Path, text: str, mode: int = 0o600) -> Path:
    """A secret in a file of its own, put there whole."""
    new = path.with_name(f"{path.name}.new")
    new.write_text(text)
    new.chmod(mode)
    return new.replace(path)


def counting(home: Path) -> dict[str, Any]:
    """`secrets` with a program that prints how often it was asked."""
    program = put(home / "printer", f"#!/bin/sh\necho x >> {home}/asked; echo key-$(wc -l < {home}/asked)\n", 0o755)
    return {"commands": {"openai": {"command": [str(program)]}}}


async def test_a_secret_in_a_file_takes_effect_by_itself_when_the_file_is_exchanged(home: Path, life: Life) -> None:
    (home / ".xopc").mkdir()
    kept = put(home / ".xopc" / "token", TOKEN)
    document = {**WATCHED, "gateway": {**WATCHED["gateway"], "auth": {"token": "${file:token}"}}}
    async with reloadable(home, life, document) as world:
        put(kept, OTHER)
        await until(lambda: world.generation.resolved.auth.secret == OTHER)
        assert world.orders == []


async def test_a_secret_that_is_lost_leaves_all_of_before_in_force_until_it_is_back(home: Path, life: Life) -> None:
    (home / ".xopc").mkdir()
    token, key = put(home / ".xopc" / "token", TOKEN), put(home / ".xopc" / "key", "key-1")
    document = {
        **WATCHED,
        "gateway": {**WATCHED["gateway"], "auth": {"token": "${file:token}"}},
        "providers": {"openai": "${file:key}"},
    }
    async with reloadable(home, life, document) as world:
        before = world.generation.resolved
        key.unlink()
        put(token, OTHER)
        outcome = await world.reloader.reload("by hand")
        assert outcome.reloaded is False
        assert outcome.error is not None
        assert outcome.error.startswith("$.providers.openai: the secret that it refers to cannot be had")
        assert str(home) not in outcome.error
        assert world.generation.resolved is before
        assert world.codes() == ["configuration"]
        put(key, "key-2")
        await until(lambda: world.generation.resolved is not before)
        now = world.generation.resolved
        assert (now.auth.secret, now.settings.providers) == (OTHER, {"openai": "key-2"})


async def test_the_file_that_a_refused_change_refers_to_is_waited_for(home: Path, life: Life) -> None:
    async with reloadable(home, life, WATCHED) as world:
        await world.write({**WATCHED, "providers": {"openai": "${file:key}"}})
        await until(lambda: world.codes() == ["configuration"])
        put(home / ".xopc" / "key", "key-1")
        await until(lambda: world.generation.resolved.settings.providers == {"openai": "key-1"})


async def test_a_program_is_asked_again_when_somebody_asks_and_not_for_each_edit(home: Path, life: Life) -> None:
    document = {**configured(), "providers": {"openai": "${command:openai}"}, "secrets": counting(home)}
    async with reloadable(home, life, document) as world:
        await world.write({**document, "session": {"dmScope": "per-peer"}})
        assert (await world.reloader.reload("PATCH /api/config", anew=False)).hot == ("session.dmScope",)
        assert world.generation.resolved.settings.providers == {"openai": "key-1"}
        outcome = await world.reloader.reload("POST /api/secrets/reload")
        assert outcome.hot == ("providers.openai",)
        assert world.generation.resolved.settings.providers == {"openai": "key-2"}


async def test_a_key_of_models_json_follows_its_file_and_is_never_lost_by_a_reload(home: Path, life: Life) -> None:
    (home / ".xopc").mkdir()
    key = put(home / ".xopc" / "key", "key-1")
    entry = {"baseUrl": "http://127.0.0.1:1/v1", "apiKey": "${file:key}", "models": [{"id": "small"}]}
    (home / ".xopc" / "models.json").write_text(json.dumps({"providers": {"box": entry}}))

    def keys_in_force(world: World) -> list[str]:
        return list(world.generation.agents[-1].models.secrets.found.values())

    async with reloadable(home, life, WATCHED) as world:
        put(key, "key-2")
        await until(lambda: keys_in_force(world) == ["key-2"])
        key.unlink()
        outcome = await world.reloader.reload("by hand")
        assert outcome.error == f"models.json: {LostSecret('', '').for_clients.removeprefix(': ')}"
        assert keys_in_force(world) == ["key-2"]
