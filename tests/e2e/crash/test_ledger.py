"""The verdict: what a kill excuses, and what nothing does."""

from __future__ import annotations

import pytest
from attrs import evolve

from tests.e2e.crash.ledger import Lane, Row, Run, Said, losses, misanswered, misdelivered, repeats

SAID = [Said(text, answers=(f"{text}!",)) for text in "abc"]
UNSURE = [SAID[0], evolve(SAID[1], acknowledged=False), SAID[2]]
RUNS = [Run(text, (f"{text}!",)) for text in "abc"]


def test_what_was_said_is_there_once_and_in_order() -> None:
    assert list(losses("a caller", SAID, ["a", "b", "c"])) == []


@pytest.mark.parametrize(
    ("found", "complaint"),
    [
        (["a", "c"], "a caller: 'b' is lost"),
        (["a", "b", "b", "c"], "a caller: 'b' is there 2 times"),
        (["a", "b", "c", "d"], "a caller: nobody said 'd'"),
        (["b", "a", "c"], "a caller: out of order, 'b' came where 'a' was due"),
    ],
)
def test_what_is_lost_repeated_made_up_or_out_of_order_is_told(found: list[str], complaint: str) -> None:
    assert list(losses("a caller", SAID, found)) == [complaint]


def test_what_was_cut_before_it_was_acknowledged_may_be_there_or_not_but_not_twice() -> None:
    assert list(losses("a caller", UNSURE, ["a", "c"])) == []
    assert list(losses("a caller", UNSURE, ["a", "b", "c"])) == []
    assert len(list(losses("a caller", UNSURE, ["a", "b", "b", "c"]))) == 1
    assert len(list(losses("a caller", UNSURE, ["a", "c", "b"]))) == 1


def test_each_turn_is_whole_and_has_one_answer_and_the_right_one() -> None:
    assert list(misanswered("s", SAID, RUNS)) == []
    for wrong in (
        evolve(RUNS[1], answers=()),
        evolve(RUNS[1], answers=("b!", "b!")),
        evolve(RUNS[1], answers=("a!",)),
        evolve(RUNS[1], is_whole=False),
        evolve(RUNS[1], answers=(), is_interrupted=True),
    ):
        assert len(list(misanswered("s", SAID, [RUNS[0], wrong, RUNS[2]]))) == 1


def test_what_was_bound_to_a_cut_connection_may_have_no_answer() -> None:
    gone = evolve(RUNS[1], answers=(), is_interrupted=True)
    assert list(misanswered("s", UNSURE, [RUNS[0], gone, RUNS[2]])) == []
    assert len(list(misanswered("s", UNSURE, [RUNS[0], evolve(gone, is_interrupted=False), RUNS[2]]))) == 1


def test_a_turn_that_was_given_up_is_no_loss() -> None:
    parked = evolve(RUNS[1], answers=("Sorry.",), is_parked=True)
    assert list(misanswered("s", SAID, [RUNS[0], parked, RUNS[2]])) == []


MARKED = Row(("b",), is_marked=True, is_told=True)


def lane(delivered: str, row: Row = MARKED) -> Lane:
    return Lane("a chat", [Row(("a1", "a2")), row, Row(("c",))], delivered.split())


def test_each_part_arrives_once_in_its_place() -> None:
    assert list(misdelivered(lane("a1 a2 b c"))) == []
    assert repeats([lane("a1 a2 b c")]) == 0


def test_what_is_marked_may_come_once_more_and_right_behind_itself() -> None:
    assert list(misdelivered(lane("a1 a2 b b c"))) == []
    assert repeats([lane("a1 a2 b b c")]) == 1
    assert "came 3 times" in next(misdelivered(lane("a1 a2 b b b c")))
    assert "came where nothing or another message was due" in list(misdelivered(lane("a1 a2 b c b")))[-1]


def test_what_comes_again_is_marked_in_the_api_and_in_the_log() -> None:
    unmarked, untold = evolve(MARKED, is_marked=False), evolve(MARKED, is_told=False)
    assert "is not marked in the API" in next(misdelivered(lane("a1 a2 b b c", unmarked)))
    assert "is not marked in the log" in next(misdelivered(lane("a1 a2 b b c", untold)))
    assert list(misdelivered(lane("a1 a2 b c", unmarked))) == []


@pytest.mark.parametrize("delivered", ["a1 b c", "a1 a2 c", "a2 a1 b c", "a1 a2 c b", "a1 b a2 c"])
def test_what_is_missing_or_in_another_place_is_told(delivered: str) -> None:
    assert list(misdelivered(lane(delivered)))


def test_a_dead_letter_need_not_arrive_and_nothing_is_left_behind_unsent() -> None:
    assert list(misdelivered(lane("a1 a2 c", evolve(MARKED, state="dead")))) == []
    for state in ("pending", "inflight"):
        assert f"is left behind as {state}" in next(misdelivered(lane("a1 a2 b c", evolve(MARKED, state=state))))


def test_what_nobody_sent_is_told() -> None:
    assert "'d' came where" in next(misdelivered(lane("a1 a2 b c d")))


@pytest.mark.parametrize(("delivered", "complaints"), [("a a a", 0), ("a a", 0), ("a", 1), ("a a a a", 1)])
def test_rows_that_say_the_same_are_counted_together(delivered: str, complaints: int) -> None:
    rows = [Row(("a",)), Row(("a",), is_marked=True, is_told=True)]
    assert len(list(misdelivered(Lane("a chat", rows, delivered.split())))) == complaints
    assert repeats([Lane("a chat", rows, delivered.split())]) == max(0, len(delivered.split()) - len(rows))
