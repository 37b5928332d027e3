"""A provider that speaks OpenAI's chat completions over HTTP, as most of them do.

Imports the HTTP client, which takes a tenth of a second: import this module in a thread.
"""

from __future__ import annotations

import random
import time
from collections.abc import AsyncGenerator, AsyncIterator, Generator
from contextlib import aclosing, asynccontextmanager, contextmanager, suppress
from http import HTTPStatus

import httpx2
import trio

from xopc.agent.providers.base import Chunk, ErrorKind, Finish, ModelRequest, ProviderError, TextDelta
from xopc.agent.providers.openai_wire import (
    Assembler,
    Endpoint,
    EventLines,
    body_of,
    error_of,
    refused_field,
)
from xopc.core.redact import mask, redact
from xopc.core.unreachable import why_unreachable

CONNECT_SECONDS = 10.0
IDLE_SECONDS = 120.0
"""Without a byte. A model on the own machine takes long to load before its first."""
ERROR_BODY_SECONDS = 10.0
CLOSE_SECONDS = 1.0
REST_SECONDS = 1.0
"""For what follows the end of an answer."""
MAX_ERROR_BYTES = 64 * 1024

DONE = "[DONE]"

RETRIES = 2
"""Of what fails before the answer begins."""
FIRST_PAUSE_SECONDS = 0.5
MAX_PAUSE_SECONDS = 20.0
"""A provider that asks to wait longer is not waited for: another may answer meanwhile."""


def open_client(idle_seconds: float = IDLE_SECONDS) -> httpx2.AsyncClient:
    """A client for all endpoints. Reads the certificates of the system: call it in a thread. The caller closes it."""
    return httpx2.AsyncClient(
        timeout=httpx2.Timeout(idle_seconds, connect=CONNECT_SECONDS),
        headers={"user-agent": "xopc"},
        limits=httpx2.Limits(max_connections=None, max_keepalive_connections=20, keepalive_expiry=60),
    )


class OpenAIProvider:
    """`Provider` over one endpoint. The client is the caller's."""

    def __init__(self, endpoint: Endpoint, client: httpx2.AsyncClient) -> None:
        self._endpoint = endpoint
        self._client = client
        self._left_out: dict[str, frozenset[str]] = {}
        """Per model: what it was seen not to take."""

    @asynccontextmanager
    async def stream(self, request: ModelRequest) -> AsyncGenerator[AsyncIterator[Chunk]]:
        key = await self._endpoint.key.get() if self._endpoint.key else None
        try:
            response = await self._open(request, key)
            try:
                async with aclosing(_chunks(response)) as chunks:
                    yield chunks
            finally:
                # A generator that nobody asked for its first chunk has closed nothing.
                with trio.CancelScope(shield=True, deadline=trio.current_time() + CLOSE_SECONDS):
                    await response.aclose()
        except ProviderError as error:
            raise _without_secret(error, key) from None

    async def _open(self, request: ModelRequest, key: str | None) -> httpx2.Response:
        """The response to a request, tried again while that may help."""
        tries = 0
        while True:
            try:
                return await self._send(request, key)
            except ProviderError as error:
                tries += 1
                pause = error.retry_after or random.uniform(0.5, 1) * FIRST_PAUSE_SECONDS * 2**tries  # noqa: S311  no secret
                if error.kind is not ErrorKind.TRANSIENT or tries > RETRIES or pause > MAX_PAUSE_SECONDS:
                    raise
                await trio.sleep(pause)

    async def _send(self, request: ModelRequest, key: str | None) -> httpx2.Response:
        """A response that streams an answer."""
        endpoint = self._endpoint
        if key and not (key.isascii() and key.isprintable()):
            raise ProviderError(ErrorKind.AUTH, "the key holds a sign that no HTTP header can carry")
        headers = {**endpoint.headers, **({"authorization": f"Bearer {key}"} if key else {})}
        while True:
            left_out = self._left_out.get(request.model, frozenset[str]())
            body = body_of(request, endpoint.dialect, left_out)
            with _told():
                outgoing = self._client.build_request(
                    "POST", f"{endpoint.base_url}/chat/completions", json=body, headers=headers
                )
                response = await self._client.send(outgoing, stream=True)
            if response.status_code == HTTPStatus.OK:
                return await _checked(response)
            error_body = await _error_body(response)
            refused = refused_field(response.status_code, error_body)
            if refused is None or refused in left_out:
                raise error_of(response.status_code, dict(response.headers), error_body, time.time())
            self._left_out[request.model] = left_out | {refused}


