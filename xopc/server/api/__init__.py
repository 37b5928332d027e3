"""The REST API: every route of it, in the order of the reference."""

from __future__ import annotations

from xopc.server.api.reference import with_reference
from xopc.server.api.restart import RESTART
from xopc.server.api.status import API_HEALTH, HEALTH, STATUS
from xopc.server.api.tree import TREE
from xopc.server.routes import Route

ROUTES: tuple[Route, ...] = with_reference(HEALTH, API_HEALTH, STATUS, TREE, RESTART)
