from __future__ import annotations

import json

from hypothesis import given, strategies as st

from xopc.contracts.convert import restore, unstructure
from xopc.contracts.transcript import NO_USAGE, Message, Role, RunResult, RunState, ToolCall, Usage

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
USAGE = st.builds(Usage, st.integers(0, 10**9), st.integers(0, 10**9))
MESSAGE = st.builds(
    Message,
    st.sampled_from(Role),
    TEXT,
    st.lists(st.builds(ToolCall, TEXT, TEXT, TEXT)).map(tuple),
    is_error=st.booleans(),
    usage=st.none() | USAGE,
)
RESULT = st.builds(RunResult, TEXT, TEXT, st.sampled_from(RunState), TEXT, usage=USAGE, error=st.none() | TEXT)


def test_usages_add_up() -> None:
    assert sum([Usage(1, 2), Usage(10, 20)], NO_USAGE) == Usage(11, 22)


@given(MESSAGE | RESULT)
def test_what_a_session_remembers_is_the_same_after_its_way_through_json(value: Message | RunResult) -> None:
    assert restore(json.loads(json.dumps(unstructure(value))), type(value)) == value
