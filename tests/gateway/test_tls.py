"""The certificate of a process over its files, with a clock that jumps when nothing else happens."""

from __future__ import annotations

import json
import math
import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio
from attrs import define, field
from structlog.testing import capture_logs
from trio.testing import MockClock

from tests.fakes.certificates import Authority
from xopc.config.certificate import leaves
from xopc.config.resolve import Flags, Resolved
from xopc.config.setup import prepare
from xopc.gateway import problems
from xopc.gateway.problems import Problems
from xopc.gateway.tls import LOOK_SECONDS, Tls

RELOADED_SECONDS = 2 * LOOK_SECONDS + 0.5
"""In which a change is seen, seen again and read."""


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> MockClock:
    """Jumps when nothing happens, but not while a thread looks at files, however long that takes."""
    clock, looking = MockClock(autojump_threshold=0), 0
    run_sync = trio.to_thread.run_sync

    async def and_wait(*args: Any, **options: Any) -> Any:  # noqa: ANN401 - whatever it is that runs
        nonlocal looking
        looking, clock.autojump_threshold = looking + 1, math.inf
        try:
            return await run_sync(*args, **options)
        finally:
            looking -= 1
            clock.autojump_threshold = math.inf if looking else 0

    monkeypatch.setattr("trio.to_thread.run_sync", and_wait)
    return clock


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@define
class Process:
    """What the certificate is for."""

    home: Path
    standing: Problems = field(factory=Problems)
    contexts: list[ssl.SSLContext | None] = field(factory=list[ssl.SSLContext | None])
    """In which the server was told to speak."""

    def resolved(self, tls: object) -> Resolved:
        path = self.home / ".xopc" / "xopc.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps({"gateway": {"tls": tls, "auth": {"mode": "none"}}}))
        return prepare({"HOME": str(self.home)}, Flags())

    @property
    def codes(self) -> list[str]:
        return [problem.code for problem in self.standing.standing()]

    def copies(self) -> list[str]:
        """Of the certificate, for commands."""
        return [path.read_text() for path in (self.home / ".xopc" / "accepted").glob("*.pem")]

    @asynccontextmanager
    async def watching(self, tls: object) -> AsyncGenerator[Tls]:
        watched = Tls(self.contexts.append, self.standing)
        await watched.apply(self.resolved(tls))
        async with trio.open_nursery() as nursery:
            await nursery.start(watched.watch)
            with capture_logs():
                yield watched
            nursery.cancel_scope.cancel()


@pytest.fixture
def process(tmp_path: Path) -> Process:
    return Process(tmp_path)


async def test_files_that_do_not_change_are_read_once(process: Process, authority: Authority, clock: MockClock) -> None:
    pair = authority.issue()
    async with process.watching(pair.settings()):
        await trio.sleep(60)
    assert len(process.contexts) == 1
    assert process.copies() == [leaves([pair.certificate])]


async def test_a_new_certificate_is_taken_within_some_seconds(
    process: Process, authority: Authority, clock: MockClock
) -> None:
    pair = authority.issue()
    async with process.watching(pair.settings()):
        authority.issue()
        await trio.sleep(RELOADED_SECONDS)
        assert len(process.contexts) == 2
        await trio.sleep(60)
    assert len(process.contexts) == 2
    assert process.contexts[1] is not process.contexts[0]
    assert process.copies() == [leaves([pair.certificate])]


async def test_files_that_go_on_changing_are_left_alone_until_they_rest(
    process: Process, authority: Authority, clock: MockClock
) -> None:
    pair = authority.issue()
    async with process.watching(pair.settings()):
        for _ in range(5):
            pair.certificate.write_bytes(pair.certificate.read_bytes() + b"\n")
            await trio.sleep(LOOK_SECONDS)
        assert len(process.contexts) == 1
        await trio.sleep(RELOADED_SECONDS)
    assert len(process.contexts) == 2


async def test_a_pair_that_does_not_serve_changes_nothing_and_is_a_problem_until_it_is_mended(
    process: Process, authority: Authority, clock: MockClock
) -> None:
    pair = authority.issue()
    good = pair.key.read_bytes()
    async with process.watching(pair.settings()):
        pair.key.write_bytes(authority.issue("other").key.read_bytes())
        await trio.sleep(RELOADED_SECONDS)
        assert (len(process.contexts), process.codes) == (1, [problems.TLS])
        (problem,) = process.standing.standing()
        assert "$.gateway.tls.certPath" in problem.message
        assert "does not belong" in problem.message
        assert process.standing.degrades
        pair.key.unlink()
        await trio.sleep(RELOADED_SECONDS)
        (problem,) = process.standing.standing()
        assert "No such file" in problem.message
        pair.key.write_bytes(good)
        await trio.sleep(RELOADED_SECONDS)
        assert (len(process.contexts), process.codes) == (2, [])


async def test_a_restart_with_other_settings_is_applied_at_once(
    process: Process, authority: Authority, clock: MockClock
) -> None:
    pair, other = authority.issue(), authority.issue("other")
    async with process.watching(pair.settings()) as tls:
        pair.certificate.write_text("broken")
        await trio.sleep(RELOADED_SECONDS)
        await tls.apply(process.resolved(other.settings()))
        assert (len(process.contexts), process.codes) == (2, [])
        assert process.copies() == [leaves([other.certificate])]
        authority.issue()
        await trio.sleep(RELOADED_SECONDS)
        assert len(process.contexts) == 2, "the files of before matter no more"
        await tls.apply(process.resolved({"enabled": False}))
        assert process.contexts[-1] is None
        assert process.copies() == []
        authority.issue("other")
        await trio.sleep(RELOADED_SECONDS)
    assert len(process.contexts) == 3


async def test_a_copy_that_cannot_be_written_is_a_warning(process: Process, authority: Authority) -> None:
    resolved = process.resolved(authority.issue().settings())
    (process.home / ".xopc" / "accepted").write_text("in the way")
    with capture_logs() as logs:
        await Tls(process.contexts.append, process.standing).apply(resolved)
    assert len(process.contexts) == 1
    (line,) = logs
    assert (line["log_level"], "could not be written" in line["event"]) == ("warning", True)
