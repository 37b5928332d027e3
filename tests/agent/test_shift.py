from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trio
from attrs import evolve

from tests.fakes.openai_server import OpenAIServer, Say
from tests.fakes.turns import Talk
from xopc.agent.agent import Emit
from xopc.agent.shift import Shifts, open_shifts
from xopc.config.paths import resolve_paths
from xopc.contracts.events import AgentEvent, Token
from xopc.contracts.settings.file import AgentDefaults, AgentsSettings, Settings
from xopc.contracts.transcript import RunState
from xopc.storage.path.base import PathStorage, Turn, TurnEnd

SETTINGS = Settings(agents=AgentsSettings(defaults=AgentDefaults(model="fake/echo")))


def with_temperature(temperature: float) -> Settings:
    return evolve(SETTINGS, agents=AgentsSettings(defaults=AgentDefaults(model="fake/echo", temperature=temperature)))


@pytest.fixture
async def shifts(storage: PathStorage, server: OpenAIServer, tmp_path: Path) -> AsyncIterator[Shifts]:
    environ = {"HOME": str(tmp_path)}
    (tmp_path / ".xopc").mkdir()
    provider = {"baseUrl": server.base_url, "apiKey": "an-invented-key", "models": [{"id": "echo"}]}
    await trio.Path(tmp_path / ".xopc" / "models.json").write_text(json.dumps({"providers": {"fake": provider}}))
    async with open_shifts(SETTINGS, resolve_paths(environ), environ, storage) as shifts:
        yield shifts


async def begun(shifts: Shifts, turn: Turn, ends: list[TurnEnd], *, task_status: trio.TaskStatus[None]) -> None:
    """Run a turn; started when it has said something."""
    is_started = False

    def emit(event: AgentEvent) -> None:
        nonlocal is_started
        if isinstance(event, Token) and not is_started:
            is_started = True
            task_status.started()

    ends.append(await shifts.run_turn(turn, emit))


def silent(_: AgentEvent) -> None: ...


async def answered(shifts: Shifts, storage: PathStorage, session: str, emit: Emit = silent) -> TurnEnd:
    return await shifts.run_turn(await claimed(shifts, storage, session), emit)


async def claimed(shifts: Shifts, storage: PathStorage, session: str) -> Turn:
    return await Talk(shifts.agents[-1], storage, session).claim("hello")


async def test_a_turn_ends_with_the_agent_that_it_began_with_and_the_next_has_the_new_one(
    shifts: Shifts, storage: PathStorage, server: OpenAIServer
) -> None:
    server.script(Say("a long answer", seconds=2))
    ends: list[TurnEnd] = []
    turn = await claimed(shifts, storage, "main:api:default:direct:slow")
    async with trio.open_nursery() as nursery:
        await nursery.start(begun, shifts, turn, ends)
        await shifts.change(with_temperature(0.1))
        assert (await answered(shifts, storage, "main:api:default:direct:quick")).state is RunState.DONE
        assert ends == []
    assert ends[0].message is not None
    assert ends[0].message.content == "a long answer"
    assert [request.body["temperature"] for request in server.requests] == [0.7, 0.1]


async def test_an_agent_is_closed_after_its_last_turn(
    shifts: Shifts, storage: PathStorage, server: OpenAIServer
) -> None:
    await answered(shifts, storage, "main:api:default:direct:one")
    server.script(Say("a long answer", seconds=2))
    ends: list[TurnEnd] = []
    turn = await claimed(shifts, storage, "main:api:default:direct:slow")
    (before,) = shifts.agents
    async with trio.open_nursery() as nursery:
        await nursery.start(begun, shifts, turn, ends)
        await shifts.change(with_temperature(0.1))
        assert before in shifts.agents
    assert before not in shifts.agents
    with pytest.raises(RuntimeError):
        await before._pool._client.post(server.base_url)  # type: ignore[union-attr]  it is made by now


async def test_an_idle_agent_is_closed_when_the_next_one_takes_over(shifts: Shifts, storage: PathStorage) -> None:
    await shifts.change(SETTINGS)
    await shifts.change(SETTINGS)
    assert len(shifts.agents) == 1
    assert (await answered(shifts, storage, "main:api:default:direct:one")).state is RunState.DONE


async def test_a_changed_models_file_is_read_with_the_change(
    shifts: Shifts, storage: PathStorage, tmp_path: Path
) -> None:
    await trio.Path(tmp_path / ".xopc" / "models.json").write_text("{}")
    assert (await answered(shifts, storage, "main:api:default:direct:one")).state is RunState.DONE
    await shifts.change(SETTINGS)
    assert (await answered(shifts, storage, "main:api:default:direct:two")).state is RunState.FAILED
