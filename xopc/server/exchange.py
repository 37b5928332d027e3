"""One request on its way to the application and back: what hypercorn calls a task group, with our own end to errors."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

import structlog
import trio
from hypercorn.config import Config
from hypercorn.typing import (
    AppWrapper,
    ASGIFramework as ASGIApp,
    ASGIReceiveEvent,
    ASGISendEvent,
    Scope,
)

from xopc.server.refusals import refusal

WAITING_MESSAGES = 10
"""So many chunks of a body (64 KiB at most, each) wait for the application before the client has to."""

StreamSend: TypeAlias = Callable[[ASGISendEvent | None], Awaitable[None]]

log = structlog.get_logger("xopc.server")
