from __future__ import annotations

from collections.abc import Callable

import pytest

from xopc.config.auth import PLACEHOLDERS, resolve_auth, resolve_rate_limit, weakness
from xopc.config.findings import Findings
from xopc.contracts.auth import Auth, AuthMode, RateLimit, Scope, SecretSource
from xopc.contracts.settings.access import AccessToken, AuthSettings, RateLimitSettings

FLAG = "the-token-of-the-flag"
ENVIRONMENT = "the-token-of-the-environment"
FILE = "the-token-of-the-file"
PASSWORD = "open sesame"


def accepted(settings: AuthSettings, flag: str | None = None, **environ: str) -> Auth:
    findings = Findings()
    auth = resolve_auth(settings, environ, flag, findings)
    assert findings == Findings()
    return auth


def refused(settings: AuthSettings, flag: str | None = None, **environ: str) -> str:
    """The one problem. Whatever it is, it does not hold a secret that was looked at."""
    findings = Findings()
    resolve_auth(settings, environ, flag, findings)
    (problem,) = findings.problems
    for secret in (flag, settings.token, settings.password, *environ.values()):
        assert not secret or len(secret) < 10 or secret not in str(problem)
    return str(problem)


def test_the_default_is_a_token_that_is_still_to_be_generated() -> None:
    assert accepted(AuthSettings()) == Auth(AuthMode.TOKEN)


def test_a_token_comes_from_flag_then_environment_then_file() -> None:
    settings = AuthSettings(token=FILE)
    of_flag = accepted(settings, FLAG, XOPC_GATEWAY_TOKEN=ENVIRONMENT)
    assert of_flag == Auth(AuthMode.TOKEN, FLAG, SecretSource.FLAG)
    of_environment = accepted(settings, XOPC_GATEWAY_TOKEN=ENVIRONMENT)
    assert of_environment == Auth(AuthMode.TOKEN, ENVIRONMENT, SecretSource.ENVIRONMENT)
    assert accepted(settings) == Auth(AuthMode.TOKEN, FILE, SecretSource.CONFIG)


def test_a_password_comes_from_environment_then_file() -> None:
    settings = AuthSettings(mode=AuthMode.PASSWORD, password=PASSWORD)
    of_environment = accepted(settings, XOPC_GATEWAY_PASSWORD="swordfish-1")
    assert of_environment == Auth(AuthMode.PASSWORD, "swordfish-1", SecretSource.ENVIRONMENT)
    assert accepted(settings) == Auth(AuthMode.PASSWORD, PASSWORD, SecretSource.CONFIG)


@pytest.mark.parametrize("empty", ["", "  ", "\n"])
def test_an_empty_secret_counts_as_none(empty: str) -> None:
    settings = AuthSettings(token=empty, password=empty)
    auth = accepted(settings, XOPC_GATEWAY_TOKEN=empty, XOPC_GATEWAY_PASSWORD=empty, XOPC_GATEWAY_AUTH_MODE=empty)
    assert auth == Auth(AuthMode.TOKEN)


def test_blanks_around_a_secret_are_no_part_of_it() -> None:
    assert accepted(AuthSettings(), XOPC_GATEWAY_TOKEN=f" {ENVIRONMENT}\n").secret == ENVIRONMENT


def test_an_empty_flag_is_refused() -> None:
    assert refused(AuthSettings(token=FILE), "") == "--token: is empty: give a token, or leave the flag out"


@pytest.mark.parametrize("mode", ["token", "password", "none", "NONE", " token "])
def test_the_environment_s_mode_outranks_the_file_s(mode: str) -> None:
    for of_file in AuthMode:
        findings = Findings()
        auth = resolve_auth(AuthSettings(mode=of_file), {"XOPC_GATEWAY_AUTH_MODE": mode}, None, findings)
        assert auth.mode is AuthMode(mode.strip().lower())


