from __future__ import annotations

import json
from pathlib import Path

from attrs import evolve

from tests.core.logs.test_traced import run, write
from tests.storage.values import CHAT, inbound, said, tool_result
from xopc.contracts.api.trace import StepKind, Trace
from xopc.contracts.convert import unstructure
from xopc.contracts.messages import ErrorClass, Outbound, OutboxRow, OutboxState
from xopc.contracts.transcript import Entry, Message, Role, RunResult, RunState
from xopc.core.outbox.delivery import SENT
from xopc.core.sessions.turns import ENDED
from xopc.core.tracing import assemble, ids_of, traced
from xopc.storage.transactions.traces import StoredRun, StoredTrace

STEPS = (
    Entry(1, Message(Role.USER, "secret words"), "r", 2.0),
    Entry(2, evolve(said("", "call"), model="fake/echo"), "r", 3.0),
    Entry(3, tool_result("call"), "r", 4.0),
    Entry(4, evolve(said("secret words"), model="fake/echo"), "r", 5.0),
)
RUN = StoredRun(
    run_id="r",
    session_key="s",
    dedupe_key="d",
    inbound=inbound("secret words"),
    accepted_at=1.0,
    boot_id="boot",
    attempts=0,
    last_error=None,
    finished_at=6.0,
    parked_at=None,
    result=RunResult("r", "s", RunState.DONE, "secret words", model="fake/echo"),
    steps=STEPS,
)
ROW = OutboxRow("m", Outbound(CHAT, "secret words"), OutboxState.SENT, 6.0, attempts=2, settled_at=8.5, run_id="r")
FOUND = StoredTrace(RUN, (ROW,))
AT = "1970-01-01T00:00:07Z"


def kinds(trace: Trace) -> list[str]:
    return [step.kind.value for step in trace.steps]


def test_the_way_is_told_in_its_order_with_the_time_between() -> None:
    lines = [
        {
            "timestamp": AT,
            "level": "info",
            "message": "A message could not be sent yet.",
            "messageId": "m",
            "attempt": 1,
        },
        {"timestamp": AT, "level": "info", "message": SENT, "messageId": "m", "run": "r"},
        {"timestamp": AT, "level": "info", "message": ENDED, "run": "r"},
        {"timestamp": AT, "level": "info", "message": "of another", "run": "other"},
        {"timestamp": None, "level": "info", "message": "without a time", "run": "r"},
    ]
    trace = assemble(FOUND, lines)
    assert kinds(trace) == ["accepted", "begun", "model", "tool", "model", "ended", "queued", "logged", "sent"]
    assert [step.after_ms for step in trace.steps] == [None, 1000, 1000, 1000, 1000, 1000, 0, 1000, 1500]
    assert (trace.state, trace.total_ms, trace.message_ids, trace.dedupe_key) == ("done", 7500, ("m",), "d")
    assert trace.steps[0].at == "1970-01-01T00:00:01.000Z"
    assert trace.steps[2].details["tools"] == ["current_time"]
    assert trace.steps[7].details["attempt"] == 1


def test_nothing_that_anybody_said_is_told() -> None:
    assert "secret words" not in json.dumps(unstructure(assemble(FOUND, [])))


def test_where_it_stands_is_told() -> None:
    open_run = evolve(RUN, finished_at=None, result=None)
    for changed, state in (
        (open_run, "running"),
        (evolve(open_run, boot_id=None, steps=()), "waiting"),
        (evolve(RUN, parked_at=6.0), "parked"),
        (evolve(RUN, result=RunResult("r", "s", RunState.FAILED, "", error="no model")), "failed"),
    ):
        assert assemble(StoredTrace(changed, ()), []).state == state


def test_what_became_of_an_answer_is_told() -> None:
    waits = evolve(ROW, state=OutboxState.PENDING, settled_at=None, last_error="flood")
    dead = evolve(ROW, state=OutboxState.DEAD, last_error="blocked", error_class=ErrorClass.PERMANENT)
    taken_back = evolve(ROW, state=OutboxState.CANCELLED)
    texts = [assemble(StoredTrace(None, (row,)), []).steps[-1].text for row in (waits, dead, taken_back)]
    assert texts == [
        "m is to be sent to telegram, and is pending after 2 attempts: flood",
        "m was given up after 2 attempts: blocked",
        "m was taken back",
    ]
    assert "perhaps twice" in assemble(StoredTrace(None, (evolve(ROW, possible_duplicate=True),)), []).steps[-1].text


def test_a_message_that_cannot_be_read_has_a_way_too() -> None:
    trace = assemble(StoredTrace(evolve(RUN, inbound=None), ()), [])
    assert (trace.steps[0].kind, trace.steps[0].text) == (StepKind.ACCEPTED, "Accepted")


def test_all_ids_by_which_the_log_may_name_it_are_known() -> None:
    assert ids_of([FOUND, StoredTrace(None, (evolve(ROW, id="m2", run_id="r2"),))]) == {"r", "m", "m2", "r2"}


def test_lines_of_the_days_since_its_arrival_are_added(tmp_path: Path) -> None:
    write(tmp_path, "1970-01-01", {"timestamp": AT, "messageId": "m", "message": "an attempt"})
    told = run(traced([FOUND], "m", tmp_path))
    assert (told.is_log_complete, "logged" in kinds(told.traces[0])) == (True, True)


def test_what_the_database_has_forgotten_the_log_still_tells(tmp_path: Path) -> None:
    write(
        tmp_path,
        "2026-01-01",
        {"timestamp": AT, "run": "r", "session": "s", "state": "done", "dedupeKey": "d", "message": ENDED},
        {"timestamp": AT, "run": "r", "messageId": "m", "platformMessageIds": ["18"], "message": SENT},
        {"timestamp": AT, "messageId": "m", "message": "an attempt"},
        {"timestamp": AT, "run": "r2", "messageId": "m2", "platformMessageIds": ["18"], "message": SENT},
    )
    one, two = run(traced([], "18", tmp_path)).traces
    assert (one.run_id, one.session_key, one.dedupe_key, one.message_ids, one.state) == ("r", "s", "d", ("m",), "done")
    assert (len(one.steps), two.run_id, two.state) == (3, "r2", "unknown")
    assert run(traced([], "nowhere", tmp_path)).traces == ()
    assert run(traced([], "nowhere", tmp_path / "missing")).traces == ()
