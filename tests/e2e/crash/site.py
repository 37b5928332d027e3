"""One gateway that is killed, between a Bot API and a model provider, and what can be found out about it."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import sqlite3
import time
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any

import trio
from attrs import define, frozen

from tests.e2e.crash.ledger import Row, Run
from tests.e2e.harness import Gateway, until
from tests.e2e.outside import Outside, outside
from xopc.channels.telegram.format import plain, render
from xopc.contracts.cron import JobRun, StoredJob
from xopc.contracts.messages import OutboxState
from xopc.contracts.transcript import Entry, Role, RunState
from xopc.core.sessions.parking import APOLOGY
from xopc.storage.path.outbox import OutboxQuery
from xopc.storage.path.sessions import SessionQuery
from xopc.storage.sqlite import SqliteStorage, open_storage
from xopc_supervisor.contract import RESPAWN, RestartIntent

CHILD = Path(__file__).parents[2] / "fakes" / "mortal_gateway.py"
CHUNK_UNITS = 200
"""Of one message on the platform: what is longer goes out in parts."""
REFUSED = 400
FAULTS = {"put off": 500, "give up": REFUSED}
"""What the platform has to say for a process to come to these steps."""
WELL_SECONDS = 60
STEADY_SECONDS = 1.2
"""A crash of a process that was ready for a second is the first one in a row, and costs no pause."""
MANY = 10**6
UNDER_WAY = (
    "SELECT (SELECT count(*) FROM inbox WHERE finished_at IS NULL),"
    " (SELECT count(*) FROM outbox WHERE settled_at IS NULL),"
    " (SELECT count(*) FROM cron_runs WHERE ended_at IS NULL)"
    " + (SELECT count(*) FROM cron_jobs WHERE next_run_at IS NOT NULL)"
)
PAGE = 500
"""The most that the API gives at once."""

_numbers = count()


@frozen
class Records:
    """What the database and the log hold. Chats and peers are as the platform spells them."""

    rows: dict[str, list[Row]]
    """By chat, in the order of the outbox."""
    runs: dict[tuple[str, str], list[Run]]
    """By channel and peer: the turns of its session, in their order."""
    jobs: dict[str, tuple[StoredJob, list[JobRun]]]
    """By name: a job, and its runs from the first to the last."""


@define(eq=False)
class Site:
    """The gateway and the world around it."""

    home: Path
    world: Outside
    gateway: Gateway
    order: Path
    bell: Path
    boot: str = ""
    well_since: float = 0.0
    """Of the process that was last seen well; on the monotonic clock."""
    refusals: int = 0
    """How many messages the platform was told to refuse."""

    @property
    def database(self) -> Path:
        return self.gateway.state / "xopc.db"

    # ------------------------------------------------------------- killing

    def arm(self, step: str, when: str, times: int = 1) -> None:
        """The process, or the next one that comes there, dies at a step."""
        give(self.order, step, when, times)

    def disarm(self) -> bool:
        """Whether nobody had come there."""
        try:
            self.order.unlink()
        except FileNotFoundError:
            return False
        return True

    def until_obeyed(self, seconds: float = 20) -> bool:
        """Whether a process has come there, and died, by then."""
        with suppress(TimeoutError):
            until(lambda: not self.order.exists(), "a process comes to the step", seconds)
            return True
        return not self.disarm()

    @contextmanager
    def alone(self) -> Generator[None]:
        """The supervisor stands still, so that nobody follows a process that dies meanwhile."""
        self.gateway.signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.gateway.signal(signal.SIGCONT)

    def until_dead(self, pid: int, seconds: float = 20) -> bool:
        """Whether a process has died by then."""
        with suppress(TimeoutError):
            until(lambda: is_dead(pid), "the process dies", seconds)
            return True
        return False

    def ask_for_respawn(self) -> None:
        """Have a new process take over."""
        info = self.gateway.lock()
        assert info is not None
        intent = RestartIntent(info.pid, info.boot_id, RESPAWN, "crash", int(time.time() * 1000))
        (self.gateway.state / "gateway-restart-intent.json").write_text(intent.to_json())
        self.gateway.signal(signal.SIGUSR1)

    def renew(self) -> None:
        """Restart it in its process, which closes every connection that is only kept for the next use."""
        before = self.gateway.health()
        self.gateway.signal(signal.SIGUSR1)

        def is_next() -> bool:
            now = self.gateway.health()
            return now["status"] == "healthy" and now["generation"] == before["generation"] + 1

        until(is_next, "the next generation serves")

    def until_served(self, but: str | None = None) -> str:
        """The boot of the process that is well, once it is another than `but`."""
        health = until(lambda: self._health(but), "the gateway is well", WELL_SECONDS)
        assert health is not None
        if health["bootId"] != self.boot:
            self.boot, self.well_since = health["bootId"], time.monotonic()
        return self.boot

    def until_steady(self) -> None:
        time.sleep(max(0.0, self.well_since + STEADY_SECONDS - time.monotonic()))

    def _health(self, but: str | None) -> Any:  # noqa: ANN401 - JSON
        try:
            health = self.gateway.health()
        except (OSError, http.client.HTTPException, ValueError):
            return None
        return health if health["status"] == "healthy" and health["bootId"] != but else None

    def fault(self, *, status: int | None = None, cut: str | None = None, times: int = 1) -> None:
        """The platform is not well when it is told to send the next message, or so many."""
        self.refusals += times if status == REFUSED else 0
        self.world.fault(method="sendMessage", status=status, cut=cut, times=times)

    # ------------------------------------------------------------- looking

    def damage(self) -> list[str]:
        """What is wrong with the database, as a living process sees it."""
        with closing(sqlite3.connect(f"file:{self.database}?mode=ro", uri=True)) as connection:
            return list(_damage(connection))

    def damage_left(self) -> list[str]:
        """What is wrong with the files of a process that is dead, before another one opens them: a copy tells."""
        copy = self.home / "left.db"
        for suffix in ("", "-wal"):
            with suppress(FileNotFoundError):
                shutil.copyfile(f"{self.database}{suffix}", f"{copy}{suffix}")
        with closing(sqlite3.connect(copy)) as connection:
            found = list(_damage(connection))
        for suffix in ("", "-wal", "-shm"):
            Path(f"{copy}{suffix}").unlink(missing_ok=True)
        return found

    def under_way(self) -> tuple[int, int, int]:
        """How many messages have no answer yet, how many are not sent, and how many jobs run or are yet to run: of one
        moment, so that what goes from one to another is never between two looks."""
        with closing(sqlite3.connect(f"file:{self.database}?mode=ro", uri=True)) as connection:
            row: tuple[int, int, int] = connection.execute(UNDER_WAY).fetchone()
        return row

    def records(self) -> Records:
        """All of it, of one moment."""
        copy = self.home / "copy" / "xopc.db"
        shutil.rmtree(copy.parent, ignore_errors=True)
        copy.parent.mkdir(mode=0o700)
        with (
            closing(sqlite3.connect(f"file:{self.database}?mode=ro", uri=True)) as source,
            closing(sqlite3.connect(copy)) as target,
        ):
            source.backup(target)
        return trio.run(_read, copy, self._marked(), self._told())

    def rings(self) -> list[str]:
        """What the tool was run with."""
        return self.bell.read_text().splitlines() if self.bell.exists() else []

    def _marked(self) -> set[str]:
        """The ids of the messages that the API calls possible duplicates."""
        marked: set[str] = set()
        states = ",".join(state.value for state in OutboxState)
        cursor: str | None = ""
        while cursor is not None:
            query = f"?state={states}&limit={PAGE}&cursor={cursor}"
            page = self.gateway.request("GET", f"/api/outbound{query}").json
            marked |= {item["id"] for item in page["items"] if item["possibleDuplicate"]}
            cursor = page["nextCursor"]
        return marked

    def _told(self) -> set[str]:
        """The ids of the messages that the log calls possible duplicates."""
        told: set[str] = set()
        for file in self.gateway.state.glob("logs/app-*.log"):
            for line in file.read_text().splitlines():
                if "possibleDuplicate" in line:
                    told.add(json.loads(line).get("messageId", ""))
        return told


@contextmanager
def site(home: Path, first_order: tuple[str, str] | None = None) -> Generator[Site]:
    """A gateway that is being started, perhaps with the order to die at a step, before or after it. It ends with the
    block."""
    with outside() as world:
        world.configure(home)
        path = home / ".xopc" / "xopc.json"
        document = json.loads(path.read_text())
        document["channels"]["telegram"] |= {"requireMention": False, "textChunkLimit": CHUNK_UNITS}
        path.write_text(json.dumps(document))
        order, bell = home / "order", home / "bell"
        if first_order:
            give(order, *first_order)
        gateway = Gateway(home, child=CHILD, CRASH_ORDER=str(order), CRASH_BELL=str(bell))
        try:
            yield Site(home, world, gateway, order, bell)
        finally:
            gateway.signal(signal.SIGCONT)
            gateway.kill()


def give(order: Path, step: str, when: str, times: int = 1) -> None:
    """Order the process that has this file to die."""
    new = order.with_suffix(".new")
    new.write_text(f"{next(_numbers)}\t{step}\t{when}\t{times}")
    new.replace(order)


def is_dead(pid: int) -> bool:
    """Whether a process has ended, if perhaps nobody has taken notice yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return True


