from __future__ import annotations

import trio
from trio.testing import MockClock

from xopc.core.outbox.pauses import Pauses
from xopc.storage.path.outbox import Pause

ACCOUNT, OTHER = ("telegram", "default"), ("telegram", "work")
NOW = 1_800_000_000.0


async def test_an_account_is_left_alone_until_its_pause_is_over(autojump_clock: MockClock) -> None:
    pauses = Pauses()
    pauses.begin(ACCOUNT, 30, "flood")
    assert (pauses.seconds_left(ACCOUNT), pauses.reason(ACCOUNT)) == (30, "flood")
    assert (pauses.seconds_left(OTHER), pauses.reason(OTHER)) == (0, None)
    await trio.sleep(30)
    assert (pauses.seconds_left(ACCOUNT), pauses.reason(ACCOUNT)) == (0, None)


async def test_the_longest_of_several_pauses_counts(autojump_clock: MockClock) -> None:
    pauses = Pauses()
    for seconds in (10, 30, 20):
        pauses.begin(ACCOUNT, seconds, f"{seconds}")
    assert (pauses.seconds_left(ACCOUNT), pauses.reason(ACCOUNT)) == (30, "30")


async def test_other_settings_end_what_waited_for_them_and_not_what_the_platform_asked_for(
    autojump_clock: MockClock,
) -> None:
    pauses = Pauses()
    pauses.begin(ACCOUNT, 300, "disabled", until_changed=True)
    pauses.begin(OTHER, 300, "flood")
    pauses.begin(("weixin", "default"), 300, "disabled", until_changed=True)
    pauses.lift("telegram")
    left = [pauses.seconds_left(account) for account in (ACCOUNT, OTHER, ("weixin", "default"))]
    assert left == [0, 300, 300]


async def test_a_stored_pause_goes_on_but_for_no_longer_than_it_was(autojump_clock: MockClock) -> None:
    pauses = Pauses()
    stored = {
        "running": Pause("a", "running", NOW + 20, 60, "flood"),
        "over": Pause("a", "over", NOW - 1, 60, "flood"),
        "set back": Pause("a", "set back", NOW + 9000, 60, "flood"),
    }
    pauses.resume(stored.values(), NOW)
    assert [pauses.seconds_left(("a", account)) for account in stored] == [20, 0, 60]
