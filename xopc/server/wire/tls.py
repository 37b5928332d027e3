"""TLS on a connection: OpenSSL between two buffers, so that the connection stays its socket's only reader and writer.

`ssl.SSLSocket` would do the same work, but reads ahead and writes in places that cannot be seen from outside.
"""

from __future__ import annotations

import socket
import ssl
from contextlib import suppress

import structlog
from structlog.typing import FilteringBoundLogger

from xopc.server.wire.transport import READ_BYTES, NotTlsError

PIECE_BYTES = 64 * 1024
"""So much is encrypted at once; the next piece when the kernel has taken this one."""

_log: FilteringBoundLogger = structlog.get_logger("xopc.server")


class Tls:
    """The server's side of TLS. The handshake is part of what is received, and has the deadline of a first request.

    A connection that ends without TLS's own farewell counts as one that has ended: HTTP knows itself whether a
    request is complete.
    """

    is_secure = True

    def __init__(self, client: socket.socket, context: ssl.SSLContext) -> None:
        self.is_over = False
        self.is_receiving = False
        self._socket = client
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._ssl = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._has_begun = False
        self._is_open = False
        self._has_said_farewell = False
        self._unsent = b""
        """Encrypted, and not taken by the kernel."""
        self._sealed = 0
        """So many bytes of what is to be sent next have been encrypted already."""

    def receive(self) -> bytes:
        if self.is_over:
            return b""
        arrived = self._socket.recv(READ_BYTES)
        if self._has_said_farewell:
            return arrived
        if not self._has_begun:
            self._has_begun = True
            if arrived[:1].isalpha():  # the first letter of a method; TLS begins with a 22
                raise NotTlsError("The client speaks plain HTTP.")
        if arrived:
            self._incoming.write(arrived)
        else:
            self._incoming.write_eof()
        was_open = self._is_open
        data = self._decrypt()
        self._flush()
        self.is_receiving = was_open and not data
        if not data and not self.is_over:
            raise BlockingIOError
        return data

    def send(self, data: bytes | memoryview, /) -> int:
        sent = self._sealed
        if not self._flush():
            return 0
        self._sealed = 0
        while sent < len(data):
            piece = data[sent : sent + PIECE_BYTES]
            self._ssl.write(piece)
            if not self._flush():
                self._sealed = len(piece)
                break
            sent += len(piece)
        return sent

    def say_farewell(self) -> bool:
        if not self._has_said_farewell:
            self._has_said_farewell = True
            if self._is_open:
                with suppress(OSError):  # it is said all the same, and the client's own is not waited for
                    self._ssl.unwrap()
        return self._flush()

    def _decrypt(self) -> bytes:
        """All that can be made of what has arrived: after it, only more from the socket helps."""
        pieces: list[bytes] = []
        try:
            if not self._is_open:
                self._ssl.do_handshake()
                self._is_open = True
            while piece := self._ssl.read(READ_BYTES):
                pieces.append(piece)
            self.is_over = True
        except ssl.SSLWantReadError:
            pass
        except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
            self.is_over = True
        except ssl.SSLError as error:
            self.is_over = True
            _log.debug("A client was closed, for its TLS makes no sense.", reason=error.reason or str(error))
        return b"".join(pieces)

    def _flush(self) -> bool:
        """Whether the kernel has taken all that was encrypted."""
        while self._unsent or self._outgoing.pending:
            self._unsent = self._unsent or self._outgoing.read()
            try:
                sent = self._socket.send(self._unsent)
            except BlockingIOError:
                return False
            self._unsent = self._unsent[sent:]
        return True
