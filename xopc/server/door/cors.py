"""Cross-origin requests of browsers: the answer to a preflight, and what lets a page read any other answer.

Source: the Fetch standard, section 3.2. Which origins are allowed is the door's to say.
"""

from __future__ import annotations

from collections.abc import Container, Mapping

METHODS = "GET, POST, PUT, PATCH, DELETE, OPTIONS"
REQUEST_HEADERS = "Content-Type, Authorization, Accept, X-Api-Key, X-Session-Id, Last-Event-ID, Idempotency-Key"
ANSWER_HEADERS = "Retry-After"
"""Beyond those that every page may read."""
MAX_AGE_SECONDS = 86400


def is_preflight(method: str, headers: Container[str]) -> bool:
    """Whether a browser asks before a request of its page; `headers` knows their names in any case."""
    return method == "OPTIONS" and "Origin" in headers and "Access-Control-Request-Method" in headers


def for_preflight() -> dict[str, str]:
    """What the answer to an allowed page's preflight says beyond what every answer to it does."""
    return {
        "Access-Control-Allow-Methods": METHODS,
        "Access-Control-Allow-Headers": REQUEST_HEADERS,
        "Access-Control-Max-Age": str(MAX_AGE_SECONDS),
    }


def for_page(origin: str | None) -> Mapping[str, str]:
    """What an answer to a page says; `origin` is None where it must not read it."""
    if origin is None:
        return {"Vary": "Origin"}
    return {
        "Vary": "Origin",
        "Access-Control-Allow-Origin": origin,
        "Access-Control-Allow-Credentials": "true",
        "Access-Control-Expose-Headers": ANSWER_HEADERS,
    }
