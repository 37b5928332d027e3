"""From what callers said and what can be found out about it afterwards to the complaints."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence

from tests.e2e.crash.callers import Caller
from tests.e2e.crash.ledger import Lane, Row, losses, misanswered, misdelivered
from tests.e2e.crash.site import Records, Site

SETTLE_SECONDS = 60
"""For anything more to be answered or sent, once the last process lives: a retry may wait for 30 s."""

LOOK_SECONDS = 0.05


def settle(site: Site, callers: Sequence[Caller]) -> tuple[list[str], list[Lane]]:
    """Wait until nothing is under way; the complaints, and all chats."""
    complaints = list(_wait(site))
    records = site.records()
    lanes = _lanes(site, records, callers)
    complaints += (f"the bell rang {times} times for {text!r}" for text, times in _repeated(site.rings()))
    for caller in callers:
        complaints += complaints_about(caller, records)
    for lane in lanes:
        complaints += misdelivered(lane)
    return complaints, lanes


def complaints_about(caller: Caller, records: Records) -> Iterator[str]:
    """What became of what one caller said."""
    source = "telegram" if caller.is_chat else "webchat"
    for place, said in caller.said.items():
        name = f"{caller.name} in {place}"
        rows = records.rows.get(place, ())
        if caller.has_turns:
            runs = records.runs.get((source, place), ())
            yield from misanswered(name, said, runs)
            if caller.is_chat and [answer for run in runs for answer in run.answers] != list(_texts(rows)):
                yield f"{name}: the answers of the session are not the messages to the chat, one by one and in order"
        else:
            yield from losses(name, said, list(_texts(rows)))


def _lanes(site: Site, records: Records, callers: Sequence[Caller]) -> list[Lane]:
    chats = [place for caller in callers if caller.is_chat for place in caller.said]
    got: dict[str, list[str]] = {}
    for message in site.world.messages():
        got.setdefault(str(message["chat"]), []).append(message["text"])
    return [Lane(f"chat {chat}", records.rows.get(chat, ()), got.get(chat, ())) for chat in chats]


def _wait(site: Site) -> Iterator[str]:
    """Wait until everything has come in, then been answered, then gone out, for as long as it goes on."""
    before, deadline = (-1, -1, -1), 0.0
    while any(now := (len(site.world.unconfirmed()), *site.under_way())):
        if now != before:
            before, deadline = now, time.monotonic() + SETTLE_SECONDS
        if time.monotonic() > deadline:
            yield "nothing moves: {} messages are not read, {} have no answer, {} are not sent".format(*now)
            return
        time.sleep(LOOK_SECONDS)


def _texts(rows: Sequence[Row]) -> Iterator[str]:
    yield from ("\n\n".join(row.parts) for row in rows)


def _repeated(texts: Sequence[str]) -> Iterator[tuple[str, int]]:
    return ((text, times) for text, times in Counter(texts).items() if times > 1)
