"""`xopc sessions rename`, `archive`, `unarchive`, `pin`, `unpin` and `reset`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from xopc.cli.gateway.target import find_target
from xopc.cli.options import ConfigOption, JsonOption
from xopc.cli.output import one_line, print_json
from xopc.cli.sessions.place import TIMEOUT_SECONDS, KeyArgument, path_of
from xopc_supervisor.contract import EXIT_OK

MAX_SHOWN_CHARS = 200


def rename(
    key: KeyArgument,
    name: Annotated[str, Parameter(help='The new name; "" takes it away.')],
    /,
    *,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> int:
    """Give a session a name."""
    what = f"Session is called {one_line(name, MAX_SHOWN_CHARS)}" if name.strip() else "Session has no name any more"
    return _act(key, "rename", what, as_json, config, {"name": name})


def archive(key: KeyArgument, /, *, as_json: JsonOption = False, config: ConfigOption = None) -> int:
    """Put a session away.

    Pruning leaves it alone, and a new message makes it active again.
    """
    return _act(key, "archive", "Session archived", as_json, config)


def unarchive(key: KeyArgument, /, *, as_json: JsonOption = False, config: ConfigOption = None) -> int:
    """Take a session back from the archive."""
    return _act(key, "unarchive", "Session is in the archive no longer", as_json, config)


def pin(key: KeyArgument, /, *, as_json: JsonOption = False, config: ConfigOption = None) -> int:
    """Keep a session.

    Pruning leaves it alone.
    """
    return _act(key, "pin", "Session pinned", as_json, config)


def unpin(key: KeyArgument, /, *, as_json: JsonOption = False, config: ConfigOption = None) -> int:
    """Keep a session no longer."""
    return _act(key, "unpin", "Session is pinned no longer", as_json, config)


def reset(key: KeyArgument, /, *, as_json: JsonOption = False, config: ConfigOption = None) -> int:
    """Begin a session anew.

    What was said stays readable, and the agent no longer thinks of it.
    """
    return _act(key, "reset", "Session begins anew", as_json, config)


def _act(  # noqa: PLR0917  what each of the commands has
    key: str, action: str, what: str, as_json: bool, config: Path | None, body: Mapping[str, str] | None = None
) -> int:
    answer = find_target(config).client(TIMEOUT_SECONDS).post(path_of(key, action), body or {})
    if as_json:
        print_json({"ok": True, **answer})
    else:
        print(f"✅ {what}: {key}")
    return EXIT_OK
