"""The real gateway process with one more route, which says how many pages its database may have."""

import sqlite3
import sys
from typing import Any

from attrs import frozen

from xopc.contracts.auth import Scope
from xopc.gateway.main import main
from xopc.server.api import ROUTES
from xopc.server.routes import Call, Route
from xopc.storage.sqlite import SqliteStorage


@frozen
class Limited:
    pages: int


async def limit(call: Call[Any]) -> Limited:
    def limit_pages(connection: sqlite3.Connection) -> int:
        (pages,) = connection.execute(f"PRAGMA max_page_count = {int(call.path['pages'])}").fetchone()
        return pages

    storage = call.services.storage
    assert isinstance(storage, SqliteStorage)
    engine = storage._engine  # pyright: ignore[reportPrivateUsage] - no transaction sets a pragma
    return Limited(await engine.write(limit_pages))


LIMIT = Route(
    method="GET", path="/pages/{pages}", summary="Limit the size", scope=Scope.READ, handler=limit, response=Limited
)

sys.exit(main((*ROUTES, LIMIT)))
