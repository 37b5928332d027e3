from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from tests.service.audit.test_drift import UNIT
from xopc.config.paths import resolve_paths
from xopc.service.audit.finding import Finding
from xopc.service.audit.rules import (
    DRIFT_HEADLINE,
    Expected,
    OnDisk,
    audit,
    inline_secrets,
    is_secret_name,
    needs_repair,
    option_of,
    paths_of,
)
from xopc.service.managers.base import Installed

HOME = "/home/robin"
TOKEN = "a token of the configuration"
OTHER = "a token of some other time"
ENVIRONMENT = {
    "HOME": HOME,
    "PATH": "/home/robin/.local/bin:/usr/bin:/bin",
    "XOPC_CONFIG_PATH": f"{HOME}/.xopc/xopc.json",
    "XOPC_SERVICE_VERSION": "1.2.3",
    "XOPC_SERVICE_SECRETS": f"{HOME}/.xopc/service/xopc-gateway.env",
}
SERVICE = Installed(
    Path(f"{HOME}/.config/systemd/user/xopc-gateway.service"),
    (f"{HOME}/.local/bin/xopc", "gateway", "--foreground", "--port", "18790"),
    Path(f"{HOME}/.xopc"),
    ENVIRONMENT,
    {"XOPC_GATEWAY_TOKEN": TOKEN},
    UNIT,
)
EXPECTED = Expected(
    "1.2.3", resolve_paths({"HOME": HOME}), 18790, TOKEN, None, "xopc gateway service install --force", ("/usr/bin",)
)
FINE = OnDisk(secrets_mode=0o600)


def found(installed: Installed = SERVICE, on_disk: OnDisk = FINE, **expected: Any) -> tuple[Finding, ...]:  # noqa: ANN401 - attributes
    return audit("systemd", installed, evolve(EXPECTED, **expected), on_disk)


def the(installed: Installed = SERVICE, on_disk: OnDisk = FINE, **expected: Any) -> Finding:  # noqa: ANN401 - attributes
    (finding,) = found(installed, on_disk, **expected)
    return finding


def with_variable(name: str, value: str) -> Installed:
    return evolve(SERVICE, environment={**ENVIRONMENT, name: value})


def with_arguments(*arguments: str) -> Installed:
    return evolve(SERVICE, arguments=(SERVICE.arguments[0], *arguments))


def test_row_074_nothing_is_found_where_all_matches() -> None:
    assert found() == ()


def test_row_070_another_version() -> None:
    finding = the(version="1.3.0")
    assert (finding.code, finding.message) == (
        "version-mismatch",
        "Service version 1.2.3 does not match current 1.3.0.",
    )
    assert finding.hint == "Run: xopc gateway service install --force"
    assert finding.level == "recommended"


def test_a_definition_that_names_no_version_is_not_called_another() -> None:
    assert found(with_variable("XOPC_SERVICE_VERSION", "")) == ()


def test_rows_071_and_072_another_token() -> None:
    finding = the(token=OTHER)
    assert finding.code == "token-drift"
    assert finding.message == (
        "Config token differs from service token. The daemon will use the old token after restart."
    )
    assert finding.headline == DRIFT_HEADLINE == "Token drift detected: service token differs from config."
    assert finding.hint == "Run `xopc gateway service install --force` to sync."


@pytest.mark.parametrize("token", [None, "", " ", f" {TOKEN}\n"])
def test_a_token_that_is_not_there_or_trimmed_is_no_drift(token: str | None) -> None:
    assert found(token=token) == ()


def test_the_token_that_the_gateway_would_go_by_is_compared() -> None:
    service = evolve(SERVICE, environment={**ENVIRONMENT, "XOPC_GATEWAY_TOKEN": OTHER})
    assert [one.code for one in found(service)] == ["token-drift", "secret-embedded"]
    service = evolve(with_arguments("gateway", "--token", TOKEN), environment=service.environment)
    assert [one.code for one in found(service)] == ["secret-embedded"]


def test_another_password() -> None:
    service = evolve(SERVICE, secrets={"XOPC_GATEWAY_PASSWORD": "one password"})
    finding = the(service, token=None, password="another password")
    assert finding.code == "password-drift"


def test_row_073_a_program_that_is_gone() -> None:
    finding = the(on_disk=evolve(FINE, has_program=False))
    assert (finding.code, finding.message) == (
        "missing-program",
        f"Service program not found on disk: {HOME}/.local/bin/xopc",
    )
    nothing = the(evolve(SERVICE, arguments=()))
    assert nothing.code == "missing-program"
    assert nothing.message.endswith("(the definition names none)")


def test_a_program_whose_interpreter_is_gone() -> None:
    finding = the(on_disk=evolve(FINE, lost_interpreter="/opt/venv/bin/python"))
    assert finding.code == "interpreter-gone"
    assert "/opt/venv/bin/python" in finding.message


def test_a_program_in_a_temporary_place() -> None:
    finding = the(on_disk=evolve(FINE, is_temporary=True))
    assert finding.code == "temporary-program"
    assert "pipx install ." in finding.hint


@pytest.mark.parametrize("arguments", [("gateway", "--port", "8080"), ("gateway", "--port=8080")])
def test_another_port(arguments: tuple[str, ...]) -> None:
    finding = the(with_arguments(*arguments))
    assert (finding.code, finding.message) == (
        "port-mismatch",
        "Service port 8080 does not match config port 18790.",
    )


