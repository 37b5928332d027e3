"""Who asks through Tailscale Serve: its headers say so, and the machine's own Tailscale is asked whether it is so.

Serve connects from this machine, and writes for whom into headers. Anybody on this machine could write them too, and
so could a reverse proxy that passes on what strangers send. So a header is a claim, and what counts is what
`tailscale whois` says of the address; of who may claim anything at all, see `xopc.config.tailscale`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Any, cast

import structlog
import trio
from attrs import frozen
from structlog.typing import FilteringBoundLogger

from xopc.contracts.origins import as_address

NETWORKS = (IPv4Network("100.64.0.0/10"), IPv6Network("fd7a:115c:a1e0::/48"))
"""What Tailscale gives its addresses from."""
MAX_LOGIN_CHARS = 320
"""Of an address for mail."""
WHOIS_SECONDS = 2.0
KNOWN_SECONDS, UNKNOWN_SECONDS = 60.0, 5.0
"""How long an answer counts: one with a login, and one without."""
MAX_KNOWN = 256
MAX_QUESTIONS = 2
"""Asked at a time."""

_log: FilteringBoundLogger = structlog.get_logger("xopc.door")


@frozen
class Visitor:
    """Somebody of the tailnet."""

    login: str
    """`amy@example.com`, in lower case."""
    address: str
    """Of the device, in the tailnet."""


def claim_of(peer: str, headers: Iterable[tuple[bytes, bytes]]) -> Visitor | None:
    """Whom a request claims to come from; None where it was not sent by Serve, as far as that can be seen.

    `peer` is the address at the other end of its connection. Of each header there has to be one, with one value.
    """
    found: dict[bytes, list[str]] = {}
    for name, value in headers:
        found.setdefault(name.lower(), []).append(value.decode("latin1").strip())
    address = as_address(peer)
    if address is None or not address.is_loopback or b"tailscale-funnel-request" in found:
        return None
    forwarded = _only(found, b"x-forwarded-for"), _only(found, b"x-forwarded-host"), _only(found, b"x-forwarded-proto")
    login = _only(found, b"tailscale-user-login").lower()
    device = as_address(forwarded[0])
    if not all(forwarded) or not 0 < len(login) <= MAX_LOGIN_CHARS or device is None or not _is_of_tailnet(device):
        return None
    return Visitor(login, str(device))


def login_in(answer: bytes) -> str | None:
    """The login in what `tailscale whois --json` printed; None where there is none, or the device is nobody's own."""
    try:
        told = cast("dict[str, Any]", json.loads(answer))
        if told["Node"].get("Tags"):
            return None
        login = told["UserProfile"]["LoginName"]
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return None
    return login.lower() if isinstance(login, str) and login else None


class Tailnet:
    """Asks the machine's Tailscale who has an address, and remembers the answer for a while."""

    def __init__(self, clock: Callable[[], float] = trio.current_time) -> None:
        self._clock = clock
        self._known: dict[str, tuple[str | None, float]] = {}
        """Login, and until when it counts, by address; the oldest first."""
        self._questions: trio.CapacityLimiter | None = None
        self._has_told = False

    async def login_of(self, address: str) -> str | None:
        """The login of whom a device belongs to; None where Tailscale does not say."""
        if (known := self._remembered(address)) is not None:
            return known[0]
        self._questions = self._questions or trio.CapacityLimiter(MAX_QUESTIONS)
        async with self._questions:
            # Somebody else may have asked meanwhile.
            if (known := self._remembered(address)) is not None:
                return known[0]
            login = await self._ask(address)
        self._known.pop(address, None)
        self._known[address] = (login, self._clock() + (KNOWN_SECONDS if login else UNKNOWN_SECONDS))
        while len(self._known) > MAX_KNOWN:
            del self._known[next(iter(self._known))]
        return login

    def _remembered(self, address: str) -> tuple[str | None, float] | None:
        known = self._known.get(address)
        return known if known is not None and self._clock() < known[1] else None

    async def _ask(self, address: str) -> str | None:
        with trio.move_on_after(WHOIS_SECONDS):
            try:
                done = await trio.run_process(
                    ["tailscale", "whois", "--json", address], capture_stdout=True, capture_stderr=True, check=False
                )
            except OSError as error:
                return self._tell(error.strerror or str(error))
            if done.returncode == 0:
                self._has_told = False
                return login_in(done.stdout)
            return self._tell(done.stderr.decode(errors="replace").strip()[:200] or f"exit code {done.returncode}")
        return self._tell(f"no answer within {WHOIS_SECONDS:g} s")

    def _tell(self, why: str) -> None:
        """In the log, once until it answers again."""
        if not self._has_told:
            self._has_told = True
            cure = "Tailscale has to run here, and its command has to be in the PATH of the gateway."
            _log.warn("Tailscale does not say who asks, so its users need a token.", why=why, cure=cure)


def _only(headers: dict[bytes, list[str]], name: bytes) -> str:
    values = headers.get(name, [])
    return values[0] if len(values) == 1 and "," not in values[0] else ""


def _is_of_tailnet(address: IPv4Address | IPv6Address) -> bool:
    return any(address in network for network in NETWORKS)
