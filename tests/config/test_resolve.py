from __future__ import annotations

import json
from pathlib import Path

import pytest

from xopc.config.resolve import Flags, Resolved, resolve
from xopc.config.tls import TlsFiles
from xopc.contracts.auth import Auth, AuthMode, SecretSource
from xopc.contracts.errors import ConfigError
from xopc.contracts.settings.file import BindMode

TOKEN = "a-token-of-the-tests"
NO_FLAGS = Flags()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / ".xopc").mkdir()
    return tmp_path / ".xopc" / "xopc.json"


def resolved(file: Path, document: object, flags: Flags = NO_FLAGS, **environ: str) -> Resolved:
    file.write_text(json.dumps(document))
    return resolve({"HOME": str(file.parent.parent), **environ}, flags)


def refused(file: Path, document: object, flags: Flags = NO_FLAGS, **environ: str) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        resolved(file, document, flags, **environ)
    return caught.value


def test_without_a_file_the_defaults_are_in_force_and_nothing_is_written(tmp_path: Path) -> None:
    configuration = resolve({"HOME": str(tmp_path)}, Flags())
    assert configuration.port == 18790
    assert configuration.binding.hosts == ("127.0.0.1",)
    assert configuration.auth == Auth(AuthMode.TOKEN)
    assert configuration.warnings == ()
    assert list(tmp_path.iterdir()) == []


def test_the_file_is_in_force(file: Path) -> None:
    document = {"gateway": {"port": 18791, "bind": "lan", "auth": {"token": TOKEN}}, "commands": {"restart": False}}
    configuration = resolved(file, document)
    assert configuration.port == 18791
    assert configuration.binding.mode is BindMode.LAN
    assert configuration.auth == Auth(AuthMode.TOKEN, TOKEN, SecretSource.CONFIG)
    assert configuration.settings.commands.restart is False
    assert not configuration.first_run


def test_the_files_of_tls_are_named_and_not_looked_at(file: Path) -> None:
    configuration = resolved(file, {"gateway": {"tls": {"certPath": "gateway.pem", "keyPath": "gateway.key"}}})
    assert configuration.tls == TlsFiles(file.parent / "gateway.pem", file.parent / "gateway.key")
    assert resolved(file, {}).tls is None
    error = refused(file, {"gateway": {"tls": {"certPath": "gateway.pem"}}})
    assert [problem.path for problem in error.problems] == ["$.gateway.tls.keyPath"]


def test_flags_outrank_the_file(file: Path) -> None:
    document = {"gateway": {"port": 18791, "bind": "lan", "auth": {"token": TOKEN}}}
    flags = Flags(port=18792, bind="loopback", token="another-token-of-the-tests")
    configuration = resolved(file, document, flags)
    assert configuration.port == 18792
    assert configuration.binding.mode is BindMode.LOOPBACK
    assert configuration.auth == Auth(AuthMode.TOKEN, "another-token-of-the-tests", SecretSource.FLAG)
    assert configuration.flags == flags


def test_port_zero_is_for_the_flag_alone(file: Path) -> None:
    assert resolved(file, {}, Flags(port=0)).port == 0
    assert "$.gateway.port: must be 1 to 65535" in refused(file, {"gateway": {"port": 0}}).message


def test_the_port_of_the_environment_outranks_the_file_and_the_flag_outranks_it(file: Path) -> None:
    document = {"gateway": {"port": 18791}}
    assert resolved(file, document, XOPC_GATEWAY_PORT="18792").port == 18792
    assert resolved(file, document, Flags(port=18793), XOPC_GATEWAY_PORT="18792").port == 18793
    assert resolved(file, document, Flags(port=18793), XOPC_GATEWAY_PORT="many").port == 18793
    assert resolved(file, document, XOPC_GATEWAY_PORT=" ").port == 18791
    assert resolved(file, {}, XOPC_GATEWAY_PORT="18792", XOPC_PROFILE="work").port == 18792