def test_an_unknown_mode_in_the_environment_is_ignored_with_a_warning() -> None:
    findings = Findings()
    settings = AuthSettings(mode=AuthMode.PASSWORD, password=PASSWORD)
    auth = resolve_auth(settings, {"XOPC_GATEWAY_AUTH_MODE": "off"}, None, findings)
    assert auth.mode is AuthMode.PASSWORD
    assert findings.problems == []
    assert findings.warnings == ["XOPC_GATEWAY_AUTH_MODE: is ignored: it is none of token, password, none"]


@pytest.mark.parametrize("mode", [None, *AuthMode])
@pytest.mark.parametrize("token_by", ["--token", "XOPC_GATEWAY_TOKEN", "$.gateway.auth.token"])
@pytest.mark.parametrize("password_by", ["XOPC_GATEWAY_PASSWORD", "$.gateway.auth.password"])
def test_token_and_password_exclude_each_other_in_any_mode(
    mode: AuthMode | None, token_by: str, password_by: str
) -> None:
    settings = AuthSettings(
        mode=mode,
        token=FILE if token_by.startswith("$") else None,
        password=PASSWORD if password_by.startswith("$") else None,
    )
    environ = {"XOPC_GATEWAY_TOKEN": ENVIRONMENT, "XOPC_GATEWAY_PASSWORD": PASSWORD}
    environ = {name: value for name, value in environ.items() if name in (token_by, password_by)}
    message = refused(settings, FLAG if token_by == "--token" else None, **environ)
    assert message.startswith(f"{password_by}: gateway.auth.token and gateway.auth.password exclude each other")
    assert f"(by {token_by} and {password_by})" in message


@pytest.mark.parametrize("length", [1, 15])
def test_a_short_token_is_refused_with_its_length(length: int) -> None:
    message = refused(AuthSettings(token="0123456789abcde"[:length]))
    assert message.startswith(f"$.gateway.auth.token: gateway auth token is too short ({length} chars, minimum 16)")
    assert "openssl rand -hex 32" in message


def test_a_token_of_sixteen_is_accepted() -> None:
    assert accepted(AuthSettings(token="0123456789abcdef")).secret == "0123456789abcdef"


def test_a_weak_token_is_refused_wherever_it_comes_from() -> None:
    assert refused(AuthSettings(token=FILE), "short").startswith("--token: gateway auth token is too short")
    assert refused(AuthSettings(), XOPC_GATEWAY_TOKEN="short").startswith("XOPC_GATEWAY_TOKEN: ")


def test_a_weak_token_that_is_not_in_force_is_not_looked_at() -> None:
    assert accepted(AuthSettings(token="short"), FLAG).secret == FLAG


@pytest.mark.parametrize("placeholder", sorted(PLACEHOLDERS))
@pytest.mark.parametrize("spelled", [str.lower, str.upper, "  {} ".format])
def test_a_published_placeholder_is_refused_as_token_and_as_password(
    placeholder: str, spelled: Callable[[str], str]
) -> None:
    secret = spelled(placeholder)
    what = "is set to a published example placeholder"
    assert f"gateway auth token {what}" in refused(AuthSettings(token=secret))
    password = AuthSettings(mode=AuthMode.PASSWORD, password=secret)
    assert f"gateway auth password {what}" in refused(password)


def test_the_placeholders_of_the_contract_are_known() -> None:
    listed = """change-me-to-a-long-random-token change-me-now your-secret-token-here test-token my-token token secret
    password 123456 abc123 changeme YOUR_TOKEN my-secret-token xopc-gateway-token"""
    assert {name.lower() for name in listed.split()} == PLACEHOLDERS


def test_a_single_repeated_character_is_refused() -> None:
    assert "repeats a single character" in refused(AuthSettings(token="a" * 40))
    assert "repeats a single character" in refused(AuthSettings(mode=AuthMode.PASSWORD, password="1" * 8))


