"""The door: whether a caller may pass, as one pure function of what the gateway knows and what the caller shows.

HTTP requests and WebSocket handshakes come through the same function. Secrets are kept as digests only, and
compared in constant time, whatever their lengths.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from hashlib import sha256
from hmac import compare_digest

from attrs import field, frozen

from xopc.contracts.auth import Auth, AuthMode, Scope
from xopc.contracts.errors import Failure
from xopc.contracts.settings.access import AccessToken

Headers = Iterable[tuple[bytes, bytes]]
"""Name and value as they came over the wire: any bytes, any case, any number of times."""

_HOW = "as 'Authorization: Bearer <token>' or as 'X-Api-Key: <token>'"


@frozen
class Principal:
    """Who calls."""

    name: str
    scope: Scope
    network: str | None = None
    """Where nobody is asked for a credential: where the caller asks from; None from this machine."""


@frozen
class Denial:
    """Why somebody does not pass. The message is for the caller."""

    failure: Failure
    message: str
    is_guess: bool = False
    """A credential was shown and compared, and opens nothing."""


@frozen
class Key:
    """One secret that opens the door, and how far."""

    name: str
    """Names the caller, in the log and towards the services."""
    digest: bytes = field(repr=False)
    scope: Scope

    @classmethod
    def of(cls, name: str, secret: str, scope: Scope) -> Key:
        # HTTP strips the blanks around a header's value, so nobody could ever present them.
        return cls(name, _digest(secret.encode().strip()), scope)


@frozen
class Credentials:
    """What a generation accepts at the door."""

    keys: tuple[Key, ...] = ()
    """With none, and no `everybody`, nobody passes."""
    everybody: Principal | None = None
    """Who any caller is, where no secret is asked for."""

    @classmethod
    def of(cls, auth: Auth, tokens: Iterable[AccessToken] = ()) -> Credentials:
        """What opens the door with the authentication in force; `tokens` do so beside its secret.

        Raises:
            ValueError: a mode that needs a secret came without one.
        """
        if auth.mode is AuthMode.NONE:
            return cls(everybody=Principal("everybody", Scope.ADMIN))
        if not (auth.secret or "").strip():
            raise ValueError(f"auth mode {auth.mode.value} has no secret")
        own = Key.of(auth.mode.value, auth.secret or "", Scope.ADMIN)
        return cls(keys=(own, *(Key(token.name, bytes.fromhex(token.sha256), _highest(token)) for token in tokens)))


def decide(
    credentials: Credentials,
    headers: Headers,
    query: Mapping[str, str],
    required: Scope | None,
    *,
    takes_token_in_query: bool = False,
    vouched: Principal | None = None,
) -> Principal | Denial | None:
    """Who the caller is, or why not. None where nobody is asked (`required` is None).

    `takes_token_in_query` is for clients that can set no headers: `EventSource` in a browser. `vouched` is who the
    caller is where somebody else has found that out; it counts where no credential is presented.
    """
    if required is None:
        return None
    presented = _presented(headers, query, takes_token_in_query)
    if vouched is not None and presented == set():
        caller = vouched
    else:
        caller = credentials.everybody or _identify(credentials.keys, presented)
    if isinstance(caller, Denial) or caller.scope.includes(required):
        return caller
    return Denial(Failure.FORBIDDEN, f"Missing required scope: {required.value}")


def _identify(keys: tuple[Key, ...], presented: set[bytes] | Denial) -> Principal | Denial:
    if isinstance(presented, Denial):
        return presented
    if not presented:
        return _unauthorized(f"Missing credential. Send it {_HOW}.")
    if len(presented) > 1:
        return _unauthorized("The request holds different credentials. Send one.")
    digest = _digest(presented.pop())
    # All keys are compared, so that the time tells nothing about which one was nearly right.
    matching = [key for key in keys if compare_digest(key.digest, digest)]
    if matching:
        return Principal(matching[0].name, matching[0].scope)
    return Denial(Failure.UNAUTHORIZED, "Wrong credential.", is_guess=True)


def _presented(headers: Headers, query: Mapping[str, str], takes_token_in_query: bool) -> set[bytes] | Denial:
    in_headers = set(_in_headers(headers))
    if "token" not in query:
        return in_headers
    if not takes_token_in_query:
        return _unauthorized(f"A token in the URL is not accepted, since URLs end up in logs. Send it {_HOW}.")
    in_query = query["token"].encode().strip()
    return in_headers | {in_query} if in_query else in_headers


def _in_headers(headers: Headers) -> Iterator[bytes]:
    """Every credential in the headers. `Authorization` holds it bare or behind `Bearer`, in any case."""
    for name, value in headers:
        match name.lower():
            case b"authorization":
                scheme, *rest = value.split(maxsplit=1)[:2] or [b""]
                credential = b"".join(rest) if scheme.lower() == b"bearer" else value
            case b"x-api-key":
                credential = value
            case _:
                continue
        if credential.strip():
            yield credential.strip()


def _highest(token: AccessToken) -> Scope:
    return max(token.scopes, key=list(Scope).index)


def _digest(secret: bytes) -> bytes:
    return sha256(secret).digest()


def _unauthorized(message: str) -> Denial:
    return Denial(Failure.UNAUTHORIZED, message)
