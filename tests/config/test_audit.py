from __future__ import annotations

from collections.abc import Callable

import pytest
from attrs import frozen
from hypothesis import given, strategies as st

from xopc.config.audit import AuditFinding, CheckId, audit, is_on_network, is_open_to_all
from xopc.config.bind import Binding
from xopc.contracts.auth import Auth, AuthMode, RateLimit, SecretSource
from xopc.contracts.convert import unstructure
from xopc.contracts.settings.file import BindMode

LOOPBACK = Binding(BindMode.LOOPBACK, ("127.0.0.1",), ("::1",))
LAN = Binding(BindMode.LAN, ("0.0.0.0",))
GOOD = Auth(AuthMode.TOKEN, "0123456789abcdef0123456789abcdef", SecretSource.CONFIG)
LIMITED = RateLimit(is_configured=True)
ORIGINS = ("https://desk.example.com",)


@frozen
class Facts:
    """What is in force."""

    auth: Auth = GOOD
    binding: Binding = LOOPBACK
    origins: tuple[str, ...] = ORIGINS
    rate_limit: RateLimit = LIMITED
    strict: bool = False
    has_tls: bool = False
    shares_history: bool = False

    @property
    def network(self) -> bool:
        hosts = (*self.binding.hosts, *self.binding.optional_hosts)
        return any(not host.startswith("127.") and host != "::1" for host in hosts)

    @property
    def token(self) -> str:
        return (self.auth.secret or "") if self.auth.mode is AuthMode.TOKEN else ""

    def found(self) -> tuple[AuditFinding, ...]:
        return audit(
            self.auth,
            self.binding,
            self.origins,
            self.rate_limit,
            strict=self.strict,
            has_tls=self.has_tls,
            shares_history=self.shares_history,
        )

    def ids(self) -> dict[str, str]:
        return {finding.check_id.value: finding.severity.value for finding in self.found()}


TABLE: dict[str, tuple[Callable[[Facts], str], Callable[[Facts], bool]]] = {
    "gateway.auth.none_on_network": (lambda _: "critical", lambda f: f.auth.mode is AuthMode.NONE and f.network),
    "gateway.auth.none_loopback": (lambda _: "warn", lambda f: f.auth.mode is AuthMode.NONE and not f.network),
    "gateway.auth.missing_token_on_network": (
        lambda _: "critical",
        lambda f: f.auth.mode is AuthMode.TOKEN and f.auth.secret is None and f.network,
    ),
    "gateway.auth.missing_password_on_network": (
        lambda _: "critical",
        lambda f: f.auth.mode is AuthMode.PASSWORD and f.auth.secret is None and f.network,
    ),
    "gateway.auth.short_token": (lambda _: "warn", lambda f: 0 < len(f.token) < 22),
    "gateway.auth.low_entropy_token": (
        lambda _: "critical",
        lambda f: f.token != "" and f.token == f.token[0] * len(f.token),
    ),
    "gateway.auth.auto_generated_token": (
        lambda _: "info",
        lambda f: f.token != "" and f.auth.source is SecretSource.GENERATED,
    ),
    "gateway.cors.wildcard": (lambda f: "critical" if f.network else "warn", lambda f: "*" in f.origins),
    "gateway.cors.excessive_origins": (lambda _: "info", lambda f: len(f.origins) > 20),
    "gateway.cors.no_explicit_origins": (lambda _: "critical", lambda f: f.network and not f.origins),
    "gateway.auth.no_rate_limit": (lambda _: "warn", lambda f: f.network and not f.rate_limit.enabled),
    "gateway.security.strict_no_rate_limit": (
        lambda _: "critical",
        lambda f: f.strict and f.network and not f.rate_limit.is_configured,
    ),
    "gateway.transport.no_tls": (
        lambda _: "warn",
        lambda f: f.network and not f.has_tls and f.binding.mode is not BindMode.TAILNET,
    ),
    "gateway.bind.all_interfaces": (lambda _: "warn", lambda f: bool({"0.0.0.0", "::"} & set(f.binding.hosts))),
    "gateway.bind.tailnet_ip_unavailable": (
        lambda _: "warn",
        lambda f: f.binding.mode is BindMode.TAILNET and not f.network,
    ),
    "session.shared_history": (lambda _: "warn", lambda f: f.shares_history),
}
"""Each check: how bad, and when."""

