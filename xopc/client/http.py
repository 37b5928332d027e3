"""A synchronous client of the gateway's REST API for commands: standard library only, one connection a request."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Mapping
from typing import Any, TypeAlias, cast
from urllib.parse import urlsplit

from attrs import field, frozen

from xopc.contracts.errors import Failure, XopcError

MAX_BODY_BYTES = 8 * 1024 * 1024

JsonObject: TypeAlias = dict[str, Any]


class NoAnswerError(XopcError):
    """Nothing answered: nobody listens, it took too long, or what answered does not speak HTTP."""

    def __init__(self, url: str, why: str) -> None:
        super().__init__(Failure.UNAVAILABLE, f"{url}: {why}")
        self.why = why


class RefusedError(XopcError):
    """The gateway answered with an error."""

    def __init__(self, url: str, status: int, body: JsonObject | None) -> None:
        """`body` is the answer, where it was a JSON object."""
        raw: object = (body or {}).get("error")
        detail: JsonObject = cast("JsonObject", raw) if isinstance(raw, dict) else {}
        code, message = detail.get("code"), detail.get("message")
        super().__init__(_failure(status, code), f"{url}: {message if isinstance(message, str) else f'HTTP {status}'}")
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

    def get(self, path: str) -> JsonObject:
        """The JSON object that `path` answers with."""
        return self._request("GET", path, None)

    def post(self, path: str, body: Mapping[str, Any]) -> JsonObject:
        """Send a JSON object, and return the one that is the answer."""
        return self._request("POST", path, json.dumps(body).encode())

    def _request(self, method: str, path: str, data: bytes | None) -> JsonObject:
        secure, host, port, prefix = split_base_url(self.base_url)
        kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
        connection = kind(host, port, timeout=self.timeout_seconds)
        url = f"{self.base_url.rstrip('/')}{path}"
        try:
            connection.request(method, prefix + path, data, self._headers(data))
            response = connection.getresponse()
            text = self._read(response)
        except TimeoutError as error:
            raise NoAnswerError(url, f"no answer within {self.timeout_seconds:g} s") from error
        except OSError as error:
            raise NoAnswerError(url, (error.strerror or str(error) or type(error).__name__).lower()) from error
        except UnicodeError as error:
            raise NoAnswerError(url, f"{host!r} is not the name of a host") from error
        except http.client.HTTPException as error:
            raise NoAnswerError(url, f"what answers there is not a gateway ({type(error).__name__})") from error
        finally:
            connection.close()
        body = _json_object(text)
        if not 200 <= response.status < 300:
            raise RefusedError(url, response.status, body)
        if body is None:
            raise NoAnswerError(url, "what answers there is not a gateway (its answer is not a JSON object)")
        return body

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
        return headers

    def _read(self, response: http.client.HTTPResponse) -> bytes:
        deadline = time.monotonic() + self.timeout_seconds
        text = b""
        while chunk := response.read1(64 * 1024):
            text += chunk
            if time.monotonic() > deadline:
                raise TimeoutError
            if len(text) > MAX_BODY_BYTES:
                raise http.client.HTTPException
        return text


def split_base_url(url: str) -> tuple[bool, str, int, str]:
    """Whether it is TLS, host, port and path of a base URL.

    Raises:
        ValueError: it is not one, with the reason.
    """
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError(f"{url!r} is not a URL such as http://127.0.0.1:18790")
    secure = parts.scheme == "https"
    return secure, parts.hostname, parts.port or (443 if secure else 80), parts.path.rstrip("/")


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
