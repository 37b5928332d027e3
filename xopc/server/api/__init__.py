"""The REST API: every route of it, in the order of the reference."""

from __future__ import annotations

from xopc.server.api.agent import AGENT, AGENT_ABORT, AGENT_RESUME
from xopc.server.api.config import CONFIG, CONFIG_CHANGE, CONFIG_RELOAD
from xopc.server.api.cron import CRON_ROUTES
from xopc.server.api.events import EVENTS
from xopc.server.api.heartbeat import HEARTBEAT, HEARTBEAT_TRIGGER, TASKS, TASKS_CHANGE
from xopc.server.api.inbox import INBOX, INBOX_DELETE, INBOX_RETRY
from xopc.server.api.log_stream import LOG_STREAM
from xopc.server.api.logs import (
    LOG_DIRECTORY,
    LOG_FILES,
    LOG_LEVEL,
    LOG_LEVEL_CHANGE,
    LOG_LEVELS,
    LOG_MODULES,
    LOG_STATS,
    LOGS,
)
from xopc.server.api.messages import MESSAGE, MESSAGE_SYNC
from xopc.server.api.metrics import METRICS
from xopc.server.api.outbox import (
    OUTBOUND,
    OUTBOUND_DELETE,
    OUTBOUND_DELETE_ALL,
    OUTBOUND_MESSAGE,
    OUTBOUND_RETRY,
    OUTBOUND_RETRY_ALL,
)
from xopc.server.api.reference import with_reference
from xopc.server.api.restart import RESTART
from xopc.server.api.secrets import SECRETS_RELOAD
from xopc.server.api.session_actions import (
    SESSION_ARCHIVE,
    SESSION_CONFIG,
    SESSION_CONFIGURE,
    SESSION_EXPORT,
    SESSION_PATCH,
    SESSION_PIN,
    SESSION_RENAME,
    SESSION_RESET,
    SESSION_UNARCHIVE,
    SESSION_UNPIN,
)
from xopc.server.api.session_store import CHAT_IDS, SESSION_STATISTICS, SESSIONS_FORGET, SESSIONS_PRUNE
from xopc.server.api.sessions import SESSION, SESSION_CREATE, SESSION_DELETE, SESSIONS
from xopc.server.api.status import API_HEALTH, HEALTH, STATUS
from xopc.server.api.trace import TRACE
from xopc.server.api.tree import TREE
from xopc.server.api.unlock import UNLOCK
from xopc.server.routes import Route

ROUTES: tuple[Route, ...] = with_reference(
    HEALTH,
    API_HEALTH,
    STATUS,
    METRICS,
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
    SESSION_STATISTICS,
    CHAT_IDS,
    SESSIONS_PRUNE,
    SESSIONS_FORGET,
    SESSION,
    SESSION_PATCH,
    SESSION_DELETE,
    SESSION_ARCHIVE,
    SESSION_UNARCHIVE,
    SESSION_PIN,
    SESSION_UNPIN,
    SESSION_RENAME,
    SESSION_RESET,
    SESSION_EXPORT,
    SESSION_CONFIG,
    SESSION_CONFIGURE,
    EVENTS,
    LOGS,
    LOG_STREAM,
    LOG_FILES,
    LOG_STATS,
    LOG_LEVELS,
    LOG_MODULES,
    LOG_DIRECTORY,
    LOG_LEVEL,
    LOG_LEVEL_CHANGE,
    TRACE,
    INBOX,
    INBOX_RETRY,
    INBOX_DELETE,
    OUTBOUND,
    OUTBOUND_MESSAGE,
    OUTBOUND_RETRY,
    OUTBOUND_RETRY_ALL,
    OUTBOUND_DELETE,
    OUTBOUND_DELETE_ALL,
    HEARTBEAT,
    HEARTBEAT_TRIGGER,
    TASKS,
    TASKS_CHANGE,
    CONFIG,
    CONFIG_CHANGE,
    CONFIG_RELOAD,
    SECRETS_RELOAD,
    *CRON_ROUTES,
)
