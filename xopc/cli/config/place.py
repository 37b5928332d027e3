"""Where in the configuration a command looks: paths of keys, as the messages of xopc spell them."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, TypeAlias, cast

from attrs import frozen
from cyclopts import Parameter

from xopc.cli.gateway.target import Target, find_target
from xopc.config.edit import Editor
from xopc.config.resolve import Flags, resolve
from xopc.contracts.convert import JsonObject, closest, join
from xopc.contracts.errors import Failure, XopcError
from xopc.core.redact import hides

Keys: TypeAlias = tuple[str | int, ...]

_STEP = re.compile(r"""\.?(?:(?P<name>[^.\[\]"]+)|\[(?P<index>[0-9]{1,6})\]|\[(?P<quoted>"(?:[^"\\]|\\.)*")\])""")


def read_keys(text: str) -> Keys:
    """The keys of a path such as `gateway.port`, `agents.list[0].id` or `channels.telegram.groups["-100.5"]`.

    Raises:
        ValueError: it is not one.
    """
    rest, keys = text.removeprefix("$"), list[str | int]()
    while rest:
        step = _STEP.match(rest)
        if step is None or (not keys and rest.startswith(".") and not text.startswith("$")):
            raise ValueError(f"{text!r} is not a path of keys, such as gateway.port or agents.list[0].id")
        name, index, quoted = step["name"], step["index"], step["quoted"]
        keys.append(name or (int(index) if index else cast("str", json.loads(quoted))))
        rest = rest[step.end() :]
    if not keys:
        raise ValueError("the path names no key: give one such as gateway.port")
    return tuple(keys)


def _check(_type: object, text: str | None) -> None:
    if text is not None:
        read_keys(text)


KeyArgument: TypeAlias = Annotated[str, Parameter(validator=_check, help="Such as gateway.port or agents.list[0].id.")]


@frozen
class Desk:
    """One configuration file, with what is needed to change it as a running gateway would."""

    target: Target
    editor: Editor

    @property
    def path(self) -> Path:
        return self.target.paths.config_path

    def shown(self) -> JsonObject:
        """The file with its defaults, and without its secrets."""
        return self.editor.view(hides)


def open_desk(config: Path | None) -> Desk:
    """The configuration of a command.

    Raises:
        ConfigError: it does not validate; each problem is told with its path.
    """
    target = find_target(config)
    resolved = resolve(target.environ, Flags(), section="gateway")
    return Desk(target, Editor(resolved, target.environ, Flags(), lambda _: None, is_owner=True))


def found(values: object, keys: Sequence[str | int]) -> object:
    """What stands at a path.

    Raises:
        XopcError: nothing can, since there is no such key; with the nearest one.
    """
    path = "$"
    for key in keys:
        step = as_index(values, key)
        if isinstance(values, dict) and step in values:
            values = cast("JsonObject", values)[str(step)]
        elif isinstance(values, list) and isinstance(step, int) and step < len(cast("list[object]", values)):
            values = cast("list[object]", values)[step]
        else:
            names = list(cast("JsonObject", values)) if isinstance(values, dict) else []
            what = f"there is nothing at this path{closest(str(key), names)}"
            raise XopcError(Failure.NOT_FOUND, f"{join(path, key)}: {what}")
        path = join(path, key)
    return values


def as_index(values: object, key: str | int) -> str | int:
    """A key as it is meant there: `0` is an item of a list."""
    return int(key) if isinstance(values, list) and isinstance(key, str) and key.isdecimal() else key
