"""`xopc gateway token create`, `list` and `revoke`: further tokens, that may do less than the gateway's own."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

from cyclopts import Parameter, Token

from xopc.cli.gateway.auth_section import change_auth, written_by_another
from xopc.cli.gateway.target import Target, find_target
from xopc.cli.options import ConfigOption, JsonOption
from xopc.cli.output import as_typed, print_json, print_table
from xopc.contracts.auth import AuthMode, Scope
from xopc.contracts.errors import ConfigError, Failure, Problem, XopcError
from xopc.contracts.settings.access import MAX_TOKENS, AccessToken
from xopc_supervisor.contract import EXIT_OK

if TYPE_CHECKING:
    from xopc.contracts.convert import JsonObject

PREFIX = "xopc_"
"""Tells whoever finds a token in a text what it opens, and the log's redaction what to mask."""
_PLACE = "$.gateway.auth.tokens"


def _check_name(_type: object, name: str) -> None:
    AccessToken(name, "0" * 64, (Scope.READ,))


def _read_scopes(_type: object, tokens: Sequence[Token]) -> list[Scope]:
    spellings = {
        spelling: scope for scope in Scope for spelling in (scope.value, scope.value.removeprefix("operator."))
    }
    for token in tokens:
        if token.value not in spellings:
            raise ValueError(f"{token.value!r} is not a scope: write read, write or admin")
    return list(dict.fromkeys(spellings[token.value] for token in tokens))


def create(
    *,
    name: Annotated[str, Parameter(validator=_check_name, help="Names the client, in the log and for revoke.")],
    scope: Annotated[
        list[Scope],
        Parameter(
            name="--scope",
            negative=(),
            converter=_read_scopes,
            n_tokens=1,
            help="What it may do: read, write or admin; each includes those before it. May be given several times.",
        ),
    ],
    plain: Annotated[bool, Parameter(help="Print the token alone, for scripts.")] = False,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> int:
    """Make a token of its own for one client, and print it once.

    The configuration file gets its SHA-256 alone.
    """
    from xopc.config.setup import generate_token

    target = find_target(config)
    path, secret = target.paths.config_path, f"{PREFIX}{generate_token()}"
    digest, scopes = sha256(secret.encode()).hexdigest(), [one.value for one in scope]

    def add(auth: JsonObject) -> JsonObject:
        entries = _entries(path, auth)
        if name in map(_name_of, entries):
            cure = f"xopc gateway token revoke {name}"
            raise XopcError(Failure.CONFLICT, f"There is a token of the name {name}. Choose another, or: {cure}")
        if len(entries) >= MAX_TOKENS:
            raise XopcError(Failure.CONFLICT, f"There are {len(entries)} tokens, as many as there may be. Revoke one.")
        return {**auth, "tokens": [*entries, {"name": name, "sha256": digest, "scopes": scopes}]}

    warnings = change_auth(path, add)
    after = find_target(config)
    if after.resolved is not None and digest not in {one.sha256 for one in _tokens(after)}:
        raise written_by_another(path)
    warnings += _when_it_counts(after)
    if as_json:
        print_json({"ok": True, "name": name, "token": secret, "scopes": scopes, "warnings": warnings})
        return EXIT_OK
    if plain:
        print(secret)
    else:
        print(f"🔑 Token: {secret}\n   Name: {name}\n   Scopes: {', '.join(scopes)}\n")
        print("It is shown this once: the configuration holds its SHA-256 alone.")
        print(f"Its client presents it as the gateway's own. Take it back: xopc gateway token revoke {name}")
    _warn(warnings)
    return EXIT_OK


def list_tokens(*, as_json: JsonOption = False, config: ConfigOption = None) -> int:
    """List the tokens of single clients: their names, and what they may do."""
    target = find_target(config)
    if target.resolved is None:
        raise target.config_error or XopcError(Failure.NOT_FOUND, "There is no configuration.")
    rows = [(one.name, [scope.value for scope in one.scopes]) for one in _tokens(target)]
    if as_json:
        print_json({"ok": True, "tokens": [{"name": name, "scopes": scopes} for name, scopes in rows]})
    elif rows:
        print_table(("NAME", "SCOPES"), [(name, ", ".join(scopes)) for name, scopes in rows])
    else:
        print("No tokens but the gateway's own")
        print(as_typed("💡 Make one: xopc gateway token create --name ci --scope read"))
    return EXIT_OK


def revoke(
    name: Annotated[str, Parameter(help="As `xopc gateway token list` names it.")],
    /,
    *,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> int:
    """Take the token of one client out of the configuration file."""
    target = find_target(config)
    path = target.paths.config_path

    def remove(auth: JsonObject) -> JsonObject:
        entries = _entries(path, auth)
        left = [entry for entry in entries if _name_of(entry) != name]
        if len(left) == len(entries):
            raise XopcError(Failure.NOT_FOUND, f"There is no token of the name {name}. See: xopc gateway token list")
        return {**auth, "tokens": left}

    if not path.exists():
        remove({})
    warnings = [*change_auth(path, remove), *_when_it_counts(find_target(config))]
    if as_json:
        print_json({"ok": True, "revoked": name, "warnings": warnings})
    else:
        print(f"✅ Token revoked: {name}")
        _warn(warnings)
    return EXIT_OK


def _entries(path: Path, auth: JsonObject) -> list[object]:
    entries: object = auth.get("tokens") or []
    if not isinstance(entries, list):
        raise ConfigError(str(path), Problem(_PLACE, "must be a list"))
    return cast("list[object]", entries)


def _name_of(entry: object) -> object:
    return cast("JsonObject", entry).get("name") if isinstance(entry, dict) else None


def _tokens(target: Target) -> tuple[AccessToken, ...]:
    return target.resolved.settings.gateway.auth.tokens if target.resolved else ()


def _when_it_counts(target: Target) -> list[str]:
    from xopc.contracts.settings.access import ReloadMode

    resolved = target.resolved
    if resolved is None:
        what = target.config_error.message if target.config_error else ""
        return [f"The configuration does not validate, so nothing of this is in force: {what}"]
    warnings: list[str] = []
    if resolved.auth.mode is AuthMode.NONE:
        warnings.append("Authentication is off (gateway.auth.mode=none): nobody is asked for a token.")
    if target.owner is not None and resolved.settings.gateway.reload.mode is ReloadMode.OFF:
        warnings.append("It counts after: xopc gateway restart")
    elif target.owner is not None:
        warnings.append("The running gateway notices within a second or so.")
    return warnings


def _warn(warnings: list[str]) -> None:
    for warning in warnings:
        print(f"⚠️  {warning}", file=sys.stderr)
