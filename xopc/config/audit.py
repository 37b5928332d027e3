"""The security audit: what of a configuration lets in more people than its owner may want.

A pure function of what is in force. Nothing is refused here; with `gateway.security.strict`, `resolve.weigh` refuses a
configuration for each finding that is critical.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from ipaddress import ip_address

from attrs import frozen

from xopc.config.bind import Binding
from xopc.contracts.auth import Auth, AuthMode, RateLimit, SecretSource
from xopc.contracts.origins import ANY
from xopc.contracts.settings.file import BindMode

STRICT_VARIABLE = "XOPC_GATEWAY_STRICT_SECURITY"
GOOD_TOKEN_CHARS = 22
"""Of base 64: 128 bits and a little more."""
MANY_ORIGINS = 20


class Severity(Enum):
    """How bad it is, the worst first."""

    CRITICAL = "critical"
    WARN = "warn"
    INFO = "info"


class CheckId(Enum):
    """What is looked for. The value is stable, and found in the log."""

    NONE_ON_NETWORK = "gateway.auth.none_on_network"
    NONE_LOOPBACK = "gateway.auth.none_loopback"
    MISSING_TOKEN = "gateway.auth.missing_token_on_network"  # noqa: S105  the name of a check
    MISSING_PASSWORD = "gateway.auth.missing_password_on_network"  # noqa: S105  the name of a check
    SHORT_TOKEN = "gateway.auth.short_token"  # noqa: S105  the name of a check
    LOW_ENTROPY_TOKEN = "gateway.auth.low_entropy_token"  # noqa: S105  the name of a check
    AUTO_GENERATED_TOKEN = "gateway.auth.auto_generated_token"  # noqa: S105  the name of a check
    WILDCARD_ORIGIN = "gateway.cors.wildcard"
    EXCESSIVE_ORIGINS = "gateway.cors.excessive_origins"
    NO_EXPLICIT_ORIGINS = "gateway.cors.no_explicit_origins"
    NO_RATE_LIMIT = "gateway.auth.no_rate_limit"
    STRICT_NO_RATE_LIMIT = "gateway.security.strict_no_rate_limit"
    NO_TLS = "gateway.transport.no_tls"
    ALL_INTERFACES = "gateway.bind.all_interfaces"
    TAILNET_IP_UNAVAILABLE = "gateway.bind.tailnet_ip_unavailable"
    SHARED_HISTORY = "session.shared_history"

    @property
    def place(self) -> str:
        """The key of the configuration that it is about."""
        return _PLACES[self]


_PLACES = {
    CheckId.NONE_ON_NETWORK: "$.gateway.auth.mode",
    CheckId.NONE_LOOPBACK: "$.gateway.auth.mode",
    CheckId.MISSING_TOKEN: "$.gateway.auth.token",
    CheckId.MISSING_PASSWORD: "$.gateway.auth.password",
    CheckId.SHORT_TOKEN: "$.gateway.auth.token",
    CheckId.LOW_ENTROPY_TOKEN: "$.gateway.auth.token",
    CheckId.AUTO_GENERATED_TOKEN: "$.gateway.auth.token",
    CheckId.WILDCARD_ORIGIN: "$.gateway.corsOrigins",
    CheckId.EXCESSIVE_ORIGINS: "$.gateway.corsOrigins",
    CheckId.NO_EXPLICIT_ORIGINS: "$.gateway.corsOrigins",
    CheckId.NO_RATE_LIMIT: "$.gateway.auth.rateLimit.enabled",
    CheckId.STRICT_NO_RATE_LIMIT: "$.gateway.auth.rateLimit",
    CheckId.NO_TLS: "$.gateway.bind",
    CheckId.ALL_INTERFACES: "$.gateway.bind",
    CheckId.TAILNET_IP_UNAVAILABLE: "$.gateway.bind",
    CheckId.SHARED_HISTORY: "$.session.dmScope",
}


@frozen
class AuditFinding:
    """One thing that the audit found. None of its texts holds a secret."""

    check_id: CheckId
    severity: Severity
    title: str
    """What is so, without a full stop."""
    detail: str
    """What follows from it."""
    remediation: str
    """What to do."""


def audit(
    auth: Auth,
    binding: Binding,
    cors_origins: tuple[str, ...],
    rate_limit: RateLimit,
    *,
    strict: bool = False,
    has_tls: bool = False,
    shares_history: bool = False,
) -> tuple[AuditFinding, ...]:
    """All that is found, the worst first. `shares_history`: see `xopc.config.sharing`."""
    on_network = is_on_network(binding)
    findings = [
        *_of_auth(auth, on_network),
        *_of_origins(cors_origins, on_network),
        *_of_limiter(rate_limit, on_network, strict),
        *_of_transport(binding, on_network, has_tls),
        *([_SHARED_HISTORY] if shares_history else []),
    ]
    return tuple(sorted(findings, key=lambda finding: list(Severity).index(finding.severity)))


def is_on_network(binding: Binding) -> bool:
    """Whether other machines may reach one of the addresses."""
    return not all(ip_address(host).is_loopback for host in (*binding.hosts, *binding.optional_hosts))


def is_open_to_all(auth: Auth, binding: Binding) -> bool:
    """Whether anybody may do everything, from whichever network the machine is on."""
    return auth.mode is AuthMode.NONE and _is_everywhere(binding)


def _of_auth(auth: Auth, on_network: bool) -> Iterator[AuditFinding]:
    match auth.mode:
        case AuthMode.NONE:
            yield _without_auth(on_network)
        case AuthMode.TOKEN if auth.secret is not None:
            yield from _of_token(auth.secret, is_generated=auth.source is SecretSource.GENERATED)
        case AuthMode.TOKEN if on_network:
            yield AuditFinding(
                CheckId.MISSING_TOKEN,
                Severity.CRITICAL,
                "There is no token, and the gateway is on a network",
                "The next start generates one, which no client knows yet.",
                "Make one: xopc gateway token --generate",
            )
        case AuthMode.PASSWORD if auth.secret is None and on_network:
            yield AuditFinding(
                CheckId.MISSING_PASSWORD,
                Severity.CRITICAL,
                "There is no password, and the gateway is on a network",
                "The mode is password, and nobody could ever present one.",
                "Set gateway.auth.password or XOPC_GATEWAY_PASSWORD.",
            )
        case _:
            pass


def _without_auth(on_network: bool) -> AuditFinding:
    if on_network:
        return AuditFinding(
            CheckId.NONE_ON_NETWORK,
            Severity.CRITICAL,
            "Authentication is off, and the gateway is on a network",
            "Whoever reaches the port may do everything: read each conversation, and act in your name.",
            "Set gateway.auth.mode to token, or gateway.bind to loopback.",
        )
    return AuditFinding(
        CheckId.NONE_LOOPBACK,
        Severity.WARN,
        "Authentication is off",
        "Every program and every user of this machine may do everything.",
        "Set gateway.auth.mode to token. None is for local development.",
    )


def _of_token(token: str, *, is_generated: bool) -> Iterator[AuditFinding]:
    if len(set(token)) == 1:
        yield AuditFinding(
            CheckId.LOW_ENTROPY_TOKEN,
            Severity.CRITICAL,
            "The token is one character, repeated",
            "It is guessed in a few attempts.",
            "Make a new one: xopc gateway token --generate",
        )
    if len(token) < GOOD_TOKEN_CHARS:
        yield AuditFinding(
            CheckId.SHORT_TOKEN,
            Severity.WARN,
            f"The token is short ({len(token)} characters)",
            f"One of less than {GOOD_TOKEN_CHARS} characters may be guessed, if it was thought up by a person.",
            "Make a new one: xopc gateway token --generate",
        )
    if is_generated:
        yield AuditFinding(
            CheckId.AUTO_GENERATED_TOKEN,
            Severity.INFO,
            "The token was generated, because there was none",
            "Clients have to be given it.",
            "See it: xopc gateway token. Or set your own in gateway.auth.token or XOPC_GATEWAY_TOKEN.",
        )


def _of_origins(origins: tuple[str, ...], on_network: bool) -> Iterator[AuditFinding]:
    if ANY in origins:
        yield AuditFinding(
            CheckId.WILDCARD_ORIGIN,
            Severity.CRITICAL if on_network else Severity.WARN,
            "Every web page may use the API",
            "gateway.corsOrigins holds *, so any page that somebody opens may send requests from their browser.",
            "Name the origins that need it, such as https://desk.example.com.",
        )
    if len(origins) > MANY_ORIGINS:
        yield AuditFinding(
            CheckId.EXCESSIVE_ORIGINS,
            Severity.INFO,
            f"Many web origins may use the API ({len(origins)})",
            "Each of them is trusted with what its readers may do.",
            "Remove from gateway.corsOrigins those that are not used any more.",
        )
    if not origins and on_network:
        yield AuditFinding(
            CheckId.NO_EXPLICIT_ORIGINS,
            Severity.CRITICAL,
            "No web origin is named, and the gateway is on a network",
            "Until one is named, pages of this machine alone may use the API, and which others shall is undecided.",
            "Name in gateway.corsOrigins the pages that may, such as https://desk.example.com.",
        )


def _of_limiter(rate_limit: RateLimit, on_network: bool, strict: bool) -> Iterator[AuditFinding]:
    if on_network and not rate_limit.enabled:
        yield AuditFinding(
            CheckId.NO_RATE_LIMIT,
            Severity.WARN,
            "Nobody is blocked for wrong credentials, and the gateway is on a network",
            "A token or a password may be guessed as fast as the network allows.",
            "Set gateway.auth.rateLimit.enabled to true, and leave XOPC_AUTH_RATE_LIMIT unset.",
        )
    if on_network and strict and not rate_limit.is_configured:
        yield AuditFinding(
            CheckId.STRICT_NO_RATE_LIMIT,
            Severity.CRITICAL,
            "Security is strict, and nobody has set the limiter",
            "On a network, strict security asks for a decision on how many wrong credentials are too many.",
            'Set gateway.auth.rateLimit, such as {"maxAttempts": 5}.',
        )


def _of_transport(binding: Binding, on_network: bool, has_tls: bool) -> Iterator[AuditFinding]:
    # What goes through a tailnet is encrypted by it.
    if on_network and not has_tls and binding.mode is not BindMode.TAILNET:
        yield AuditFinding(
            CheckId.NO_TLS,
            Severity.WARN,
            "The gateway is on a network without TLS",
            "Credentials and conversations can be read by whoever is between it and its clients.",
            "Set gateway.tls, or put a tunnel or a proxy that speaks HTTPS before it, or bind to loopback or tailnet.",
        )
    if _is_everywhere(binding):
        yield AuditFinding(
            CheckId.ALL_INTERFACES,
            Severity.WARN,
            "The gateway listens at all interfaces",
            "It can be reached from each network that this machine is on, or will be.",
            "Set gateway.bind to loopback, tailnet or custom, if one network is enough.",
        )
    if binding.mode is BindMode.TAILNET and not on_network:
        yield AuditFinding(
            CheckId.TAILNET_IP_UNAVAILABLE,
            Severity.WARN,
            "This machine has no address in a tailnet",
            f"gateway.bind is tailnet, and the gateway listens at {binding.hosts[0]} alone.",
            "Connect this machine to the tailnet: the gateway moves there by itself.",
        )


_SHARED_HISTORY = AuditFinding(
    CheckId.SHARED_HISTORY,
    Severity.WARN,
    "Several people may write in private, and share one conversation",
    "session.dmScope is main, so the agent may tell one of them what another has said.",
    "Set session.dmScope to per-peer, or allow one person alone.",
)


def _is_everywhere(binding: Binding) -> bool:
    return any(ip_address(host).is_unspecified for host in binding.hosts)
