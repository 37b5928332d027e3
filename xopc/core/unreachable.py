"""Why a server on the network cannot be reached, in the words of a person, whatever wraps the system's error."""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import Iterator
from typing import cast


def why_unreachable(error: BaseException) -> str:
    """What the system, or TLS, had to say: `connection refused`. Without that, what the error says itself."""
    for cause in _causes(error):
        match cause:
            case ssl.SSLCertVerificationError():
                return f"its certificate is not trusted here: {cause.verify_message}"
            case ssl.SSLError():
                return f"no HTTPS is spoken there: {(cause.reason or 'no reason').replace('_', ' ').lower()}"
            case socket.gaierror():
                return (cause.strerror or "its name is not known").lower()
            case OSError() if cause.errno is not None:
                return os.strerror(cause.errno).lower()
            case _:
                pass
    return str(error) or type(error).__name__


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """The error, those within it, and what they come from, the outermost first."""
    seen: set[int] = set()
    waiting = [error]
    while waiting:
        one = waiting.pop(0)
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        if isinstance(one, BaseExceptionGroup):
            waiting += cast("tuple[BaseException, ...]", one.exceptions)
        waiting.append(one.__cause__ or one.__context__)
