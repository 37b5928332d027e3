"""The baseline: a bare ASGI application on stock hypercorn, with the body of the path that it stands in for."""

from __future__ import annotations

import socket
import sys

import hypercorn.trio
import trio
from hypercorn.config import Config
from hypercorn.typing import ASGIReceiveCallable, ASGISendCallable, Scope

BODY = (
    b'{"status": "healthy", "uptime": 1, "service": "xopc-gateway", "version": "0.1.0", "bootId": '
    b'"00000000-0000-4000-8000-000000000000", "generation": 1, "pid": 1000, "gatewayPid": 1001, '
    b'"startedAt": "2026-01-02T03:04:05.678Z"}'
)


async def app(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
    """Answers every request with the same JSON."""
    if scope["type"] != "http":
        raise RuntimeError("this application has no lifespan")  # hypercorn then goes on without
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(BODY)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers, "trailers": False})
    await send({"type": "http.response.body", "body": BODY, "more_body": False})


async def main() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = Config()
        config.bind = [f"fd://{listener.fileno()}"]
        config.accesslog = config.errorlog = None
        sys.stdout.write(f"{listener.getsockname()[1]}\n")
        sys.stdout.flush()
        await hypercorn.trio.serve(app, config)  # pyright: ignore[reportUnknownMemberType]  # its WSGI half is untyped


if __name__ == "__main__":
    trio.run(main)
