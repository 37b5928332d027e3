"""The accept and drain loop, over hypercorn's protocol classes. Why our own: docs/explanation/accept-loop.md."""

from __future__ import annotations

import errno
import socket
from collections.abc import Sequence

import structlog
import trio
from hypercorn.typing import ASGIFramework as ASGIApp
from structlog.typing import FilteringBoundLogger

from xopc.server.connection import Connection, Patience
from xopc.server.http1 import Rules

BACKLOG_SECONDS = 0.02
"""Of a drain: for whoever waits in the backlog to be accepted, even if nobody else is there."""
LINGER_SECONDS = 0.75
"""Of a drain: kept-alive connections may still ask, and new ones are still accepted."""
LAST_CALL_SECONDS = 0.25
"""After that: whoever was accepted last has this long for his request to arrive."""
FIRST_CALL_SECONDS = 1.0
"""And if it is his first on this connection, this much more: he cannot know that he has to hurry."""
TICK_SECONDS = 1.0
"""Between two looks at the deadlines of all connections."""
PAUSE_SECONDS = 0.1
"""Before the next try, when the system has no room for another connection."""

_NOT_LISTENING = (errno.EBADF, errno.EINVAL, errno.ENOTSOCK)
_log: FilteringBoundLogger = structlog.get_logger("xopc.server")


class Server:
    """Serves one ASGI application on listening sockets that somebody else owns. One per process."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        keep_alive_seconds: float = 75,
        write_seconds: float = 3,
        head_seconds: float = 20,
    ) -> None:
        """Deadlines of a client: between two requests, to go on reading, and for the head of a request."""
        self._app = app
        self._patience = Patience(keep_alive_seconds, head_seconds, write_seconds)
        self._rules = Rules()
        self._accepting = trio.CancelScope()
        self._has_accepted_all = trio.Event()
        self._connections: set[Connection] = set()
        self._emptied = trio.lowlevel.ParkingLot()

    @property
    def connections(self) -> int:
        """Open connections of clients."""
        return len(self._connections)

    async def run(
        self, sockets: Sequence[socket.socket], *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Accept on listening sockets, and serve whoever connects, until cancelled; once for each server.

        Reports started when it accepts. After a drain it accepts no more, but still runs.

        *Ownership*: works on duplicates: the sockets stay open and listening, with the backlog that they have. They
        become non-blocking, as do all duplicates of them.

        *Cancellation*: ends every connection at once, and cancels its requests.
        """
        async with trio.open_nursery() as connections:
            connections.start_soon(self._expire_connections)
            try:
                with self._accepting:
                    async with trio.open_nursery() as acceptors:
                        for listener in sockets:
                            acceptors.start_soon(self._accept, listener.dup(), connections)
                        task_status.started()
            finally:
                self._has_accepted_all.set()

    async def drain(self) -> None:
        """Part from all clients; returns when no connection is left. Set a deadline around it, then cancel `run`,
        which has to be running.

        From now on every response carries `Connection: close`. For a second at most, new connections and requests
        are still taken; then connections without a request are closed, and those with one when it is answered. One
        that has not asked for anything yet is waited for a second more.
        Whoever connects after that waits in the backlog of the sockets, for their next owner.
        """
        self._rules.is_draining = True
        with trio.move_on_after(LINGER_SECONDS):
            await trio.sleep(BACKLOG_SECONDS)
            await self._wait_until_empty()
        self._accepting.cancel()
        # One that was about to accept still does, and must not be overlooked.
        await self._has_accepted_all.wait()
        with trio.move_on_after(LAST_CALL_SECONDS):
            await self._wait_until_empty()
        for connection in self._connections:
            if not connection.is_new:
                connection.retire()
        with trio.move_on_after(FIRST_CALL_SECONDS):
            await self._wait_until_empty()
        for connection in self._connections:
            connection.retire()
        await self._wait_until_empty()

    async def _wait_until_empty(self) -> None:
        while self._connections:
            await self._emptied.park()

    async def _accept(self, listener: socket.socket, nursery: trio.Nursery) -> None:
        """*Ownership*: closes `listener`."""
        with listener:
            listener.setblocking(False)
            has_room = True
            while True:
                await trio.lowlevel.wait_readable(listener)
                try:
                    client, address = listener.accept()
                except (BlockingIOError, ConnectionAbortedError):
                    continue
                except OSError as error:
                    if error.errno in _NOT_LISTENING:
                        raise
                    if has_room:
                        _log.error("No connection can be accepted for now; trying again.", error=str(error))
                    has_room = False
                    await trio.sleep(PAUSE_SECONDS)
                    continue
                has_room = True
                connection = Connection(client, address[:2], self._app, self._rules, self._patience)
                self._connections.add(connection)
                nursery.start_soon(self._serve, connection, name="connection")

    async def _serve(self, connection: Connection) -> None:
        try:
            await connection.run()
        finally:
            self._connections.remove(connection)
            if not self._connections:
                self._emptied.unpark_all()

    async def _expire_connections(self) -> None:
        while True:
            await trio.sleep(TICK_SECONDS)
            now = trio.current_time()
            for connection in self._connections:
                if connection.deadline <= now:
                    connection.expire()
