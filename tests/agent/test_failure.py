from __future__ import annotations

import pytest

from xopc.agent.failure import explain, timed_out
from xopc.agent.providers.base import ErrorKind, ProviderError


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (ErrorKind.TRANSIENT, "box/m does not answer right now (why). Try again in a moment."),
        (
            ErrorKind.AUTH,
            "box does not serve this key (why). Mend providers.box; or BOX_API_KEY, and restart the gateway.",
        ),
        (
            ErrorKind.CONTEXT_OVERFLOW,
            "This conversation has become too long for box/m. Start a new one with /new.",
        ),
        (ErrorKind.BAD_REQUEST, "box/m refused the request (why). /model shows which other models there are."),
    ],
)
def test_each_failure_says_what_to_do(kind: ErrorKind, text: str) -> None:
    assert explain("box/m", ProviderError(kind, "why")) == text


def test_a_limit_of_time_names_its_setting() -> None:
    assert timed_out(300.0).startswith("I stopped after 300 s ")
    assert "agents.defaults.maxTaskDurationMs" in timed_out(300.0)
