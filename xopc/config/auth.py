"""Who has to present what: the authentication in force, from flag, environment and file.

No message holds a secret, only where it stands, what kind of mistake it is, and how long it is.
"""

from __future__ import annotations

from collections.abc import Mapping

from attrs import frozen

from xopc.config.findings import Findings
from xopc.contracts.auth import Auth, AuthMode, RateLimit, SecretSource
from xopc.contracts.settings.access import AuthSettings, RateLimitSettings

MIN_TOKEN_CHARS = 16
MIN_PASSWORD_CHARS = 8

MODE_VARIABLE = "XOPC_GATEWAY_AUTH_MODE"
LIMITER_VARIABLE = "XOPC_AUTH_RATE_LIMIT"
MIN_MILLISECONDS = 1000
"""Of the limiter's window and block."""

PLACEHOLDERS = frozenset(
    {
        "change-me-to-a-long-random-token",
        "change-me-now",
        "your-secret-token-here",
        "test-token",
        "my-token",
        "token",
        "secret",
        "password",
        "123456",
        "abc123",
        "changeme",
        "your_token",
        "my-secret-token",
        "xopc-gateway-token",
    }
)
"""Secrets that published examples show; compared in lower case."""


@frozen
class _Candidate:
    """A secret that somebody has set."""

    path: str
    source: SecretSource
    secret: str


def resolve_auth(settings: AuthSettings, environ: Mapping[str, str], flag: str | None, findings: Findings) -> Auth:
    """The mode, and the secret that is strongest for it: flag, then environment, then file.

    In mode `token` without any token the secret is None: one is to be generated.
    """
    if settings.mode is AuthMode.NONE and settings.tokens:
        findings.warn("$.gateway.auth.tokens", "is not used, because the mode is none: everybody may come in")
    tokens = _candidates(flag, ("XOPC_GATEWAY_TOKEN", environ), ("$.gateway.auth.token", settings.token))
    passwords = _candidates(None, ("XOPC_GATEWAY_PASSWORD", environ), ("$.gateway.auth.password", settings.password))
    mode = _mode(settings, environ, findings)
    if flag is not None and not flag.strip():
        findings.refuse("--token", "is empty: give a token, or leave the flag out")
    if tokens and passwords:
        found = " and ".join(candidate.path for candidate in (*tokens, *passwords))
        what = "gateway.auth.token and gateway.auth.password exclude each other, but both are set"
        findings.refuse(passwords[0].path, f"{what} (by {found}): remove one")
        return Auth(mode)
    match mode:
        case AuthMode.TOKEN if tokens:
            return _accept(mode, tokens[0], MIN_TOKEN_CHARS, findings)
        case AuthMode.TOKEN if passwords:
            cure = "set gateway.auth.mode to password, or remove the password"
            findings.refuse(passwords[0].path, f"there is a password, but the mode is token: {cure}")
        case AuthMode.PASSWORD if passwords:
            return _accept(mode, passwords[0], MIN_PASSWORD_CHARS, findings)
        case AuthMode.PASSWORD:
            what = "the mode is password, but there is none: set it here, or in XOPC_GATEWAY_PASSWORD"
            findings.refuse("$.gateway.auth.password", what)
        case AuthMode.NONE if tokens or passwords:
            findings.warn((tokens or passwords)[0].path, "is not used, because the mode is none: everybody may come in")
        case _:
            pass
    return Auth(mode)


def resolve_rate_limit(settings: RateLimitSettings | None, environ: Mapping[str, str], findings: Findings) -> RateLimit:
    """The limiter in force. Numbers that are too small are raised, and a warning says so."""
    given = settings or RateLimitSettings()
    least = {
        "maxAttempts": (given.max_attempts, 1),
        "windowMs": (given.window_ms, MIN_MILLISECONDS),
        "blockDurationMs": (given.block_duration_ms, MIN_MILLISECONDS),
    }
    for key, (value, minimum) in least.items():
        if value < minimum:
            findings.warn(f"$.gateway.auth.rateLimit.{key}", f"is less than {minimum}; taken as {minimum}")
    is_off = environ.get(LIMITER_VARIABLE, "").strip().lower() in _OFF
    return RateLimit(
        enabled=given.enabled and not is_off,
        max_attempts=max(1, int(given.max_attempts)),
        window_seconds=max(MIN_MILLISECONDS, given.window_ms) / 1000,
        block_seconds=max(MIN_MILLISECONDS, given.block_duration_ms) / 1000,
        exempt_loopback=given.exempt_loopback,
        is_configured=settings is not None,
    )


def weakness(secret: str, kind: str, minimum: int) -> str | None:
    """Why a secret would not keep anybody out, or None. `kind` is `token` or `password`."""
    if "${" in secret:
        return f"gateway auth {kind} holds a ${{…}} that was not replaced: set the variable, and look at its spelling"
    cure = "make one with `openssl rand -hex 32`"
    if secret.lower() in PLACEHOLDERS:
        return f"gateway auth {kind} is set to a published example placeholder: {cure}"
    if len(secret) < minimum:
        return f"gateway auth {kind} is too short ({len(secret)} chars, minimum {minimum}): {cure}"
    if len(set(secret)) == 1:
        return f"gateway auth {kind} repeats a single character: {cure}"
    if not secret.isprintable():
        return f"gateway auth {kind} holds a control character, which no header can carry: {cure}"
    return None


_OFF = {"0", "false", "no", "off"}


def _mode(settings: AuthSettings, environ: Mapping[str, str], findings: Findings) -> AuthMode:
    text = environ.get(MODE_VARIABLE, "").strip().lower()
    if text in {mode.value for mode in AuthMode}:
        return AuthMode(text)
    if text:
        findings.warn(MODE_VARIABLE, "is ignored: it is none of token, password, none")
    return settings.mode or AuthMode.TOKEN


def _candidates(
    flag: str | None, variable: tuple[str, Mapping[str, str]], key: tuple[str, str | None]
) -> list[_Candidate]:
    """All secrets of one kind, strongest first. An empty one counts as none; blanks around one are no part of it,
    because HTTP strips them from the header that presents it."""
    name, environ = variable
    all_of_them = (
        _Candidate("--token", SecretSource.FLAG, (flag or "").strip()),
        _Candidate(name, SecretSource.ENVIRONMENT, environ.get(name, "").strip()),
        _Candidate(key[0], SecretSource.CONFIG, (key[1] or "").strip()),
    )
    return [candidate for candidate in all_of_them if candidate.secret]


def _accept(mode: AuthMode, candidate: _Candidate, minimum: int, findings: Findings) -> Auth:
    what = weakness(candidate.secret, mode.value, minimum)
    if what is not None:
        findings.refuse(candidate.path, what)
    return Auth(mode, candidate.secret, candidate.source)