BINDINGS = st.sampled_from(
    [
        LOOPBACK,
        LAN,
        Binding(BindMode.AUTO, ("0.0.0.0",)),
        Binding(BindMode.AUTO, ("127.0.0.1",), ("::1",)),
        Binding(BindMode.LAN, ("::",)),
        Binding(BindMode.CUSTOM, ("192.168.1.20",)),
        Binding(BindMode.CUSTOM, ("127.0.0.2",)),
        Binding(BindMode.TAILNET, ("100.101.102.103",)),
        Binding(BindMode.TAILNET, ("127.0.0.1",), ("::1",)),
    ]
)
SECRETS = st.none() | st.text("ab", min_size=1, max_size=40) | st.sampled_from(["x" * 16, "a" * 22, "ab" * 11])
AUTHS = st.builds(Auth, st.sampled_from(AuthMode), SECRETS, st.none() | st.sampled_from(SecretSource))
LIMITS = st.builds(RateLimit, enabled=st.booleans(), is_configured=st.booleans())
ORIGIN_LISTS = st.lists(st.sampled_from(["*", "https://a.example.com"]), max_size=25).map(tuple)


@given(st.builds(Facts, AUTHS, BINDINGS, ORIGIN_LISTS, LIMITS, st.booleans(), st.booleans(), st.booleans()))
def test_the_findings_are_those_of_the_table(facts: Facts) -> None:
    assert facts.ids() == {check: severity(facts) for check, (severity, holds) in TABLE.items() if holds(facts)}


@given(st.builds(Facts, AUTHS, BINDINGS, ORIGIN_LISTS, LIMITS, st.booleans(), st.booleans(), st.booleans()))
def test_the_worst_comes_first_and_no_text_holds_the_secret(facts: Facts) -> None:
    found = facts.found()
    order = ["critical", "warn", "info"]
    ranks = [order.index(finding.severity.value) for finding in found]
    assert ranks == sorted(ranks)
    secret = facts.auth.secret
    if secret and len(secret) > 8:
        assert all(secret not in text for finding in found for text in (finding.title, finding.detail))


def test_the_table_knows_every_check() -> None:
    assert set(TABLE) == {check.value for check in CheckId}
    assert all(check.place.startswith(("$.gateway.", "$.session.")) for check in CheckId)


def test_a_good_token_at_loopback_is_not_worth_a_word() -> None:
    assert Facts().found() == ()


def test_a_finding_as_json_has_the_documented_keys() -> None:
    (finding,) = unstructure(Facts(auth=Auth(AuthMode.NONE)).found())
    assert set(finding) == {"checkId", "severity", "title", "detail", "remediation"}
    assert (finding["checkId"], finding["severity"]) == ("gateway.auth.none_loopback", "warn")


@pytest.mark.parametrize(
    ("binding", "expected"),
    [
        (LOOPBACK, False),
        (Binding(BindMode.CUSTOM, ("127.0.0.2",)), False),
        (Binding(BindMode.TAILNET, ("127.0.0.1",)), False),
        (Binding(BindMode.TAILNET, ("100.64.0.1",)), True),
        (Binding(BindMode.CUSTOM, ("127.0.0.1", "10.0.0.7")), True),
        (LAN, True),
        (Binding(BindMode.LAN, ("::",)), True),
    ],
)
def test_a_network_is_what_other_machines_are_on(binding: Binding, expected: bool) -> None:
    assert is_on_network(binding) is expected


def test_open_to_all_is_no_authentication_at_all_interfaces() -> None:
    assert is_open_to_all(Auth(AuthMode.NONE), LAN)
    assert not is_open_to_all(Auth(AuthMode.NONE), Binding(BindMode.CUSTOM, ("192.168.1.20",)))
    assert not is_open_to_all(GOOD, LAN)
