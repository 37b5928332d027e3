"""`xopc secrets set`."""

from __future__ import annotations

import getpass
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

from cyclopts import Parameter

from xopc.cli.gateway.auth_section import written_by_another
from xopc.cli.gateway.target import Target, find_target
from xopc.cli.options import ConfigOption, JsonOption
from xopc.cli.output import print_json
from xopc.config.auth import MIN_PASSWORD_CHARS, MIN_TOKEN_CHARS, weakness
from xopc.config.load import load_document
from xopc.config.paths import from_home, path_beside
from xopc.config.secrets.file import MAX_BYTES, LostError, text_of
from xopc.config.secrets.references import Keys, file_in, path_of
from xopc.config.substitute import is_secret
from xopc.config.write import create_document, is_read_only, replace_document, write_private
from xopc.contracts.errors import ConfigError, Failure, Problem, XopcError
from xopc_supervisor.contract import EXIT_OK

if TYPE_CHECKING:
    from xopc.contracts.convert import JsonObject

FOLDER = "secrets"
"""Beside the configuration file."""
_KEYS = "gateway.auth.token, gateway.tls.keyPassword, providers.openai, channels.telegram.botToken"


def set_secret(
    key: Annotated[str, Parameter(help="Where it belongs, such as providers.openai or channels.telegram.botToken.")],
    /,
    *,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> int:
    """Keep a secret in a file of its own, and have the configuration refer to it.

    It is read from standard input, and asked for at a terminal, where it is not shown.
    """
    keys = _keys(key)
    target = find_target(config)
    path = target.paths.config_path
    secret = _read(key)
    _check(keys, secret)
    file, warnings = _put(path, keys, secret, target)
    # Read again: what is in the file may be wrong for another reason, or outranked.
    after = find_target(path)
    if after.config_error is not None:
        warnings.append(f"The configuration does not validate yet: {after.config_error.message}")
    if as_json:
        print_json({"ok": True, "key": key, "file": str(file), "warnings": warnings})
        return EXIT_OK
    print(f"✅ {key} is kept in {from_home(file)}, which nobody else may read.")
    if target.owner is not None:
        print("   The running gateway takes it by itself.")
    for warning in warnings:
        print(f"⚠️  {warning}", file=sys.stderr)
    return EXIT_OK


def _keys(key: str) -> Keys:
    keys = tuple(key.removeprefix("$.").split("."))
    is_place = is_secret(keys) and keys != ("providers",) and "tokens" not in keys
    if not is_place or not all(re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", one) for one in keys):
        raise XopcError(Failure.INVALID_REQUEST, f"{key} is not the place of a secret. Those are: {_KEYS} and so on.")
    return keys


def _read(key: str) -> str:
    """The secret, from a person or from a pipe; never from the command line, which everybody can read."""
    at_terminal = sys.stdin.isatty()
    content = getpass.getpass(f"{key}: ").encode() if at_terminal else sys.stdin.buffer.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise XopcError(Failure.INVALID_REQUEST, f"It is larger than {MAX_BYTES // 1024} KiB, and nothing was changed.")
    try:
        return text_of(content, "The answer" if at_terminal else "Standard input")
    except LostError as error:
        raise XopcError(Failure.INVALID_REQUEST, f"{error}, and nothing was changed.") from None


def _check(keys: Keys, secret: str) -> None:
    """Refuse what the next start would refuse."""
    match keys:
        case ("gateway", "auth", "token"):
            what = weakness(secret.strip(), "token", MIN_TOKEN_CHARS)
        case ("gateway", "auth", "password"):
            what = weakness(secret.strip(), "password", MIN_PASSWORD_CHARS)
        case _:
            what = None if secret.strip().isprintable() or keys[-1] == "keyPassword" else "it has several lines"
    if what is not None:
        raise XopcError(Failure.INVALID_REQUEST, f"{what}. Nothing was changed.")


def _put(path: Path, keys: Keys, secret: str, target: Target) -> tuple[Path, list[str]]:
    """Write the secret, and refer to it; where it was kept, and warnings."""
    document = load_document(path)
    values = document.values if document else {}
    known = file_in(_value(values, keys))  # it is exchanged there
    name = f"{FOLDER}/{'.'.join(map(str, keys))}"
    file = path_beside(known or name, path.parent, target.environ)
    if known is None and document is not None and is_read_only(path):
        raise XopcError(Failure.FORBIDDEN, f"{path} is read-only. Make it writable: chmod u+w {path}")
    changed = _with(values, keys, f"${{file:{name}}}", path)
    # First the secret: whoever sees the reference finds it.
    write_private(file, f"{secret}\n".encode())
    if known is not None:
        return file, []
    if document is None:
        if not create_document(path, changed):
            raise written_by_another(path)
        return file, []
    if not replace_document(path, changed, document.content):
        raise written_by_another(path)
    backup = f"{path.name}.bak"
    warnings = [] if document.plain else [f"{path.name} was written without its comments; they stand in {backup}."]
    if _value(values, keys):
        warnings.append(f"What stood there before is in {backup}. See: xopc secrets audit")
    return file, warnings


def _value(values: JsonObject, keys: Keys) -> object:
    value: Any = values
    for key in keys:
        value = cast("JsonObject", value).get(str(key)) if isinstance(value, dict) else None
    return value


def _with(values: JsonObject, keys: Keys, text: str, path: Path, above: Keys = ()) -> JsonObject:
    """The values with a text at these keys; the objects on the way are made where there are none."""
    key, *below = keys
    if not below:
        return {**values, str(key): text}
    inner: object = values.get(str(key), {})
    here = (*above, key)
    if not isinstance(inner, dict):
        raise ConfigError(str(path), Problem(path_of(here), "must be an object"))
    return {**values, str(key): _with(cast("JsonObject", inner), tuple(below), text, path, here)}
