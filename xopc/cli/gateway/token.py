"""`xopc gateway token`: the token that opens everything; those of single clients are in `tokens.py`."""

from __future__ import annotations

import sys
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from xopc.cli.gateway.auth_section import change_auth
from xopc.cli.gateway.target import Target, find_target
from xopc.cli.options import ConfigOption, JsonOption
from xopc.cli.output import fail, preview, print_json
from xopc.contracts.auth import AuthMode
from xopc.contracts.errors import Failure, XopcError
from xopc.contracts.settings.access import ReloadMode
from xopc_supervisor.contract import EXIT_OK

if TYPE_CHECKING:
    from collections.abc import Mapping

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
    from xopc.cli.gateway.managed import drift_of, find_service
    from xopc.config.setup import generate_token

    path, new = target.paths.config_path, generate_token()
    warnings = _write(path, new, target.environ)
    # Read again: what is in the file may be outranked.
    after = find_target(path)
    if after.resolved is None:
        what = after.config_error.message if after.config_error else ""
        warnings.append(f"The configuration does not validate yet: {what}")
    elif after.resolved.auth.secret != new:
        warnings.append("The environment outranks the file: XOPC_GATEWAY_TOKEN or XOPC_GATEWAY_AUTH_MODE is set.")
    service = find_service(after)
    if service is not None and (drifts := drift_of(after, service)):
        return _print(new, [*warnings, *drifts], form)
    if target.owner is not None and not _is_watched(after):
        warnings.append("The running gateway takes it after: xopc gateway restart")
    return _print(new, warnings, form)


def _is_watched(target: Target) -> bool:
    """Whether a running gateway takes a new token from the file by itself."""
    return target.resolved is not None and target.resolved.settings.gateway.reload.mode is not ReloadMode.OFF


def _write(path: Path, new: str, environ: Mapping[str, str]) -> list[str]:
    """Put the token into the file, or into the one that it refers to; the rest of it stays, but for a password, which a
    token excludes.

    Raises:
        As `change_auth`.
    """
    from xopc.config.paths import path_beside
    from xopc.config.secrets.references import file_in
    from xopc.config.write import write_private

    removed: list[object] = []

    def put(auth: JsonObject) -> JsonObject:
        if "password" in auth:
            removed.append(auth.pop("password"))
        if (kept := file_in(auth.get("token"))) is not None:
            write_private(path_beside(kept, path.parent, environ), f"{new}\n".encode())
            return {**auth, "mode": AuthMode.TOKEN.value}
        return {**auth, "mode": AuthMode.TOKEN.value, "token": new}

    warnings = change_auth(path, put)
    if any(password is not None for password in removed):
        return ["The password was removed: clients present the token now.", *warnings]
    return warnings


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


app = App(name="token", help="Print the token that clients have to present, or look after those of single clients.")
app.default(token)
app.command("xopc.cli.gateway.tokens:create", name="create")
app.command("xopc.cli.gateway.tokens:list_tokens", name="list")
app.command("xopc.cli.gateway.tokens:revoke", name="revoke")
