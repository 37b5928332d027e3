"""The gateway's answers as values."""

from __future__ import annotations

import pytest

from xopc.cli.answer import read_answer
from xopc.contracts.api.outbox import OutboundRetried
from xopc.contracts.errors import Failure, XopcError


def test_what_a_later_version_says_beyond_is_left_out() -> None:
    assert read_answer({"retried": True, "by": "ana"}, OutboundRetried) == OutboundRetried(True)


@pytest.mark.parametrize("body", [{}, {"retried": "yes"}])
def test_what_another_version_says_otherwise_is_told(body: dict[str, object]) -> None:
    with pytest.raises(XopcError, match=r"of another version.*\$\.?retried.*--json") as caught:
        read_answer(body, OutboundRetried)
    assert caught.value.failure is Failure.CONFLICT
