"""`xopc gateway token`."""

from __future__ import annotations

import sys
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

from cyclopts import Parameter

from xopc.cli.gateway.target import Target, find_target
from xopc.cli.options import ConfigOption, JsonOption
from xopc.cli.output import fail, preview, print_json
from xopc.contracts.access_settings import ReloadMode
from xopc.contracts.auth import AuthMode
from xopc.contracts.errors import ConfigError, Failure, Problem, XopcError
from xopc_supervisor.contract import EXIT_OK

if TYPE_CHECKING:
    from xopc.contracts.convert import JsonObject


def token(
    *,
    generate: Annotated[bool, Parameter(help="Make a new one and write it to the configuration file.")] = False,
    plain: Annotated[bool, Parameter(help="Print the token alone, for scripts.")] = False,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> int:
    """Print the token that clients have to present, in full."""
    target = find_target(config)
    form = Form.JSON if as_json else Form.PLAIN if plain else Form.TEXT
    return _generate(target, form) if generate else _show(target, form)


class Form(Enum):
    """How the token is printed."""

    TEXT = "text"
    PLAIN = "plain"
    JSON = "json"


def _show(target: Target, form: Form) -> int:
    if target.resolved is None:
        raise target.config_error or XopcError(Failure.NOT_FOUND, "There is no configuration.")
    auth = target.resolved.auth
    match auth.mode:
        case AuthMode.TOKEN if auth.secret is None:
            hints = ["xopc gateway", "xopc gateway token --generate"]
            message = "There is no token yet: the first start generates one."
            return fail(message, as_json=form is Form.JSON, hints=hints)
        case AuthMode.TOKEN:
            return _print(auth.secret or "", [], form)
        case AuthMode.PASSWORD:
            message = "Authentication is by password (gateway.auth.mode=password): there is no token."
        case AuthMode.NONE:
            message = "Authentication is off (gateway.auth.mode=none): whoever reaches the port may do everything."
    if form is Form.PLAIN:
        return fail(message, as_json=False)
    if form is Form.JSON:
        print_json({"ok": True, "mode": auth.mode.value, "token": None, "warnings": [message]})
    else:
        print(f"⚠️  {message}")
    return EXIT_OK


def _generate(target: Target, form: Form) -> int:
    from xopc.config.setup import generate_token

    path, new = target.paths.config_path, generate_token()
    warnings = _write(path, new)
    # Read again: what is in the file may be outranked.
    after = find_target(path)
    if after.resolved is None:
        what = after.config_error.message if after.config_error else ""
        warnings.append(f"The configuration does not validate yet: {what}")
    elif after.resolved.auth.secret != new:
        warnings.append("The environment outranks the file: XOPC_GATEWAY_TOKEN or XOPC_GATEWAY_AUTH_MODE is set.")
    if target.owner is not None and not _is_watched(after):
        warnings.append("The running gateway takes it after: xopc gateway restart")
    return _print(new, warnings, form)


def _is_watched(target: Target) -> bool:
    """Whether a running gateway takes a new token from the file by itself."""
    return target.resolved is not None and target.resolved.settings.gateway.reload.mode is not ReloadMode.OFF


def _write(path: Path, new: str) -> list[str]:
    """Put the token into the file; the rest of it stays, but for a password, which a token excludes.

    Raises:
        ConfigError: the file is no configuration.
        XopcError: it is read-only.
        OSError: it cannot be written.
    """
    from xopc.config.load import load_document
    from xopc.config.write import create_document, is_read_only, replace_document

    document = load_document(path)
    if document is None:
        if create_document(path, {"gateway": {"auth": {"mode": AuthMode.TOKEN.value, "token": new}}}):
            return []
        raise XopcError(Failure.CONFLICT, f"{path} was written by somebody else in this moment. Try again.")
    gateway = _section(path, document.values, "gateway", "$.gateway")
    auth = _section(path, gateway, "auth", "$.gateway.auth")
    if is_read_only(path):
        raise XopcError(Failure.FORBIDDEN, f"{path} is read-only. Make it writable: chmod u+w {path}")
    removed = auth.pop("password", None)
    values = {**document.values, "gateway": {**gateway, "auth": {**auth, "mode": AuthMode.TOKEN.value, "token": new}}}
    replace_document(path, values)
    warnings = ["The password was removed: clients present the token now."] if removed is not None else []
    if not document.plain:
        warnings.append(f"{path.name} was written without its comments; they stand in {path.name}.bak.")
    return warnings


def _section(path: Path, values: JsonObject, name: str, where: str) -> JsonObject:
    section: object = values.get(name, {})
    if not isinstance(section, dict):
        raise ConfigError(str(path), Problem(where, "must be an object"))
    return {**cast("JsonObject", section)}


def _print(secret: str, warnings: list[str], form: Form) -> int:
    match form:
        case Form.JSON:
            shown = {"token": secret, "preview": preview(secret)}
            print_json({"ok": True, "mode": AuthMode.TOKEN.value, **shown, "warnings": warnings})
        case Form.PLAIN:
            print(secret)
        case Form.TEXT:
            print(f"🔑 Token: {secret}\n   Preview: {preview(secret)}\n")
            print("Clients present it in one of these headers:")
            print("   Authorization: Bearer <token>\n   X-Api-Key: <token>")
            print("A new one: xopc gateway token --generate")
    if form is not Form.JSON:
        for warning in warnings:
            print(f"⚠️  {warning}", file=sys.stderr)
    return EXIT_OK
