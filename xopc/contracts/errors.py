"""The errors that a user or a client sees, and one table of what they are on each surface."""

from __future__ import annotations

from enum import Enum
from http import HTTPStatus
from typing import NamedTuple

from xopc_supervisor.contract import EXIT_CONFIG, EXIT_FAILURE, EXIT_USAGE


class _Row(NamedTuple):
    code: str
    """The word in the error envelope."""
    http: HTTPStatus
    websocket: int
    """Close code, RFC 6455 section 7.4."""
    exit: int
    """Exit code of a command that ends with it."""


class Failure(Enum):
    """What went wrong, named by the state of things."""

    INVALID_REQUEST = _Row("INVALID_REQUEST", HTTPStatus.BAD_REQUEST, 1008, EXIT_USAGE)
    METHOD_NOT_ALLOWED = _Row("INVALID_REQUEST", HTTPStatus.METHOD_NOT_ALLOWED, 1008, EXIT_USAGE)
    BODY_TIMEOUT = _Row("INVALID_REQUEST", HTTPStatus.REQUEST_TIMEOUT, 1008, EXIT_USAGE)
    BODY_TOO_LARGE = _Row("INVALID_REQUEST", HTTPStatus.REQUEST_ENTITY_TOO_LARGE, 1009, EXIT_USAGE)
    NOT_JSON = _Row("INVALID_REQUEST", HTTPStatus.UNSUPPORTED_MEDIA_TYPE, 1003, EXIT_USAGE)
    UNAUTHORIZED = _Row("UNAUTHORIZED", HTTPStatus.UNAUTHORIZED, 1008, EXIT_FAILURE)
    FORBIDDEN = _Row("FORBIDDEN", HTTPStatus.FORBIDDEN, 1008, EXIT_FAILURE)
    NOT_FOUND = _Row("NOT_FOUND", HTTPStatus.NOT_FOUND, 1008, EXIT_FAILURE)
    CHANNEL_NOT_FOUND = _Row("CHANNEL_NOT_FOUND", HTTPStatus.NOT_FOUND, 1008, EXIT_FAILURE)
    SESSION_NOT_FOUND = _Row("SESSION_NOT_FOUND", HTTPStatus.NOT_FOUND, 1008, EXIT_FAILURE)
    RATE_LIMITED = _Row("RATE_LIMITED", HTTPStatus.TOO_MANY_REQUESTS, 1013, EXIT_FAILURE)
    CONFLICT = _Row("CONFLICT", HTTPStatus.CONFLICT, 1008, EXIT_FAILURE)
    UNAVAILABLE = _Row("UNAVAILABLE", HTTPStatus.SERVICE_UNAVAILABLE, 1013, EXIT_FAILURE)
    TOO_MANY_CONNECTIONS = _Row("TOO_MANY_CONNECTIONS", HTTPStatus.SERVICE_UNAVAILABLE, 1013, EXIT_FAILURE)
    INTERNAL_ERROR = _Row("INTERNAL_ERROR", HTTPStatus.INTERNAL_SERVER_ERROR, 1011, EXIT_FAILURE)
    AGENT_FAILED = _Row("AGENT_ERROR", HTTPStatus.BAD_GATEWAY, 1011, EXIT_FAILURE)
    AGENT_TIMED_OUT = _Row("AGENT_ERROR", HTTPStatus.GATEWAY_TIMEOUT, 1011, EXIT_FAILURE)
    AGENT_INTERRUPTED = _Row("AGENT_ERROR", HTTPStatus.INTERNAL_SERVER_ERROR, 1011, EXIT_FAILURE)
    BAD_CONFIG = _Row("INVALID_REQUEST", HTTPStatus.BAD_REQUEST, 1008, EXIT_CONFIG)

    @property
    def code(self) -> str:
        return self.value.code

    @property
    def http(self) -> HTTPStatus:
        return self.value.http

    @property
    def websocket(self) -> int:
        return self.value.websocket

    @property
    def exit(self) -> int:
        return self.value.exit


class XopcError(Exception):
    """A failure with a message for whoever asked: what was wrong, where, and what to do.

    The message goes out as it is, so it holds no secret and, towards API clients, no path of a file.
    """

    def __init__(self, failure: Failure, message: str, *, retry_after: int | None = None) -> None:
        """`retry_after` is in seconds, where it is known when to ask again."""
        super().__init__(message)
        self.failure = failure
        self.message = message
        self.retry_after = retry_after


class Problem(NamedTuple):
    """One thing wrong with a document, such as `$.gateway.port`."""

    path: str
    """Where: a JSON path from `$`, or the name of a flag or an environment variable."""
    what: str
    """What is wrong, and what to do."""

    @property
    def for_clients(self) -> str:
        """As clients of the API may hear it, who learn no path of a file."""
        return str(self)

    def __str__(self) -> str:
        return f"{self.path}: {self.what}"


class LostSecret(Problem):
    """A secret that is kept elsewhere, and cannot be had now."""

    @property
    def for_clients(self) -> str:
        why = "The log says why, and so does: xopc secrets audit"
        return f"{self.path}: the secret that it refers to cannot be had. {why}"


class InvalidValueError(XopcError):
    """A JSON value that does not fit the class that it is for, such as the body of a request."""

    def __init__(self, *problems: Problem) -> None:
        super().__init__(Failure.INVALID_REQUEST, "; ".join(map(str, problems)))
        self.problems = problems


class ConfigError(XopcError):
    """A configuration that cannot take effect. Never retried: exit code 78 under a service manager, else 1."""

    def __init__(self, source: str, *problems: Problem) -> None:
        """`source` names the file, or whatever else the problems are in."""
        lines = [problem.what if problem.path == source else str(problem) for problem in problems]
        super().__init__(Failure.BAD_CONFIG, "\n".join([source, *(f"  {line}" for line in lines)]))
        self.source = source
        self.problems = problems


class LostSecretError(ConfigError):
    """A configuration that is right, but refers to secrets that cannot be had now."""
