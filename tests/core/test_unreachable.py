"""Why a server cannot be reached."""

from __future__ import annotations

import errno
import socket
import ssl

import httpx2
import pytest
import trio

from tests.ports import free_port
from xopc.core.unreachable import why_unreachable


def caused(error: Exception, cause: BaseException) -> Exception:
    error.__cause__ = cause
    return error


async def why(url: str) -> str:
    """Of a real request, as the clients of models and bots make it."""
    async with httpx2.AsyncClient(timeout=5, trust_env=False) as client:
        with pytest.raises(httpx2.ConnectError) as caught:
            await client.get(url)
    return why_unreachable(caught.value)


async def test_nobody_listens() -> None:
    assert await why(f"http://127.0.0.1:{free_port()}/") == "connection refused"


async def test_plain_http_where_https_is_wanted() -> None:
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")

    async def answer(stream: trio.SocketStream) -> None:
        async with stream:
            await stream.receive_some()
            await stream.send_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, answer, [listener])
        port = listener.socket.getsockname()[1]
        assert (await why(f"https://127.0.0.1:{port}/")).startswith("no HTTPS is spoken there: wrong version number")
        nursery.cancel_scope.cancel()


def test_what_wraps_the_error_does_not_hide_it() -> None:
    refused = ConnectionRefusedError(errno.ECONNREFUSED, "Error connecting to ('127.0.0.1', 9): Connection refused")
    group = ExceptionGroup("all attempts failed", [refused])
    assert why_unreachable(caused(OSError("all attempts failed"), group)) == "connection refused"
    unknown = socket.gaierror(socket.EAI_NONAME, "Name or service not known")
    assert why_unreachable(caused(RuntimeError("[Errno -2] …"), unknown)) == "name or service not known"


def test_a_certificate_that_is_not_trusted() -> None:
    error = ssl.SSLCertVerificationError(1, "certificate verify failed")
    error.verify_message = "self-signed certificate"
    said = why_unreachable(caused(RuntimeError(), error))
    assert said == "its certificate is not trusted here: self-signed certificate"


def test_without_a_word_of_the_system_the_error_speaks_for_itself() -> None:
    assert why_unreachable(RuntimeError("too late")) == "too late"
    assert why_unreachable(RuntimeError()) == "RuntimeError"
