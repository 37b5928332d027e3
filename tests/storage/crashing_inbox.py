"""Callers who repeat themselves, turns that fail, and an operator who decides about parked messages, in process after
process, each killed at a random moment.

Says on a descriptor, a line each, what the outside world sees: `accepted <key> <run id>`, `refused <key>`,
`done <run id>`, `parked <run id>`, `retried <run id>`, `deleted <run id>`.
Arguments: the database, the descriptor, how many processes.
"""

from __future__ import annotations

import os
import random
import sys
from pathlib import Path

import trio

from tests.storage.crashing_path import kill_one_after_the_other
from xopc.contracts.errors import XopcError
from xopc.contracts.messages import Address, Inbound, InboxState, PeerKind
from xopc.contracts.transcript import Message, Role, RunState
from xopc.core.sessions.parking import MAX_ATTEMPTS
from xopc.storage.path.base import API_KEY, Acceptance, PathStorage, TurnEnd
from xopc.storage.sqlite import open_storage

SESSIONS = [f"main:cli:default:direct:{chat}" for chat in (1, 2)]
KEYS = 40
FEWEST_TURNS = 15
PARKED = TurnEnd(RunState.FAILED, None, error="Given up.", parked=True)
DICE = random.Random()  # noqa: S311  not a secret


async def live(path: Path, boot_id: str, tell: int, ready: int) -> None:
    DICE.seed(boot_id)
    async with open_storage(path) as storage, trio.open_nursery() as nursery:
        await storage.recover(boot_id)
        os.write(ready, b"!")
        nursery.start_soon(submit, storage, boot_id, tell)
        nursery.start_soon(decide, storage, tell)
        for session_key in SESSIONS:
            nursery.start_soon(answer, storage, session_key, boot_id, tell, ready)


async def submit(storage: PathStorage, boot_id: str, tell: int) -> None:
    """Any of the keys, with the request that it is for, or now and then with another one."""
    number = 0
    while True:
        number += 1
        key = DICE.randrange(KEYS)
        is_other = DICE.random() < 0.2
        session_key = SESSIONS[key % len(SESSIONS)]
        inbound = Inbound(Address("cli", "default", "1"), PeerKind.DIRECT, "1", f"{key}", f"{API_KEY}{key}")
        request = "other" if is_other else f"request {key}"
        item = Acceptance(inbound, session_key, f"{key}@{boot_id}.{number}", deliver=False, request=request)
        try:
            (accepted,) = await storage.accept([item])
        except XopcError:
            os.write(tell, f"refused {key} {is_other}\n".encode())
        else:
            os.write(tell, f"accepted {key} {is_other} {accepted.run_id}\n".encode())
        await trio.sleep(0.001)


async def answer(storage: PathStorage, session_key: str, boot_id: str, tell: int, count: int) -> None:
    while True:
        turn = await storage.claim(session_key, boot_id)
        if turn is None:
            await trio.sleep(0.001)
        elif turn.attempts >= MAX_ATTEMPTS:
            await storage.finish(turn.run_id, PARKED)
            os.write(tell, f"parked {turn.run_id}\n".encode())
        elif DICE.random() < 0.6:
            await storage.fail_attempt(session_key, turn.run_id, "It broke.")
        else:
            await storage.finish(turn.run_id, TurnEnd(RunState.DONE, Message(Role.ASSISTANT, "answer")))
            os.write(tell, f"done {turn.run_id}\n".encode())
        os.write(count, b".")


async def decide(storage: PathStorage, tell: int) -> None:
    while True:
        await trio.sleep(0.001)
        for row in await storage.inbox(InboxState.PARKED, 1):
            if DICE.random() < 0.7:
                await storage.retry_parked(row.run_id)
                os.write(tell, f"retried {row.run_id}\n".encode())
            else:
                await storage.delete_parked(row.run_id)
                os.write(tell, f"deleted {row.run_id}\n".encode())


if __name__ == "__main__":
    kill_one_after_the_other(live, Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), FEWEST_TURNS)
