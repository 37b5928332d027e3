from __future__ import annotations

from xopc.agent.providers.base import ErrorKind, ProviderError


def test_an_error_says_why_and_what_can_be_done() -> None:
    error = ProviderError(ErrorKind.TRANSIENT, "HTTP 429", retry_after=3.0)
    assert (str(error), error.kind, error.message, error.retry_after) == (
        "HTTP 429",
        ErrorKind.TRANSIENT,
        "HTTP 429",
        3.0,
    )
    assert ProviderError(ErrorKind.AUTH, "HTTP 401").retry_after is None