def test_a_port_that_was_asked_for_is_no_mismatch() -> None:
    asked = evolve(with_variable("XOPC_SERVICE_PORT", "7070"), arguments=(SERVICE.arguments[0], "--port", "7070"))
    assert found(asked) == ()
    changed = evolve(asked, arguments=(SERVICE.arguments[0], "--port", "6060"))
    assert the(changed).code == "port-mismatch", "somebody edited it since"


def test_what_it_would_refuse_comes_before_what_it_goes_by() -> None:
    finding = the(refusal="there is no token")
    assert (finding.code, finding.detail) == ("would-refuse", "there is no token")
    assert finding.hint.endswith("xopc gateway service install --force")


def test_a_port_that_nobody_named_or_knows_is_no_mismatch() -> None:
    assert found(with_arguments("gateway")) == ()
    assert found(port=None) == ()


def test_another_configuration_file_and_another_state_directory() -> None:
    assert the(with_variable("XOPC_CONFIG_PATH", "/srv/other.json")).code == "config-mismatch"
    assert the(with_arguments("gateway", "--config", "/srv/other.json")).code == "config-mismatch"
    assert the(with_variable("XOPC_STATE_DIR", "/srv/state")).code == "state-mismatch"
    finding = the(with_variable("XOPC_PROFILE", "two words"))
    assert (finding.code, finding.message) == (
        "config-mismatch",
        "The service's environment names no usable place for its files.",
    )


@pytest.mark.parametrize("name", ["XOPC_GATEWAY_TOKEN", "OPENAI_API_KEY", "XOPC_GATEWAY_PASSWORD", "MY_SECRET"])
def test_a_secret_in_the_definition_is_named_and_not_shown(name: str) -> None:
    finding = the(with_variable(name, TOKEN))
    assert finding.code == "secret-embedded"
    assert name in finding.message
    assert TOKEN not in str(finding)


def test_a_secret_on_the_command_line_is_found() -> None:
    finding = the(with_arguments("gateway", f"--token={TOKEN}"))
    assert (finding.code, TOKEN in str(finding)) == ("secret-embedded", False)


def test_the_gateways_own_secrets_are_found_under_any_name() -> None:
    finding = the(evolve(SERVICE, text=f"Environment=MINE={TOKEN}\n"))
    assert finding.message == "The service definition holds secrets in clear: one of the gateway's own."
    assert found(evolve(SERVICE, text="Environment=MINE=ok\n", secrets={"SHORT_TOKEN": "ok"})) == ()


def test_the_file_of_secrets_is_there_and_its_owners() -> None:
    assert the(on_disk=OnDisk(secrets_mode=None)).code == "secrets-file-missing"
    finding = the(on_disk=OnDisk(secrets_mode=0o644))
    assert finding.code == "secrets-file-readable"
    assert finding.hint == f"Run: chmod 600 {HOME}/.xopc/service/xopc-gateway.env"
    without = {name: value for name, value in ENVIRONMENT.items() if name != "XOPC_SERVICE_SECRETS"}
    assert found(evolve(SERVICE, environment=without), OnDisk(secrets_mode=None)) == ()


def test_directories_that_the_search_path_lacks() -> None:
    finding = the(search_path=("/usr/bin", "/opt/homebrew/bin"))
    assert (finding.code, finding.level) == ("path-missing-dirs", "aggressive")
    assert finding.message == "The service's PATH lacks: /opt/homebrew/bin"


def test_how_the_manager_runs_it_is_looked_at_and_what_may_be_on_purpose_comes_last() -> None:
    service = evolve(SERVICE, settings={**UNIT, "KillMode": "process"})
    codes = [one.code for one in found(service, search_path=("/opt/bin",))]
    assert codes == ["systemd-kill-mode", "path-missing-dirs"]


def test_what_makes_a_start_useless_needs_repair() -> None:
    all_of_it = found(
        with_arguments("gateway", "--port", "1"), evolve(FINE, has_program=False), version="2", token=OTHER
    )
    assert [one.code for one in needs_repair(all_of_it)] == ["missing-program", "version-mismatch"]


def test_secrets_of_others_in_a_definition_are_told_apart_from_the_gateways_own() -> None:
    service = with_variable("OPENAI_API_KEY", "sk-inline")
    service = evolve(service, environment={**service.environment, "XOPC_GATEWAY_TOKEN": TOKEN, "EMPTY_TOKEN": ""})
    assert inline_secrets(service) == {"OPENAI_API_KEY": "sk-inline"}


def test_values_of_options() -> None:
    assert option_of(("a", "--port", "1"), "--port") == "1"
    assert option_of(("--port=2",), "--port") == "2"
    assert option_of(("--port",), "--port") is None


def test_options_of_the_command_line_outrank_the_environment() -> None:
    profile = paths_of(("xopc", "--profile", "rescue", "gateway"), {"HOME": HOME})
    assert profile is not None
    assert profile.state_dir == Path(f"{HOME}/.xopc-rescue")
    dev = paths_of(("xopc", "--dev", "gateway"), {"HOME": HOME})
    assert dev is not None
    assert dev.state_dir == Path(f"{HOME}/.xopc-dev")


@pytest.mark.parametrize(
    ("name", "is_secret"),
    [("OPENAI_API_KEY", True), ("XOPC_GATEWAY_TOKEN", True), ("PATH", False), ("XOPC_SERVICE_SECRETS", False)],
)
def test_names_of_secrets(name: str, is_secret: bool) -> None:
    assert is_secret_name(name) is is_secret
