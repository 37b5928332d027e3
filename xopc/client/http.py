"""A synchronous client of the gateway's REST API for commands: standard library only, one connection a request."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Any, TypeAlias, cast
from urllib.parse import urlencode, urlsplit

from attrs import field, frozen

from xopc.contracts.errors import Failure, XopcError

LOCAL_KEY_HEADER = "X-Xopc-Local-Key"
MAX_BODY_BYTES = 8 * 1024 * 1024
NOT_TRUSTED = "its certificate is not trusted here"

JsonObject: TypeAlias = dict[str, Any]

_NO_CHECK_TIME = 0x200000
"""X509_V_FLAG_NO_CHECK_TIME of OpenSSL's x509_vfy.h, which the standard library does not name."""

NO_QUERY: Mapping[str, str | int | None] = {}
NO_HEADERS: Mapping[str, str] = {}


class NoAnswerError(XopcError):
    """Nothing answered: nobody listens, it took too long, or what answered does not speak HTTP."""

    def __init__(self, url: str, why: str) -> None:
        super().__init__(Failure.UNAVAILABLE, f"{url}: {why}")
        self.why = why


class RefusedError(XopcError):
    """The gateway answered with an error, in its own words; without any, the URL and the status are told."""

    def __init__(self, url: str, status: int, body: JsonObject | None) -> None:
        """`body` is the answer, where it was a JSON object."""
        raw: object = (body or {}).get("error")
        detail: JsonObject = cast("JsonObject", raw) if isinstance(raw, dict) else {}
        code, message = detail.get("code"), detail.get("message")
        super().__init__(_failure(status, code), message if isinstance(message, str) else f"{url}: HTTP {status}")
        self.status = status
        self.body = body


@frozen
class Client:
    """Asks one gateway. Raises `NoAnswerError` and `RefusedError`, and follows no redirect."""

    base_url: str
    """`http://127.0.0.1:18790`; a path in it goes before each request's."""
    credential: str | None = field(default=None, repr=False)
    """Token or password. Goes to whoever listens at `base_url`, so give it only for a gateway that is known."""
    timeout_seconds: float = 5.0
    """For each step of the connection, and for the answer's body as a whole."""
    local_key: str | None = field(default=None, repr=False, kw_only=True)
    """Shows a gateway on this machine that its state directory can be read: then wrong credentials block nobody."""
    certificates: str | None = field(default=None, repr=False, kw_only=True)
    """PEM: over HTTPS, those alone that are trusted, whatever names and dates stand in them. None: what the system
    trusts, for the host of `base_url`."""

    def get(self, path: str, query: Mapping[str, str | int | None] = NO_QUERY) -> JsonObject:
        """The JSON object that `path` answers with; of the query, what is None is left out."""
        given = {name: value for name, value in query.items() if value is not None}
        return self._request("GET", f"{path}?{urlencode(given)}" if given else path)

    def post(self, path: str, body: Mapping[str, Any], headers: Mapping[str, str] = NO_HEADERS) -> JsonObject:
        """Send a JSON object, and return the one that is the answer."""
        return self._request("POST", path, body, headers)

    def patch(self, path: str, body: Mapping[str, Any]) -> JsonObject:
        """Change what stands at `path` by a JSON object, and return the one that is the answer."""
        return self._request("PATCH", path, body)

    def delete(self, path: str) -> JsonObject:
        """Delete what stands at `path`, and return the JSON object that is the answer."""
        return self._request("DELETE", path)

    @contextmanager
    def open(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, headers: Mapping[str, str] = NO_HEADERS
    ) -> Generator[Answer]:
        """An answer that is a success, while its body arrives."""
        secure, host, port, prefix = split_base_url(self.base_url)
        url = f"{self.base_url.rstrip('/')}{path.partition('?')[0]}"
        data = None if body is None else json.dumps(body).encode()
        connection = (
            http.client.HTTPSConnection(host, port, timeout=self.timeout_seconds, context=trust(self.certificates))
            if secure
            else http.client.HTTPConnection(host, port, timeout=self.timeout_seconds)
        )
        try:
            with _told(url, self.timeout_seconds):
                connection.request(method, prefix + path, data, {**self._headers(data), **headers})
                # The connection forgets its socket once the answer has come, and the answer must not wait for ever.
                ours = connection.sock
                response = connection.getresponse()
            with response:
                answer = Answer(url, response, ours, self.timeout_seconds)
                if not 200 <= response.status < 300:
                    raise RefusedError(url, response.status, _json_object(answer.whole()))
                yield answer
        finally:
            connection.close()

    def _request(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, headers: Mapping[str, str] = NO_HEADERS
    ) -> JsonObject:
        with self.open(method, path, body, headers) as answer:
            value = _json_object(answer.whole())
        if value is None:
            raise NoAnswerError(answer.url, "what answers there is not a gateway (its answer is not a JSON object)")
        return value

    def _headers(self, data: bytes | None) -> dict[str, str | bytes]:
        headers: dict[str, str | bytes] = {"Accept": "application/json", "Connection": "close"}
        if data is not None:
            headers["Content-Type"] = "application/json"
        if self.credential is not None:
            if not self.credential.isprintable():
                raise XopcError(
                    Failure.UNAUTHORIZED, "The token holds a line break or another sign that no HTTP header can carry."
                )
            headers["Authorization"] = f"Bearer {self.credential}".encode()
            if self.local_key is not None:
                headers[LOCAL_KEY_HEADER] = self.local_key
        return headers