@pytest.mark.parametrize("literal", ["${XOPC_GATEWAY_TOKEN}", "prefix-${NAME:-x}-suffix", "never-closed-${NAME"])
def test_a_reference_that_was_not_replaced_is_refused(literal: str) -> None:
    assert "holds a ${…} that was not replaced" in refused(AuthSettings(token=literal))
    assert "holds a ${…} that was not replaced" in refused(AuthSettings(), XOPC_GATEWAY_TOKEN=literal)


@pytest.mark.parametrize("secret", ["two\nlines-of-a-token", "bell\x07-in-the-token", "half-a-pair-\ud800-xxxx"])
def test_a_secret_that_no_header_can_carry_is_refused(secret: str) -> None:
    assert "holds a control character" in refused(AuthSettings(token=secret))


@pytest.mark.parametrize(("password", "short"), [("1234567", True), ("12345678", False)])
def test_a_password_has_at_least_eight_characters(password: str, short: bool) -> None:
    what = weakness(password, "password", 8)
    assert (what is not None and "is too short (7 chars, minimum 8)" in what) is short


def test_mode_password_without_a_password_is_refused() -> None:
    for settings, flag in ((AuthSettings(AuthMode.PASSWORD), FLAG), (AuthSettings(AuthMode.PASSWORD, FILE), None)):
        message = refused(settings, flag)
        assert message.startswith("$.gateway.auth.password: the mode is password, but there is none")


def test_a_password_in_mode_token_is_refused_rather_than_left_unused() -> None:
    message = refused(AuthSettings(), XOPC_GATEWAY_PASSWORD=PASSWORD)
    assert message.startswith("XOPC_GATEWAY_PASSWORD: there is a password, but the mode is token")


def test_mode_none_needs_no_secret_and_checks_none() -> None:
    assert accepted(AuthSettings(mode=AuthMode.NONE)) == Auth(AuthMode.NONE)


def test_mode_none_says_that_a_secret_is_not_used() -> None:
    findings = Findings()
    assert resolve_auth(AuthSettings(mode=AuthMode.NONE), {}, "short", findings) == Auth(AuthMode.NONE)
    assert findings.problems == []
    assert findings.warnings == ["--token: is not used, because the mode is none: everybody may come in"]


def limited(settings: RateLimitSettings | None, **environ: str) -> tuple[RateLimit, list[str]]:
    findings = Findings()
    return resolve_rate_limit(settings, environ, findings), findings.warnings


def test_row_217_five_wrong_ones_in_fifteen_minutes_block_for_five() -> None:
    assert limited(None) == (RateLimit(True, 5, 900, 300, False, False), [])


def test_a_limit_that_is_too_small_is_raised_with_a_warning() -> None:
    limit, warnings = limited(RateLimitSettings(max_attempts=0.5, window_ms=1, block_duration_ms=-1))
    assert limit == RateLimit(True, 1, 1, 1, False, True)
    assert [warning.partition(":")[0].rpartition(".")[2] for warning in warnings] == [
        "maxAttempts",
        "windowMs",
        "blockDurationMs",
    ]
    assert limited(RateLimitSettings(max_attempts=2.9))[0].max_attempts == 2


@pytest.mark.parametrize(("value", "enabled"), [("false", False), (" OFF ", False), ("true", True), ("", True)])
def test_the_environment_may_switch_the_limiter_off(value: str, enabled: bool) -> None:
    assert limited(None, XOPC_AUTH_RATE_LIMIT=value)[0].enabled is enabled


def test_tokens_without_a_door_are_told_of() -> None:
    findings = Findings()
    tokens = (AccessToken("ci", "0" * 64, (Scope.READ,)),)
    resolve_auth(AuthSettings(mode=AuthMode.NONE, tokens=tokens), {}, None, findings)
    assert findings.warnings == ["$.gateway.auth.tokens: is not used, because the mode is none: everybody may come in"]