async def _chunks(response: httpx2.Response) -> AsyncGenerator[Chunk]:
    """The answer in a response, and the rest of it read, so that the connection can be used again."""
    assembler, lines = Assembler(), EventLines()
    with _told():
        async with _pieces(response) as pieces:
            async for piece in pieces:
                events = lines.feed(piece)
                for data in events:
                    if data != DONE and (text := assembler.feed(data)):
                        yield TextDelta(text)
                if DONE in events:
                    assembler.finished = True
                    with trio.move_on_after(REST_SECONDS):
                        async for _ in pieces:
                            pass
                    break
    if not assembler.finished:
        raise ProviderError(ErrorKind.TRANSIENT, "the answer broke off")
    if assembler.filtered:
        raise ProviderError(ErrorKind.BAD_REQUEST, "the provider's content filter stopped the answer")
    for call in assembler.calls():
        yield call
    yield Finish(assembler.usage)


@asynccontextmanager
async def _pieces(response: httpx2.Response) -> AsyncGenerator[AsyncIterator[bytes]]:
    """The bytes of a response, which is closed with the block.

    A generator inside the HTTP client is not closed with the one around it, and the garbage collector may not await.
    What ends it in order is to read on: of a closed response there is an error to read.
    """
    pieces = response.aiter_bytes()
    try:
        yield pieces
    finally:
        with trio.CancelScope(shield=True, deadline=trio.current_time() + CLOSE_SECONDS):
            await response.aclose()
            with suppress(httpx2.HTTPError):
                async for _ in pieces:
                    pass


async def _checked(response: httpx2.Response) -> httpx2.Response:
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "text/event-stream":
        return response
    await response.aclose()
    raise ProviderError(
        ErrorKind.BAD_REQUEST, f"it answers with {kind or 'nothing'} instead of a stream: is the URL right?"
    )


async def _error_body(response: httpx2.Response) -> bytes:
    """What there is of it in time; the rest is of no use."""
    body = b""
    try:
        with trio.move_on_after(ERROR_BODY_SECONDS):
            async with _pieces(response) as pieces:
                async for piece in pieces:
                    body += piece[: MAX_ERROR_BYTES - len(body)]
    except httpx2.HTTPError:
        pass  # the status says enough
    return body


@contextmanager
def _told() -> Generator[None]:
    """Errors of the HTTP client as errors of a provider."""
    try:
        yield
    except httpx2.ConnectTimeout:
        raise ProviderError(ErrorKind.TRANSIENT, f"it could not be reached within {CONNECT_SECONDS:.0f} s") from None
    except httpx2.TimeoutException:
        raise ProviderError(ErrorKind.TRANSIENT, "it fell silent") from None
    except httpx2.ConnectError as error:
        raise ProviderError(ErrorKind.TRANSIENT, f"it could not be reached ({why_unreachable(error)})") from None
    except httpx2.TransportError:
        raise ProviderError(ErrorKind.TRANSIENT, "the connection broke off") from None
    except (httpx2.DecodingError, httpx2.InvalidURL) as error:
        raise ProviderError(ErrorKind.BAD_REQUEST, f"it does not speak HTTP as it should ({error})") from None


def _without_secret(error: ProviderError, key: str | None) -> ProviderError:
    """The same error; some providers repeat the key that they refuse."""
    message = error.message.replace(key, mask(key)) if key else error.message
    return ProviderError(error.kind, redact(message), retry_after=error.retry_after)
