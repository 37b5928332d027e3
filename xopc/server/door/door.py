"""The door: whether a request may pass, decided once for HTTP requests and WebSocket handshakes alike.

name of the host → page that asks → client blocked? → credential → scope

Each step is a pure function of what the gateway knows (`Policy`) and what the caller shows; the door adds the count
of wrong credentials, and lives as long as the process, so that no restart in it forgets who is guessing.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from hmac import compare_digest
from typing import TypeAlias

import structlog
import trio
from attrs import evolve, field, frozen
from hypercorn.typing import HTTPScope, WebsocketScope
from structlog.typing import FilteringBoundLogger

from xopc.config.resolve import Resolved
from xopc.config.tailscale import users_of
from xopc.contracts.api.status import BlockedClient, LimiterStatus
from xopc.contracts.auth import RateLimit, Scope
from xopc.contracts.errors import Failure, XopcError
from xopc.server.door.auth import Credentials, Denial, Headers, Principal, decide
from xopc.server.door.client_address import Client, Proxies, client_of, network_of
from xopc.server.door.limiter import Limiter, key_of
from xopc.server.door.origin import (
    FOREIGN_SITES,
    UNNAMED_PAGES,
    Names,
    browser_of,
    machine_names,
    refused_host,
)
from xopc.server.door.restraint import Restraint
from xopc.server.door.tailscale import Tailnet, Visitor, claim_of

LOCAL_KEY_HEADER = b"x-xopc-local-key"
"""Shows that a command on this machine may read the state directory. It opens nothing, but is not blocked."""
MAX_TOLD_BLOCKS = 100

Knock: TypeAlias = HTTPScope | WebsocketScope
_log: FilteringBoundLogger = structlog.get_logger("xopc.door")


@frozen
class Policy:
    """What a configuration says of the door."""

    credentials: Credentials
    names: Names = field(default=Names())
    proxies: Proxies = field(default=Proxies())
    limit: RateLimit = field(default=RateLimit())
    tailscale_users: frozenset[str] = frozenset()
    """Logins of those who need no credential, in lower case."""

    @classmethod
    def of(cls, resolved: Resolved, port: int, machine: Collection[str] | None = None) -> Policy:
        """`port` is the one that the gateway listens at, `machine` the names of this machine."""
        settings = resolved.settings.gateway
        names = machine_names() if machine is None else machine
        return cls(
            credentials=Credentials.of(resolved.auth, settings.auth.tokens),
            names=Names.of(settings, resolved.binding.hosts, port, names),
            proxies=Proxies.of(settings),
            limit=resolved.rate_limit,
            tailscale_users=users_of(settings.auth),
        )


class Door:
    """Lets callers in, and remembers those who guess."""

    def __init__(
        self,
        policy: Policy,
        local_key: bytes | None = None,
        clock: Callable[[], float] = trio.current_time,
    ) -> None:
        """`local_key` is what `LOCAL_KEY_HEADER` holds where it counts; None: nowhere."""
        self._policy = policy
        self._local_key = local_key
        self._has_told_of_proxy = False
        self._restraint = Restraint(clock)
        self._tailnet = Tailnet(clock)
        self.limiter = Limiter(policy.limit, clock)

    def use(self, policy: Policy) -> None:
        """Go by another policy from now on. What was counted stays."""
        self._policy = policy
        self.limiter.limit = policy.limit

    async def visitor(self, knock: Knock) -> Visitor | None:
        """Whom the machine's Tailscale vouches for, where the configuration has such come in; None in all other cases.

        To be asked before `admit` and `admission`, which take the answer.
        """
        users = self._policy.tailscale_users
        claim = claim_of(_peer(knock), knock["headers"]) if users else None
        if claim is None or claim.login not in users:
            return None
        login = await self._tailnet.login_of(claim.address)
        if login == claim.login:
            return claim
        if login is not None:
            what = "A request claims to be of somebody else than Tailscale says."
            self._tell_refusal(what, claimed=claim.login, login=login, client=claim.address)
        return None

    def admit(
        self,
        knock: Knock,
        query: Mapping[str, str],
        required: Scope | None,
        *,
        takes_token_in_query: bool = False,
        visitor: Visitor | None = None,
    ) -> Principal | None:
        """Who the caller is; None where nobody is asked (`required` is None). `visitor` is what `visitor` said.

        Raises:
            XopcError: FORBIDDEN, RATE_LIMITED or UNAUTHORIZED, with a message for the caller.
        """
        if required is None:
            return None
        policy, headers = self._policy, knock["headers"]
        client = _client(knock, policy, visitor)
        host = _value(headers, b"host")
        if why := refused_host(host, policy.names):
            self._tell_refusal("A request under a foreign name was refused.", host=host[:200], client=client.address)
            raise XopcError(Failure.FORBIDDEN, why)
        browser = self._browser(knock, host, client)
        if policy.credentials.everybody is not None:
            return evolve(policy.credentials.everybody, network=None if client.is_local else client.network)
        if browser is None and takes_token_in_query and "token" in query:
            browser = UNNAMED_PAGES
        key = None if self._is_exempt(headers, client, browser) else key_of(client.network, browser)
        if key is not None and (seconds := self.limiter.seconds_left(key)):
            message = f"Too many wrong credentials came from this client. Try again in {seconds} s."
            raise XopcError(Failure.RATE_LIMITED, message, retry_after=seconds)
        decision = decide(
            policy.credentials,
            headers,
            query,
            required,
            takes_token_in_query=takes_token_in_query,
            vouched=_principal(visitor, policy),
        )
        if not isinstance(decision, Denial):
            # Whoever may do less could else guess for ever at what opens more.
            if key is not None and decision and decision.scope.includes(Scope.ADMIN):
                self.limiter.forgive(key)
            return decision
        if decision.is_guess:
            self._tell_guess(knock, client, browser, self.limiter.count(key) if key else 0)
        raise XopcError(decision.failure, decision.message)

    def admission(
        self,
        knock: Knock,
        query: Mapping[str, str],
        required: Scope | None,
        *,
        takes_token_in_query: bool = False,
        visitor: Visitor | None = None,
    ) -> Callable[[], bool]:
        """Tells whenever it is asked whether the credential of a caller who was let in still counts: it may have been
        taken back. Asked again under the same policy it costs nothing, for streams of many events."""
        known: Policy | None = None
        is_admitted = True

        def ask() -> bool:
            nonlocal known, is_admitted
            if known is not self._policy:
                known = self._policy
                decision = decide(
                    known.credentials,
                    knock["headers"],
                    query,
                    required,
                    takes_token_in_query=takes_token_in_query,
                    vouched=_principal(visitor, known),
                )
                is_admitted = not isinstance(decision, Denial)
            return is_admitted

        return ask

    def open_to(self, knock: Knock) -> str | None:
        """The origin of the page that asks, where it may read the answer; None where no page asks, or a foreign one."""
        origin = _value(knock["headers"], b"origin")
        if not origin:
            return None
        client = client_of(_peer(knock), knock["headers"], self._policy.proxies)
        host = _value(knock["headers"], b"host")
        names = self._policy.names
        may_read = refused_host(host, names) is None and browser_of(origin, host, client, names) is not None
        return origin if may_read else None

    def status(self) -> LimiterStatus | None:
        """The limit on wrong credentials, and whom it blocks; None where nobody is asked for one."""
        if self._policy.credentials.everybody is not None:
            return None
        limiter = self.limiter
        blocked = limiter.blocks()[:MAX_TOLD_BLOCKS]
        told = tuple(_blocked_client(block.key, block.seconds) for block in blocked)
        return LimiterStatus(limiter.limit.enabled, limiter.failures, limiter.clients, told)

    def _browser(self, knock: Knock, host: str, client: Client) -> str | None:
        origin = _value(knock["headers"], b"origin")
        if not origin:
            if _value(knock["headers"], b"sec-fetch-site").strip().lower() in FOREIGN_SITES:
                raise XopcError(Failure.FORBIDDEN, "Origin not allowed. A page asks that does not tell its origin.")
            return None
        browser = browser_of(origin, host, client, self._policy.names)
        if browser is None:
            shown = origin if len(origin) <= 200 else f"{origin[:200]}…"
            self._tell_refusal(
                "A web page was refused.", origin=shown, host=host[:200], path=knock["path"], client=client.address
            )
            cure = f'If "{shown}" is yours, add it to gateway.corsOrigins.'
            raise XopcError(Failure.FORBIDDEN, f"Origin not allowed. {cure}")
        return browser

    def _is_exempt(self, headers: Headers, client: Client, browser: str | None) -> bool:
        """Whether the caller is never blocked. A page may be: it is no program of this machine's owner."""
        if not client.is_local or browser is not None:
            return False
        if self._policy.limit.exempt_loopback:
            return True
        shown = _value(headers, LOCAL_KEY_HEADER).encode("latin1")
        return bool(shown) and self._local_key is not None and compare_digest(shown, self._local_key)

    def _tell_refusal(self, what: str, **fields: object) -> None:
        """In the log, unless there are so many that they would fill the disk: they cost whoever causes them nothing."""
        left_out = self._restraint.left_out()
        if left_out is not None:
            _log.warn(what, **fields, **({"left_out": left_out} if left_out else {}))

    def _tell_guess(self, knock: Knock, client: Client, browser: str | None, failures: int) -> None:
        limit = self.limiter.limit
        fields: dict[str, object] = {"client": client.address, "path": knock["path"]}
        if browser:
            fields["browser"] = browser
        if failures:
            fields |= {"failures": failures, "of": limit.max_attempts}
        if failures < limit.max_attempts:
            _log.warn("A wrong credential was presented.", **fields)
        else:
            fields |= {"seconds": limit.block_seconds, "cure": "xopc gateway unlock"}
            _log.warn("A wrong credential was presented, and its client is blocked.", **fields)
        if client.is_unheard and not self._has_told_of_proxy:
            self._has_told_of_proxy = True
            what = "A client says that it forwards for others, who all count as one."
            cure = "If it is your reverse proxy, add it to gateway.trustedProxies."
            _log.warn(what, client=client.address, cure=cure)


def _blocked_client(key: str, seconds: float) -> BlockedClient:
    browser, _, network = key.rpartition("|")
    return BlockedClient(network, browser.removeprefix("browser-origin:") or None, max(1, round(seconds)))


def _principal(visitor: Visitor | None, policy: Policy) -> Principal | None:
    if visitor is None or visitor.login not in policy.tailscale_users:
        return None
    return Principal(f"tailscale:{visitor.login}", Scope.ADMIN)


def _client(knock: Knock, policy: Policy, visitor: Visitor | None) -> Client:
    """A visitor counts as his own device, for which Tailscale speaks as a trusted proxy does."""
    if visitor is not None:
        return Client(visitor.address, network_of(visitor.address), is_local=False, is_behind_proxy=True)
    return client_of(_peer(knock), knock["headers"], policy.proxies)


def _peer(knock: Knock) -> str:
    client = knock["client"]
    return str(client[0]) if client else ""


def _value(headers: Headers, name: bytes) -> str:
    """The header's value; one that comes twice holds a comma, as HTTP has it, and so fits nothing."""
    return b", ".join(value for key, value in headers if key.lower() == name).decode("latin1")