class Answer:
    """The body of an answer, as it arrives. Raises `NoAnswerError`."""

    def __init__(self, url: str, response: http.client.HTTPResponse, ours: socket.socket, seconds: float) -> None:
        """`seconds` are for the whole body."""
        self.url = url
        self._response = response
        self._socket = ours
        self._seconds = seconds
        self._deadline = time.monotonic() + seconds

    @property
    def content_type(self) -> str:
        """Without its parameters: `application/json`."""
        return self._response.headers.get_content_type()

    def piece(self) -> bytes:
        """What has arrived next; empty at the end."""
        with _told(self.url, self._seconds):
            left = self._deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError
            self._socket.settimeout(left)
            return self._response.read1(64 * 1024)

    def whole(self) -> bytes:
        """All of it, up to 8 MiB."""
        text = b""
        while piece := self.piece():
            text += piece
            if len(text) > MAX_BODY_BYTES:
                raise NoAnswerError(self.url, f"its answer is larger than {MAX_BODY_BYTES // 1024 // 1024} MiB")
        return text


@contextmanager
def _told(url: str, seconds: float) -> Generator[None]:
    """Whatever goes wrong inside is told as `NoAnswerError`."""
    try:
        yield
    except TimeoutError as error:
        raise NoAnswerError(url, f"no answer within {seconds:g} s") from error
    except ssl.SSLCertVerificationError as error:
        raise NoAnswerError(url, f"{NOT_TRUSTED} ({error.verify_message})") from error
    except ssl.SSLError as error:
        reason = (error.reason or "no reason").replace("_", " ").lower()
        raise NoAnswerError(url, f"no HTTPS was spoken there ({reason})") from error
    except OSError as error:
        raise NoAnswerError(url, (error.strerror or str(error) or type(error).__name__).lower()) from error
    except UnicodeError as error:
        raise NoAnswerError(url, f"{urlsplit(url).hostname!r} is not the name of a host") from error
    except http.client.IncompleteRead as error:
        raise NoAnswerError(url, "the connection broke off in the middle of the answer") from error
    except http.client.HTTPException as error:
        raise NoAnswerError(url, f"what answers there is not a gateway ({type(error).__name__})") from error


def split_base_url(url: str) -> tuple[bool, str, int, str]:
    """Whether it is TLS, host, port and path of a base URL.

    Raises:
        ValueError: it is not one, with the reason.
    """
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError(f"{url!r} is not a URL such as http://127.0.0.1:18790")
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise ValueError("it ends with its path, and holds no name, password or token: --token is for that")
    secure = parts.scheme == "https"
    return secure, parts.hostname, parts.port or (443 if secure else 80), parts.path.rstrip("/")


def trust(certificates: str | None) -> ssl.SSLContext:
    """Who may answer over HTTPS: the holder of one of these certificates (PEM), or whoever the system trusts.

    A certificate that is known itself needs no name that fits, and its dates tell nothing more.
    """
    if certificates is None:
        return ssl.create_default_context()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN | _NO_CHECK_TIME
    if certificates:
        context.load_verify_locations(cadata=certificates)
    return context


def _failure(status: int, code: object) -> Failure:
    """The row of the table that fits best: by status and code, by status, by kind."""
    same_status = [failure for failure in Failure if failure.http == status]
    same_code = [failure for failure in same_status if failure.code == code]
    fallback = Failure.INTERNAL_ERROR if status >= 500 else Failure.INVALID_REQUEST
    return next(iter(same_code or same_status), fallback)


def _json_object(text: bytes) -> JsonObject | None:
    try:
        value: object = json.loads(text)
    except ValueError:
        return None
    return cast("JsonObject", value) if isinstance(value, dict) else None
