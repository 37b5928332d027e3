"""The accept and drain loop, over hypercorn's protocol classes. Why our own: docs/explanation/accept-loop.md."""

from __future__ import annotations

import errno
import resource
import socket
import ssl
from collections.abc import Callable, Sequence
from itertools import chain

import structlog
import trio
from hypercorn.typing import ASGIFramework as ASGIApp
from structlog.typing import FilteringBoundLogger

from xopc.server.wire.connection import Connection, Heir, Patience
from xopc.server.wire.http1 import Rules
from xopc.server.wire.retired import deafen

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

MAX_CONNECTIONS = 2048
"""At once, each of some 50 KiB. Beyond that those that ask for nothing give way."""
SPARE_DESCRIPTORS = 128
"""Of the process's limit, or half of it, are left to files, models and channels."""

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
        self._secure_rules = Rules()
        """For connections of TLS, which part earlier."""
        self._tls: ssl.SSLContext | None = None
        self._accepting = trio.CancelScope()
        self._has_accepted_all = trio.Event()
        self.max_connections = _room()
        """At once: as many as the process has descriptors for. May be set."""
        self._is_full = False
        self._connections: dict[Connection, None] = {}
        """The oldest first."""
        self._nursery: trio.Nursery | None = None
        self._heir: Heir | None = None
        self._parted = trio.lowlevel.ParkingLot()

    @property
    def connections(self) -> int:
        """Open connections of clients."""
        return len(self._connections)

    def use_tls(self, context: ssl.SSLContext | None) -> None:
        """Speak HTTPS with whoever connects from now on; without a context plain HTTP. Others go on as they began."""
        self._tls = context

    async def run(
        self,
        sockets: Sequence[socket.socket],
        *,
        retired: Sequence[socket.socket] = (),
        task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Accept on listening sockets, and serve whoever connects, until cancelled; once for each server.

        `retired` listen where nobody is wanted any more: who waits in their backlogs is served, and they are closed.
        Reports started when it accepts. After a drain it accepts no more, but still runs.

        *Ownership*: of `sockets`, works on duplicates: they stay open and listening, with the backlog that they have.
        They become non-blocking, as do all duplicates of them. `retired` are taken, and closed. Close all duplicates
        of those before: as long as there is one, clients may connect that nobody will accept.

        *Cancellation*: ends every connection at once, and cancels its requests.
        """
        try:
            async with trio.open_nursery() as self._nursery:
                self._nursery.start_soon(self._expire_connections)
                try:
                    with self._accepting:
                        async with trio.open_nursery() as acceptors:
                            for listener in retired:
                                self._accept_last(listener, self._nursery)
                            for listener in sockets:
                                acceptors.start_soon(self._accept, listener.dup(), self._nursery)
                            task_status.started()
                finally:
                    self._has_accepted_all.set()
        finally:
            self._nursery = None

    def adopt(self, client: socket.socket) -> None:
        """Serve a plain connection that was accepted elsewhere and is between two requests. For trio's thread.

        One whose client is gone, or that comes when `run` does not run, is closed.

        *Ownership*: takes the socket.
        """
        try:
            address = client.getpeername()
        except OSError:
            address = None
        if address is None or self._nursery is None:
            client.close()
            return
        connection = self._open(client, address, self._nursery, is_adopted=True)
        if self._heir is not None:
            connection.bequeath(self._heir)
        if self._rules.is_draining:
            connection.retire()

    async def drain(self, heir: Heir | None = None, *, accepts: bool = True) -> None:
        """Part from all clients; returns when no connection is left. Set a deadline around it, then cancel `run`,
        which has to be running.

        With an heir, nobody is accepted from now on, and nobody sent away: each connection goes to the heir as soon
        as it is between two requests, half-read ones after their answer. WebSockets end with their application. Those
        of TLS cannot go to anybody: every response closes its connection, and after a moment those without a request
        are closed. Once the heir has declined one, all that are left are treated as follows.

        Without an heir, from now on every response carries `Connection: close`. For a second at most, new connections
        and requests are still taken; then connections without a request are closed, and those with one when it is
        answered. One that has not asked for anything yet is waited for a second more.
        Whoever connects after that waits in the backlog of the sockets, for their next owner. Where that one is sure to
        come, `accepts` is false: nobody is accepted from now on, and who is connected has a quarter of a second to ask.
        """
        if heir is not None and await self._hand_over(heir):
            return
        self._rules.is_draining = self._secure_rules.is_draining = True
        with trio.move_on_after(LINGER_SECONDS if accepts else 0):
            await trio.sleep(BACKLOG_SECONDS)
            await self._wait_until_empty()
        await self._stop_accepting()
        with trio.move_on_after(LAST_CALL_SECONDS):
            await self._wait_until_empty()
        self._retire(lambda connection: not connection.is_new)
        with trio.move_on_after(FIRST_CALL_SECONDS):
            await self._wait_until_empty()
        self._retire(lambda _: True)
        await self._wait_until_empty()

    async def _hand_over(self, heir: Heir) -> bool:
        """Wait until no connection is left, and give True; or False as soon as the heir has declined one."""
        has_declined = False

        def give(client: socket.socket) -> bool:
            nonlocal has_declined
            if not has_declined and not heir(client):
                _log.warn("The successor takes no more connections; they end with their next answer.")
                has_declined = True
                self._parted.unpark_all()
            return not has_declined

        await self._stop_accepting()
        self._heir = give
        self._secure_rules.is_draining = True
        for connection in self._connections:
            connection.bequeath(give)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._part_from_secure)
            while self._connections and not has_declined:
                await self._parted.park()
            nursery.cancel_scope.cancel()
        return not has_declined

    async def _part_from_secure(self) -> None:
        """A hand-over's farewell to connections of TLS: those that were used, then those that did not ask in time."""
        await trio.sleep(LAST_CALL_SECONDS)
        self._retire(lambda connection: connection.is_secure and not connection.is_new)
        await trio.sleep(FIRST_CALL_SECONDS)
        self._retire(lambda connection: connection.is_secure)

    def _retire(self, has_to_go: Callable[[Connection], bool]) -> None:
        for connection in self._connections:
            if has_to_go(connection):
                connection.retire()

    async def _stop_accepting(self) -> None:
        self._accepting.cancel()
        # One that was about to accept still does, and must not be overlooked.
        await self._has_accepted_all.wait()

    async def _wait_until_empty(self) -> None:
        while self._connections:
            await self._parted.park()

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
                if self._make_room():
                    self._open(client, address, nursery)
                else:
                    client.close()

    def _make_room(self) -> bool:
        """Whether there is room for one more connection, if need be in place of one that asks for nothing.

        So nobody keeps others out with connections alone, as long as he has no credential to ask with.
        """
        if len(self._connections) < self.max_connections:
            return True
        if not self._is_full:
            self._is_full = True
            what = "There are too many connections; those that ask for nothing give way to new ones."
            _log.warn(what, connections=len(self._connections))
        strangers = (connection for connection in self._connections if connection.is_new)
        return any(connection.give_way() for connection in chain(strangers, self._connections))

    def _accept_last(self, listener: socket.socket, nursery: trio.Nursery) -> None:
        """Serve whoever waits at a listener that is given up.

        *Ownership*: closes `listener`.
        """
        with listener:
            listener.setblocking(False)
            deafen(listener)
            while True:
                try:
                    client, address = listener.accept()
                except ConnectionAbortedError:
                    continue
                except BlockingIOError:
                    return
                except OSError as error:
                    _log.error("Those who waited at an address that is given up are lost.", error=str(error))
                    return
                self._open(client, address, nursery)

    def _open(
        self, client: socket.socket, address: tuple[str, int], nursery: trio.Nursery, *, is_adopted: bool = False
    ) -> Connection:
        tls = None if is_adopted else self._tls
        rules = self._rules if tls is None else self._secure_rules
        connection = Connection(client, address[:2], self._app, rules, self._patience, tls=tls, is_adopted=is_adopted)
        self._connections[connection] = None
        nursery.start_soon(self._serve, connection, name="connection")
        return connection

    async def _serve(self, connection: Connection) -> None:
        try:
            await connection.run()
        finally:
            del self._connections[connection]
            if len(self._connections) <= self.max_connections // 2:
                self._is_full = False
            if not self._connections:
                self._parted.unpark_all()

    async def _expire_connections(self) -> None:
        while True:
            await trio.sleep(TICK_SECONDS)
            now = trio.current_time()
            for connection in self._connections:
                if connection.deadline <= now:
                    connection.expire()


def _room() -> int:
    """How many connections the process has descriptors for."""
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MAX_CONNECTIONS if limit < 0 else min(MAX_CONNECTIONS, max(limit // 2, limit - SPARE_DESCRIPTORS))
