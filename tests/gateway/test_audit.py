from __future__ import annotations

from structlog.testing import capture_logs

from xopc.config.audit import AuditFinding, audit
from xopc.config.bind import Binding
from xopc.contracts.auth import Auth, AuthMode, RateLimit, SecretSource
from xopc.contracts.settings.file import BindMode
from xopc.gateway.audit import AuditLog

LOOPBACK = Binding(BindMode.LOOPBACK, ("127.0.0.1",))
LAN = Binding(BindMode.LAN, ("0.0.0.0",))
GENERATED = Auth(AuthMode.TOKEN, "0123456789abcdef0123456789abcdef", SecretSource.GENERATED)


def found(auth: Auth, binding: Binding) -> tuple[AuditFinding, ...]:
    return audit(auth, binding, ("https://desk.example.com",), RateLimit())


def told(log: AuditLog, findings: tuple[AuditFinding, ...]) -> list[tuple[str, str]]:
    with capture_logs() as lines:
        log.tell(findings)
    return [(line["log_level"], line["check_id"]) for line in lines]


def test_each_finding_is_told_at_the_level_of_its_severity() -> None:
    assert told(AuditLog(), (*found(Auth(AuthMode.NONE), LAN), *found(GENERATED, LOOPBACK))) == [
        ("error", "gateway.auth.none_on_network"),
        ("warning", "gateway.transport.no_tls"),
        ("warning", "gateway.bind.all_interfaces"),
        ("info", "gateway.auth.auto_generated_token"),
    ]


def test_what_is_as_it_was_is_not_told_again() -> None:
    log = AuditLog()
    assert told(log, found(GENERATED, LOOPBACK)) != []
    assert told(log, found(GENERATED, LOOPBACK)) == []


def test_what_is_new_and_what_is_over_are_told() -> None:
    log = AuditLog()
    told(log, found(GENERATED, LOOPBACK))
    assert told(log, found(Auth(AuthMode.NONE), LOOPBACK)) == [
        ("warning", "gateway.auth.none_loopback"),
        ("info", "gateway.auth.auto_generated_token"),
    ]
    assert told(log, ()) == [("info", "gateway.auth.none_loopback")]
    assert told(log, found(Auth(AuthMode.NONE), LOOPBACK)) == [("warning", "gateway.auth.none_loopback")]


def test_the_line_says_what_is_so_and_what_to_do() -> None:
    with capture_logs() as lines:
        AuditLog().tell(found(Auth(AuthMode.NONE), LOOPBACK))
    (line,) = lines
    assert line["event"].startswith("Security audit: Authentication is off. ")
    assert line["event"].endswith("Set gateway.auth.mode to token. None is for local development.")
