"""`xopc gateway logs`."""

from __future__ import annotations

import json
import os
import sys
from contextlib import closing, suppress
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter, validators

from xopc.cli.options import ConfigOption
from xopc_supervisor.contract import EXIT_OK

if TYPE_CHECKING:
    from collections.abc import Iterable

    from xopc.core.redact import Plain

MAX_LINES = 100_000


def logs(
    *,
    lines: Annotated[
        int,
        Parameter(
            name=["--lines", "-n"],
            validator=validators.Number(gte=1, lte=MAX_LINES),
            help="How many lines, 1 to 100000 (default: 50).",
        ),
    ] = 50,
    follow: Annotated[bool, Parameter(name=["--follow", "-f"], help="Go on with new lines until Ctrl+C.")] = False,
    as_json: Annotated[bool, Parameter(name="--json", help="Print the lines as they stand in the file.")] = False,
    config: ConfigOption = None,
) -> int:
    """Show the last lines of the gateway's log.

    A gateway does not have to run for it.
    """
    from xopc.cli.gateway.target import read_environment
    from xopc.config.paths import resolve_paths
    from xopc.service.log_tail import Follower, last_lines

    directory = resolve_paths(read_environment(config)).log_dir
    if not follow:
        shown = last_lines(directory, lines)
        if not shown:
            print("No logs found", file=sys.stderr if as_json else sys.stdout)
        else:
            _print_header(f"Last {lines} lines of gateway logs:", as_json=as_json)
            _print(shown, as_json=as_json)
        return EXIT_OK
    with suppress(KeyboardInterrupt), closing(Follower(directory)) as follower:
        _print_header("Following gateway logs (Ctrl+C to exit)...", as_json=as_json)
        _print(follower.start(lines), as_json=as_json)
        for more in follower.lines():
            _print(more, as_json=as_json)
    return EXIT_OK


def _print_header(text: str, *, as_json: bool) -> None:
    if not as_json:
        print(f"📜 {text}")


def _print(lines: Iterable[str], *, as_json: bool) -> None:
    colour = sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    for line in lines:
        sys.stdout.write(f"{line}\n" if as_json else for_people(line, colour=colour))
    sys.stdout.flush()


def for_people(line: str, *, colour: bool = False) -> str:
    """A line of the file as a person reads it, with date and time of the place; one that is no log line as it is."""
    from xopc.gateway.log.line import readable

    try:
        fields: dict[str, Plain] = {"level": "info", "module": "-", **json.loads(line)}
        day = datetime.fromisoformat(str(fields["timestamp"])).astimezone().date()
        return f"{day} {readable(fields, colour=colour)}"
    except (ValueError, TypeError, KeyError):
        return "".join(sign if sign.isprintable() or sign == "\t" else "?" for sign in line) + "\n"