def kill(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def _damage(connection: sqlite3.Connection) -> Iterator[str]:
    for (text,) in connection.execute("PRAGMA integrity_check"):
        if text != "ok":
            yield f"integrity_check: {text}"
    for table, row, *_ in connection.execute("PRAGMA foreign_key_check"):
        yield f"foreign_key_check: row {row} of {table}"


async def _read(path: Path, marked: set[str], told: set[str]) -> Records:
    rows: dict[str, list[Row]] = {}
    runs: dict[tuple[str, str], list[Run]] = {}
    jobs: dict[str, tuple[StoredJob, list[JobRun]]] = {}
    async with open_storage(path) as storage:
        page = await storage.outbox(OutboxQuery(tuple(OutboxState), MANY))
        for row in reversed(page.rows):
            parts = tuple(plain(part).strip() for part in render(row.outbound.text, CHUNK_UNITS))
            error = row.error_class and row.error_class.value
            seen = Row(parts, row.state.value, row.id in marked, row.id in told, error)
            rows.setdefault(row.outbound.address.chat, []).append(seen)
        sessions, _ = await storage.sessions(SessionQuery(limit=MANY))
        for session in sessions:
            entries = await storage.messages(session.key, MANY)
            runs[session.source, session.peer_id] = [await _run(storage, group) for group in _groups(entries)]
        for job in await storage.jobs():
            jobs[job.job.name or ""] = job, (await storage.job_runs(job.job.id, MANY))[::-1]
    return Records(rows, runs, jobs)


def _groups(entries: list[Entry]) -> Iterator[list[Entry]]:
    """Those of one run that stand together."""
    group: list[Entry] = []
    for entry in entries:
        if group and group[-1].run_id != entry.run_id:
            yield group
            group = []
        group.append(entry)
    if group:
        yield group


async def _run(storage: SqliteStorage, entries: list[Entry]) -> Run:
    result = await storage.result(entries[0].run_id or "")
    messages = [entry.message for entry in entries]
    roles = [message.role for message in messages]
    finals = [message.content for message in messages if message.role is Role.ASSISTANT and not message.tool_calls]
    called = [call.id for message in messages for call in message.tool_calls]
    answered = [message.tool_call_id for message in messages if message.role is Role.TOOL]
    is_interrupted = result is not None and result.state is RunState.INTERRUPTED
    is_parked = result is not None and result.state is RunState.FAILED and not finals
    return Run(
        question=messages[0].content,
        answers=[APOLOGY] if is_parked else finals,
        is_whole=roles[0] is Role.USER
        and roles.count(Role.USER) == 1
        and (called == answered or is_interrupted or is_parked),
        is_interrupted=is_interrupted,
        is_parked=is_parked,
    )
