"""Takes messages through their whole path, in process after process, each killed at a random moment.

Says on a descriptor, a line each, what the outside world sees: `accepted <session> <number> <run id>`,
`finished <run id>`, `delivered <lane> <row id> <text>`, `sent <row id>`.
Arguments: the database, the descriptor, how many processes.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeAlias

import trio

from xopc.contracts.messages import Address, Inbound, Outbound, OutboxState, PeerKind
from xopc.contracts.transcript import Message, Role, RunState, ToolCall
from xopc.storage.path.base import Acceptance, Cursor, PathStorage, Turn, TurnEnd
from xopc.storage.path.outbox import Attempt, lane_of
from xopc.storage.sqlite import open_storage

SESSIONS = [f"main:telegram:default:dm:{chat}" for chat in (1, 2, 3)]
MAX_BACKLOG = 4
MAX_LIFE_SECONDS = 0.06
FEWEST_SENT = 3

Live: TypeAlias = Callable[[Path, str, int, int], Awaitable[None]]
"""One life: the database, the boot, where to tell what the outside world sees, and where to say how far it has got."""


def address(session_key: str) -> Address:
    return Address("telegram", session_key, session_key[-1])


async def live(path: Path, boot_id: str, tell: int, ready: int) -> None:
    async with open_storage(path) as storage, trio.open_nursery() as nursery:
        await storage.recover(boot_id)
        await storage.recover_outbox()
        os.write(ready, b"!")
        for session_key in SESSIONS:
            nursery.start_soon(read_updates, storage, session_key, boot_id, tell)
            nursery.start_soon(answer, storage, session_key, boot_id, tell)
            nursery.start_soon(send, storage, session_key, tell, ready)


async def read_updates(storage: PathStorage, session_key: str, boot_id: str, tell: int) -> None:
    """Two new messages at a time, and the newest of those that were read before, as if the platform repeated it."""
    where = address(session_key)
    while True:
        number = int(await storage.cursor(where.channel, where.account) or "0")
        if number - await begun(storage, session_key) > MAX_BACKLOG:
            await trio.sleep(0.001)
            continue
        items = [
            Acceptance(
                Inbound(where, PeerKind.DM, where.chat, str(n), f"{session_key}/{n}"),
                session_key,
                f"{session_key}/{n}@{boot_id}",
            )
            for n in range(max(number, 1), number + 3)
        ]
        accepted = await storage.accept(items, Cursor(where.channel, where.account, str(number + 2)))
        for item, each in zip(items, accepted, strict=True):
            os.write(tell, f"accepted {session_key} {item.inbound.text} {each.run_id}\n".encode())


async def begun(storage: PathStorage, session_key: str) -> int:
    """The number of the newest message whose run began."""
    newest = await storage.messages(session_key, 1)
    return int((newest[0].run_id or "").partition("@")[0].rpartition("/")[2]) if newest else 0


async def answer(storage: PathStorage, session_key: str, boot_id: str, tell: int) -> None:
    while True:
        turn = await storage.claim(session_key, boot_id)
        if turn is None:
            await trio.sleep(0.001)
        else:
            await run(storage, turn)
            os.write(tell, f"finished {turn.run_id}\n".encode())


async def run(storage: PathStorage, turn: Turn) -> None:
    """Go on where the steps end."""
    number = turn.inbound.text
    if len(turn.steps) < 2:
        await storage.step(turn.run_id, Message(Role.ASSISTANT, f"call {number}", (ToolCall("c1", "time", "{}"),)))
    if len(turn.steps) < 3:
        await storage.step(turn.run_id, Message(Role.TOOL, f"result {number}", tool_call_id="c1"))
    answers = tuple(Outbound(turn.inbound.address, f"{number}.{part}") for part in (1, 2))
    message = Message(Role.ASSISTANT, f"answer {number}")
    await storage.finish(turn.run_id, TurnEnd(RunState.DONE, message, answers))


async def send(storage: PathStorage, session_key: str, tell: int, count: int) -> None:
    where = address(session_key)
    lane = lane_of(where.channel, where.account, where.chat)
    while True:
        row = await storage.outbox_head(lane)
        if row is None:
            await trio.sleep(0.001)
            continue
        await storage.begin_attempt(row.id)
        os.write(tell, f"delivered {session_key} {row.id} {row.outbound.text}\n".encode())
        await storage.record_part(row.id, 1, "17")
        await storage.settle(row.id, Attempt(OutboxState.SENT))
        os.write(tell, f"sent {row.id}\n".encode())
        os.write(count, b".")


def kill_one_after_the_other(live: Live, path: Path, tell: int, lives: int, fewest: int = FEWEST_SENT) -> None:
    """Each process says on its last descriptor when it is ready, and then whenever it has got somewhere; every second
    one may do so `fewest` times at least."""
    for number in range(lives):
        readable, ready = os.pipe()
        pid = os.fork()  # not a new interpreter, which takes longer to start than it would live
        if pid == 0:
            os.close(readable)
            trio.run(live, path, f"boot-{number}", tell, ready)
        os.close(ready)
        if number % 4:  # every fourth is killed wherever it is, perhaps before it has opened the database
            os.read(readable, 1)
        if number % 2:  # every second one has got somewhere, however busy the machine is
            for _ in range(fewest):
                os.read(readable, 1)
        time.sleep(random.uniform(0, MAX_LIFE_SECONDS))  # noqa: S311  a moment, not a secret
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(readable)


if __name__ == "__main__":
    kill_one_after_the_other(live, Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