@pytest.mark.parametrize("port", ["many", "0", "-1", "65536", "9" * 5000, "18790.0", "٨"])
def test_a_port_of_the_environment_that_is_none_is_refused(file: Path, port: str) -> None:
    error = refused(file, {"gateway": {"port": 18791}}, XOPC_GATEWAY_PORT=port)
    assert error.message == "environment\n  XOPC_GATEWAY_PORT: must be 1 to 65535: set it to a port, or unset it"


@pytest.mark.parametrize("port", [-1, 65536])
def test_a_port_flag_out_of_range_is_refused(file: Path, port: int) -> None:
    error = refused(file, {}, Flags(port=port))
    assert error.message == "--port\n  must be 1 to 65535, or 0 for any free port"


def test_the_problems_of_flags_environment_and_file_are_told_together(file: Path) -> None:
    document = {"gateway": {"bind": "custom", "auth": {"password": "open sesame"}}}
    error = refused(file, document, Flags(port=99999), XOPC_GATEWAY_TOKEN=TOKEN)
    assert error.source == str(file)
    assert [problem.path for problem in error.problems] == [
        "$.gateway.auth.password",
        "$.gateway.customBindHost",
        "--port",
    ]


def test_a_wrong_bind_flag_is_refused_with_its_own_source(file: Path) -> None:
    error = refused(file, {}, Flags(bind="x"))
    assert error.message == '--bind\n  Invalid --bind mode "x". Use: loopback, lan, auto, custom, tailnet.'


def test_the_token_of_the_environment_works_and_the_literal_text_does_not(file: Path) -> None:
    document = {"gateway": {"auth": {"token": "${XOPC_GATEWAY_TOKEN}"}}}
    assert resolved(file, document, XOPC_GATEWAY_TOKEN=TOKEN).auth.secret == TOKEN
    assert "$.gateway.auth.token: the environment variable" in refused(file, document).message


def test_the_password_of_the_environment_works(file: Path) -> None:
    document = {"gateway": {"auth": {"mode": "password", "password": "${XOPC_GATEWAY_PASSWORD}"}}}
    assert resolved(file, document, XOPC_GATEWAY_PASSWORD="open sesame").auth.secret == "open sesame"


def test_the_mode_of_the_environment_outranks_the_file(file: Path) -> None:
    document = {"gateway": {"auth": {"mode": "none"}}}
    auth = resolved(file, document, XOPC_GATEWAY_AUTH_MODE="token", XOPC_GATEWAY_TOKEN=TOKEN).auth
    assert auth == Auth(AuthMode.TOKEN, TOKEN, SecretSource.ENVIRONMENT)


def test_the_container_is_that_of_the_environment(file: Path) -> None:
    configuration = resolved(file, {"gateway": {"bind": "auto"}}, XOPC_CONTAINER="1")
    assert configuration.binding.hosts == ("0.0.0.0",)


def test_warnings_of_all_sources_are_kept(file: Path) -> None:
    document = {"gatway": {}, "gateway": {"bind": "loopback", "host": "0.0.0.0"}}
    configuration = resolved(file, document, XOPC_GATEWAY_AUTH_MODE="off")
    assert [warning.partition(":")[0] for warning in configuration.warnings] == [
        "$.gatway",
        "XOPC_GATEWAY_AUTH_MODE",
        "$.gateway.host",
    ]


def test_a_secret_is_not_shown(file: Path) -> None:
    configuration = resolved(file, {"gateway": {"auth": {"token": TOKEN}}}, Flags(token="another-token-of-the-tests"))
    assert TOKEN not in repr(configuration)
    assert "another-token-of-the-tests" not in repr(configuration)


STRICT = {"security": {"strict": True}, "bind": "lan", "auth": {"token": TOKEN, "rateLimit": {"maxAttempts": 5}}}
DESK = {"corsOrigins": ["https://desk.example.com"]}


def test_strict_security_refuses_what_is_critical_and_nothing_else(file: Path) -> None:
    configuration = resolved(file, {"gateway": {**STRICT, **DESK}})
    assert configuration.strict
    assert [finding.check_id.value for finding in configuration.audit] == [
        "gateway.auth.short_token",
        "gateway.transport.no_tls",
        "gateway.bind.all_interfaces",
    ]
    problems = refused(file, {"gateway": STRICT}).problems
    assert [problem.path for problem in problems] == ["$.gateway.corsOrigins"]
    assert "gateway.cors.no_explicit_origins" in problems[0].what
    assert "Name in gateway.corsOrigins the pages" in problems[0].what


