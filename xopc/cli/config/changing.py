"""`xopc config set` and `unset`: a change is weighed as a start weighs it, and saved whole or not at all."""

from __future__ import annotations

import copy
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import Annotated, cast

from cyclopts import Parameter

from xopc.cli.config.place import Desk, KeyArgument, Keys, as_index, found, open_desk, read_keys
from xopc.cli.message_text import FROM_STDIN, read_text
from xopc.cli.options import ConfigOption, JsonOption
from xopc.cli.output import as_typed, fitted, print_json, without_controls
from xopc.config.edit import Edited
from xopc.config.load import read_document
from xopc.config.paths import from_home
from xopc.contracts.convert import JsonObject, join
from xopc.contracts.errors import Failure, XopcError
from xopc.contracts.settings.access import ReloadMode
from xopc.core.redact import hides
from xopc_supervisor.contract import EXIT_OK


def set_(
    path: KeyArgument,
    value: Annotated[
        str,
        Parameter(
            allow_leading_hyphen=True,
            help="JSON, or else a text as it is; - reads it from standard input, as secrets are.",
        ),
    ],
    /,
    *,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> int:
    """Set a value of the configuration.

    It is refused where the gateway would not start with it. A running gateway takes it by itself.
    """
    desk, keys = open_desk(config), read_keys(path)
    text = read_text(value) if value == FROM_STDIN else value
    first: XopcError | None = None
    for meant in _meanings(text):
        try:
            edited = _change(desk, keys, meant)
        except XopcError as error:
            if first is not None or error.failure is not Failure.INVALID_REQUEST:
                raise first or error from None
            first = error
        else:
            return tell(desk, edited, _outcome(edited, path, "is {}"), as_json=as_json)
    raise first or AssertionError


def unset(path: KeyArgument, /, *, as_json: JsonOption = False, config: ConfigOption = None) -> int:
    """Take a value out of the configuration, so that the default is in effect."""
    desk = open_desk(config)
    edited = _change(desk, read_keys(path), None)
    return tell(desk, edited, _outcome(edited, path, "is not set any more, which means {}"), as_json=as_json)


def tell(
    desk: Desk, edited: Edited, outcome: str, *, as_json: bool, warnings: Iterable[str] = (), **more: object
) -> int:
    """Tell what was changed, and where; `more` is for programs. Returns the exit code."""
    warnings = [*warnings]
    if edited.after is not None and edited.before is not None and not read_document(edited.before).plain:
        warnings.append(f"The comments of the file stand in {desk.path.name}.bak now.")
    runs = desk.target.owner is not None
    hint = None
    if runs and edited.after is not None and desk.editor.resolved.settings.gateway.reload.mode is ReloadMode.OFF:
        hint = as_typed("The running gateway takes it after: xopc gateway restart")
    if as_json:
        print_json(
            {"ok": True, "changed": edited.after is not None, "path": str(desk.path), "warnings": warnings, **more}
        )
        return EXIT_OK
    print(fitted(f"✅ {without_controls(outcome)} in {from_home(desk.path)}", sys.stdout))
    for warning in warnings:
        print(fitted(f"⚠️  {warning}", sys.stderr), file=sys.stderr)
    if hint is not None:
        print(fitted(as_typed(f"💡 {hint}"), sys.stdout))
    return EXIT_OK


def _meanings(text: str) -> Iterator[object]:
    """What may be meant, of which the first that is accepted counts: `18800` is a number, and as a password a text."""
    try:
        value = cast("object", json.loads(text))
    except (ValueError, RecursionError):
        value = text
    yield value
    if value is not None and not isinstance(value, str):
        yield text


def _change(desk: Desk, keys: Keys, value: object) -> Edited:
    """Set the value, or delete it where it is None."""
    return desk.editor.change(cast("JsonObject", _patch(desk.shown(), keys, "$", value)), hides)


def _patch(shown: object, keys: Sequence[str | int], path: str, value: object) -> object:
    """What to send so that `value` stands below `keys`: objects are merged, lists are sent whole as they were shown."""
    if not keys:
        return value
    key, rest = as_index(shown, keys[0]), keys[1:]
    if isinstance(shown, list):
        return _with_item(cast("list[object]", shown), key, rest, path, value)
    if isinstance(key, int):
        raise XopcError(Failure.NOT_FOUND, f"{join(path, key)}: there is no list")
    inner = cast("JsonObject", shown).get(key) if isinstance(shown, dict) else None
    return {key: _patch(inner, rest, join(path, key), value)}


def _with_item(
    items: list[object], key: str | int, rest: Sequence[str | int], path: str, value: object
) -> list[object]:
    items = copy.deepcopy(items)
    if not isinstance(key, int) or key > len(items) or (key == len(items) and (rest or value is None)):
        raise XopcError(Failure.NOT_FOUND, f"{join(path, key)}: there is no such item, of {len(items)}")
    if not rest and value is None:
        del items[key]
    elif key == len(items):
        items.append(value)
    else:
        items[key] = _merged(items[key], _patch(items[key], rest, join(path, key), value)) if rest else value
    return items


def _merged(shown: object, patch: object) -> object:
    """Below a list what is sent replaces what is there, so all of it has to be sent."""
    if not isinstance(shown, dict) or not isinstance(patch, dict):
        return patch
    merged = {**cast("JsonObject", shown)}
    for key, value in cast("JsonObject", patch).items():
        merged[key] = _merged(merged.get(key), value)
        if merged[key] is None:
            del merged[key]
    return merged


def _outcome(edited: Edited, path: str, said: str) -> str:
    if edited.after is None:
        return f"{path} is as it was"
    try:
        value = found(edited.config, read_keys(path))
    except XopcError:
        return f"{path} is gone"
    return f"{path} {said.format(json.dumps(value, ensure_ascii=False))}"
