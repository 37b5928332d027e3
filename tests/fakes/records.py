"""A client of TLS that decides what becomes of its records."""

from __future__ import annotations

import ssl

from attrs import frozen

from tests.fakes.wire import Served, Wire


@frozen
class Records:
    """A client that has its records in hand before they are sent: they can be cut, joined and lost."""

    wire: Wire
    incoming: ssl.MemoryBIO
    outgoing: ssl.MemoryBIO
    tls: ssl.SSLObject

    @classmethod
    async def connect(cls, served: Served, context: ssl.SSLContext) -> Records:
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = context.wrap_bio(incoming, outgoing, server_hostname="localhost")
        records = cls(await served.connect(), incoming, outgoing, tls)
        while True:
            try:
                tls.do_handshake()
            except ssl.SSLWantReadError:
                await records.wire.say(outgoing.read())
                incoming.write(await records.wire.piece())
            else:
                await records.wire.say(outgoing.read())
                return records

    def seal(self, data: bytes) -> bytes:
        self.tls.write(data)
        return self.outgoing.read()

    async def heard(self) -> bytes:
        """What the next pieces hold, up to one that is not empty, or to the server's farewell."""
        while True:
            try:
                return self.tls.read(65536)
            except ssl.SSLZeroReturnError:
                return b""
            except ssl.SSLWantReadError:
                piece = await self.wire.piece()
                self.incoming.write(piece) if piece else self.incoming.write_eof()
