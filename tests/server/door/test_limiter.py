from __future__ import annotations

import pytest
from attrs import evolve
from hypothesis import given, strategies as st

from tests.fakes.clock import Clock
from xopc.contracts.auth import RateLimit
from xopc.server.door.limiter import MAX_KEYS, Limiter, is_of, key_of

LIMIT = RateLimit(max_attempts=3, window_seconds=100, block_seconds=30)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def limiter(clock: Clock) -> Limiter:
    return Limiter(LIMIT, clock)


def block(limiter: Limiter, key: str) -> None:
    for _ in range(limiter.limit.max_attempts):
        limiter.count(key)


def test_row_215_as_many_as_are_allowed_block(limiter: Limiter) -> None:
    assert [limiter.count("ann") for _ in range(2)] == [1, 2]
    assert limiter.seconds_left("ann") == 0
    assert limiter.count("ann") == 3
    assert limiter.seconds_left("ann") == 30
    assert limiter.failures == 3


def test_row_216_what_is_left_is_rounded_up(limiter: Limiter, clock: Clock) -> None:
    block(limiter, "ann")
    clock.now += 29.5
    assert limiter.seconds_left("ann") == 1


def test_row_219_clients_do_not_concern_each_other(limiter: Limiter) -> None:
    block(limiter, "ann")
    assert limiter.seconds_left("bob") == 0
    assert limiter.count("bob") == 1


def test_row_220_the_window_is_over_after_its_time(limiter: Limiter, clock: Clock) -> None:
    limiter.count("ann")
    limiter.count("ann")
    clock.now += 100
    assert limiter.count("ann") == 1


def test_row_220_a_block_is_over_after_its_time_and_leaves_nothing(limiter: Limiter, clock: Clock) -> None:
    block(limiter, "ann")
    clock.now += 30
    assert limiter.seconds_left("ann") == 0
    assert limiter.clients == 0
    assert limiter.count("ann") == 1


def test_the_right_one_clears_the_count(limiter: Limiter) -> None:
    limiter.count("ann")
    limiter.forgive("ann")
    limiter.forgive("nobody")
    assert limiter.count("ann") == 1


def test_row_218_one_that_is_off_counts_and_blocks_nobody(limiter: Limiter) -> None:
    block(limiter, "ann")
    limiter.limit = evolve(LIMIT, enabled=False)
    assert limiter.seconds_left("ann") == 0
    assert [limiter.count("bob") for _ in range(20)] == [0] * 20
    assert limiter.blocks() == ()


def test_another_limit_holds_at_once_and_blocks_that_stand_keep_their_end(limiter: Limiter) -> None:
    block(limiter, "ann")
    limiter.limit = evolve(LIMIT, max_attempts=1, block_seconds=5)
    assert limiter.seconds_left("ann") == 30
    limiter.count("bob")
    assert limiter.seconds_left("bob") == 5


def test_one_client_is_unlocked_with_all_its_pages_and_no_other(limiter: Limiter) -> None:
    for key in ("192.0.2.7", key_of("192.0.2.7", "https://desk.example.com"), "192.0.2.77"):
        block(limiter, key)
    assert limiter.unlock("192.0.2.7") == 2
    assert [block.key for block in limiter.blocks()] == ["192.0.2.77"]
    assert limiter.unlock() == 1
    assert limiter.unlock() == 0


def test_the_key_of_a_page_names_its_client() -> None:
    key = key_of("2001:db8::/64", "https://desk.example.com")
    assert key == "browser-origin:https://desk.example.com|2001:db8::/64"
    assert is_of(key, "2001:db8::/64")
    assert not is_of(key, "db8::/64")


def test_the_table_is_bounded_and_who_is_blocked_stays_longest(limiter: Limiter, clock: Clock) -> None:
    block(limiter, "blocked")
    for number in range(MAX_KEYS + 50):
        limiter.count(f"client {number}")
    assert limiter.clients == MAX_KEYS
    assert limiter.seconds_left("blocked") == 30
    assert limiter.count("client 10") == 1, "forgotten"
    assert limiter.count(f"client {MAX_KEYS}") == 2, "remembered"
    for number in range(MAX_KEYS + 50):
        block(limiter, f"other {number}")
    assert limiter.clients == MAX_KEYS
    assert limiter.seconds_left("blocked") == 0, "even a block goes, when there are nothing but blocks"


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 60), st.booleans()), max_size=60))
def test_a_blocked_client_is_never_counted_and_no_client_has_more_tries_than_allowed(
    steps: list[tuple[str, int, bool]],
) -> None:
    clock = Clock()
    limiter = Limiter(LIMIT, clock)
    tries: dict[str, list[float]] = {}
    for key, pause, is_right in steps:
        clock.now += pause
        if limiter.seconds_left(key):
            continue
        if is_right:
            limiter.forgive(key)
            tries.pop(key, None)
        else:
            limiter.count(key)
            tries.setdefault(key, []).append(clock.now)
            recent = [at for at in tries[key] if at > clock.now - LIMIT.block_seconds]
            assert len(recent) <= LIMIT.max_attempts
