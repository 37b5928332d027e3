"""The whole tree in the process of a test: real sockets, a real database, and the test as its supervisor."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import trio
from attrs import define

from xopc.config.resolve import Flags
from xopc.config.setup import prepare
from xopc.gateway.departure import Outcome
from xopc.gateway.home import Home
from xopc.gateway.line import Line
from xopc.gateway.places import Places
from xopc.gateway.tree import run
from xopc_supervisor.contract import Address, Go, Inheritance

TOKEN = "an-invented-token-0123456789"


@define
class Supervised:
    """A running tree, and the supervisor's end of its line."""

    home: Home
    line: trio.SocketStream
    outcomes: list[Outcome]
    _heard: bytes = b""

    async def words(self, until: str) -> list[str]:
        """All words up to this one, without the `alive`."""
        with trio.fail_after(10):
            while f"{until}" not in self._heard.decode():
                self._heard += await self.line.receive_some()
        lines, self._heard = self._heard.decode().splitlines(), b""
        return [line for line in lines if line != "alive"]

    async def tell(self, line: str) -> None:
        await self.line.send_all(f"{line}\n".encode())

    def told_to_hand_over(self, reason: str) -> socket.socket:
        """The successor's end of the heirloom."""
        ours, theirs = socket.socketpair()
        ours.settimeout(10)
        with theirs, socket.socket(fileno=os.dup(self.line.socket.fileno())) as line:
            socket.send_fds(line, [f"hand-over {reason}\n".encode()], [theirs.fileno()])
        return ours

    async def get(self, path: str) -> Any:  # noqa: ANN401 - JSON
        """The JSON that a client gets."""
        return json.loads((await self.ask(f"GET {path}")).partition(b"\r\n\r\n")[2])

    async def ask(self, what: str) -> bytes:
        """The whole answer to `METHOD PATH`."""
        port = self.home.places.serving[0].getsockname()[1]
        async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
            head = f"{what} HTTP/1.1\r\nHost: localhost\r\nX-Api-Key: {TOKEN}\r\nConnection: close\r\n\r\n"
            await stream.send_all(head.encode())
            return b"".join([part async for part in stream])


def write(home: Path, document: object) -> None:
    (home / ".xopc").mkdir(exist_ok=True)
    (home / ".xopc" / "xopc.json").write_text(json.dumps(document))


@asynccontextmanager
async def running(
    directory: Path,
    *,
    kind: str = "start",
    since: float | None = None,
    boot_id: str = "boot-1",
    use_accepted: bool = False,
    edited: object = None,
    bound: tuple[Address, ...] = (),
    problem: str | None = None,
    **variables: str,
) -> AsyncGenerator[Supervised]:
    """A tree from its start to its end, which the block has to bring about."""
    environ = {"XOPC_HOME": str(directory), **variables}
    ours, theirs = socket.socketpair()
    resolved = prepare(environ, Flags(), use_accepted=use_accepted)
    if edited is not None:
        write(directory, edited)
    home = Home(
        resolved=resolved,
        flags=Flags(),
        environ=environ,
        inheritance=Inheritance(0, 0, (), boot_id, 4711),
        go=Go(kind, f"a {kind}", since),
        places=Places((socket.create_server(("127.0.0.1", 0)),), bound or resolved.addresses, problem=problem),
        line=Line(theirs.detach()),
    )
    supervised = Supervised(home, trio.SocketStream(trio.socket.from_stdlib_socket(ours)), [])

    async def run_home() -> None:
        supervised.outcomes.append(await run(home))

    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(run_home)
            yield supervised
    finally:
        ours.close()
        home.line.close()
        home.places.serving[0].close()