@pytest.mark.parametrize(
    ("gateway", "path"),
    [
        ({"corsOrigins": ["*"]}, "$.gateway.corsOrigins"),
        ({**DESK, "auth": {"mode": "none", "rateLimit": {"maxAttempts": 5}}}, "$.gateway.auth.mode"),
        ({**DESK, "auth": {"rateLimit": {"maxAttempts": 5}}}, "$.gateway.auth.token"),
        ({**DESK, "auth": {"token": TOKEN}}, "$.gateway.auth.rateLimit"),
    ],
)
def test_what_strict_security_refuses_is_told_with_its_key(file: Path, gateway: dict[str, object], path: str) -> None:
    assert [problem.path for problem in refused(file, {"gateway": {**STRICT, **gateway}}).problems] == [path]


def test_without_strictness_nothing_is_refused(file: Path) -> None:
    gateway = {"bind": "lan", "corsOrigins": ["*"], "auth": {"mode": "none"}}
    severities = [finding.severity.value for finding in resolved(file, {"gateway": gateway}).audit]
    assert severities[:2] == ["critical", "critical"]


def test_the_environment_makes_security_strict(file: Path) -> None:
    document = {"gateway": {"bind": "lan", "auth": {"token": TOKEN, "rateLimit": {"maxAttempts": 5}}}}
    assert not resolved(file, document, XOPC_GATEWAY_STRICT_SECURITY="0").strict
    assert "corsOrigins" in refused(file, document, XOPC_GATEWAY_STRICT_SECURITY="1").message


def test_a_mode_of_the_environment_is_refused_as_the_variable(file: Path) -> None:
    document = {"gateway": {**STRICT, **DESK}}
    (problem,) = refused(file, document, XOPC_GATEWAY_AUTH_MODE="none").problems
    assert problem.path == "XOPC_GATEWAY_AUTH_MODE"


def test_at_loopback_strict_security_has_nothing_to_refuse(file: Path) -> None:
    configuration = resolved(file, {"gateway": {"security": {"strict": True}, "auth": {"mode": "none"}}})
    assert [finding.check_id.value for finding in configuration.audit] == ["gateway.auth.none_loopback"]


@pytest.mark.parametrize(
    ("limit", "environ"), [({"enabled": False}, {}), ({"enabled": True}, {"XOPC_AUTH_RATE_LIMIT": "false"})]
)
def test_a_limiter_that_is_off_is_found_wherever_that_was_said(
    file: Path, limit: dict[str, object], environ: dict[str, str]
) -> None:
    document = {"gateway": {**DESK, "bind": "lan", "auth": {"token": TOKEN, "rateLimit": limit}}}
    found = {finding.check_id.value for finding in resolved(file, document, NO_FLAGS, **environ).audit}
    assert "gateway.auth.no_rate_limit" in found
    assert "gateway.auth.no_rate_limit" not in {
        finding.check_id.value
        for finding in resolved(file, {"gateway": {"bind": "lan", "auth": {"token": TOKEN}}}).audit
    }


def test_secrets_that_are_kept_elsewhere_are_put_in_place(file: Path) -> None:
    kept = file.with_name("token")
    kept.write_text(f"{TOKEN}\n")
    kept.chmod(0o600)
    configuration = resolved(file, {"gateway": {"auth": {"token": "${file:token}"}}})
    assert configuration.auth.secret == TOKEN
    assert configuration.secrets.files == {kept}
    assert TOKEN not in repr(configuration)


def test_of_one_section_the_secrets_of_others_are_not_looked_up(file: Path) -> None:
    document = {"gateway": {"auth": {"token": TOKEN}}, "providers": {"openai": "${file:no}"}}
    assert "$.providers.openai: there is no file" in refused(file, document).message
    environ = {"HOME": str(file.parent.parent)}
    assert resolve(environ, Flags(), section="gateway").settings.providers == {"openai": "${file:no}"}
