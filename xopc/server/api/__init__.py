"""The REST API: every route of it, in the order of the reference."""

from __future__ import annotations

from xopc.server.api.agent import AGENT, AGENT_ABORT, AGENT_RESUME
from xopc.server.api.events import EVENTS
from xopc.server.api.messages import MESSAGE, MESSAGE_SYNC
from xopc.server.api.outbox import OUTBOUND, OUTBOUND_DELETE, OUTBOUND_RETRY
from xopc.server.api.reference import with_reference
from xopc.server.api.restart import RESTART
from xopc.server.api.sessions import SESSION, SESSION_CREATE, SESSION_DELETE, SESSIONS
from xopc.server.api.status import API_HEALTH, HEALTH, STATUS
from xopc.server.api.tree import TREE
from xopc.server.api.unlock import UNLOCK
from xopc.server.routes import Route

ROUTES: tuple[Route, ...] = with_reference(
    HEALTH,
    API_HEALTH,
    STATUS,
    TREE,
    RESTART,
    UNLOCK,
    MESSAGE,
    MESSAGE_SYNC,
    AGENT,
    AGENT_RESUME,
    AGENT_ABORT,
    SESSION_CREATE,
    SESSIONS,
    SESSION,
    SESSION_DELETE,
    EVENTS,
    OUTBOUND,
    OUTBOUND_RETRY,
    OUTBOUND_DELETE,
)
