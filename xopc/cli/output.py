"""How commands speak: text for people, JSON for programs, times and secrets in short."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TextIO

from xopc.cli.wrap import Wrap, columns
from xopc_supervisor.contract import EXIT_FAILURE, EXIT_OK

_TURNING = (*range(0x202A, 0x202F), *range(0x2066, 0x206A))
"""Characters that say which way to write: one that is not taken back turns the rest of the line."""
_CONTROLS: Mapping[int, str | None] = {
    **dict.fromkeys([*range(32), *range(127, 160), *_TURNING], "\N{REPLACEMENT CHARACTER}"),
    ord("\n"): "\n",
    ord("\t"): "\t",
    ord("\r"): None,
}

_COMMAND = re.compile(r"(?<![\w/.-])(?<!an )xopc (?=[a-z])(?!gateway is )")
"""Where a command begins, and not what only speaks of xopc."""
_COMMANDS = {
    "GET /api/sessions": "xopc sessions list",
    "GET /api/cron": "xopc cron list",
    "GET /api/inbox?state=parked": "xopc inbox list",
    "GET /api/outbound?state=dead": "xopc outbox list",
}
"""What lists the things that a request lists."""
WIDTH = 80
"""Columns of a terminal that does not tell."""
WRONG_CREDENTIAL = (
    "Wrong credential: the running gateway goes by another one than this configuration says. "
    "Why, and what to do: xopc gateway status"
)


def print_json(value: Mapping[str, object]) -> None:
    """Print an object with an indent of two, in ASCII."""
    print(json.dumps(value, indent=2))


def fail(message: str, *, as_json: bool, hints: Iterable[str] = (), **more: object) -> int:
    """Tell of a failure: on standard error, or as `{ok, error, hints, …}` on standard output. Returns exit code 1."""
    message, hints = as_typed(in_commands(message)), [as_typed(hint) for hint in hints]
    if as_json:
        print_json({"ok": False, "error": message, "hints": hints, **more})
    else:
        lines = [f"❌ {message}", *(f"💡 {hint}" for hint in hints)]
        print(fitted("\n".join(lines), sys.stderr), file=sys.stderr)
    return EXIT_FAILURE


def fitted(text: str, stream: TextIO | None) -> str:
    """A text as it goes to a stream: to a terminal with line breaks between words, elsewhere as it is."""
    if stream is None:
        return text
    try:
        width = os.get_terminal_size(stream.fileno()).columns
    except (OSError, ValueError):  # it is no terminal, or closed
        return text
    return Wrap().add(f"{text}\n", width or WIDTH)[:-1]


def as_typed(text: str) -> str:
    """A text for people with its commands as they are for this profile: `xopc gateway` is then
    `xopc --profile rescue gateway`."""
    profile = os.environ.get("XOPC_PROFILE", "").strip()
    if profile.lower() in ("", "default"):
        return text
    return _COMMAND.sub(f"xopc --profile {profile} ", text)


def in_commands(message: str) -> str:
    """What the gateway says to clients of its API, in the words of commands."""
    for request, command in _COMMANDS.items():
        message = message.replace(f"{request} lists them", f"`{command}` lists them")
    return WRONG_CREDENTIAL if message == "Wrong credential." else message


def tell_not_running(cure: str = "xopc gateway", *, as_json: bool) -> int:
    """Tell that there is nothing to stop or restart, which is no failure; `cure` is the command that starts it."""
    if as_json:
        print_json({"ok": True, "result": "not-loaded", "hints": [as_typed(cure), *hints_about_sudo()]})
        return EXIT_OK
    print("✅ Gateway service not loaded.")
    for hint in (f"Start with: {as_typed(cure)}", *hints_about_sudo()):
        print(f"💡 {hint}")
    return EXIT_OK


def hints_about_sudo() -> list[str]:
    """Where nothing was found: whoever installs a service of the machine through sudo easily goes on with sudo."""
    caller = os.environ.get("SUDO_USER", "")
    if os.name == "nt" or os.getuid() != 0 or caller in ("", "root"):
        return []
    return [f"With sudo, root's gateway is meant. For that of {caller} leave sudo out."]


def preview(secret: str) -> str:
    """A secret in short: both ends of it, and of a short one never more than half.

    >>> preview("abc12345defghijkxyz67890")
    'abc12345...xyz67890'
    """
    shown = 8 if len(secret) >= 24 else min(4, len(secret) // 4)
    return f"{secret[:shown]}...{secret[len(secret) - shown :]}"


def print_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print rows below a head, in columns as wide as what is in them; the last one ends where its texts end."""
    lines = [list(head), *(list(row) for row in rows)]
    widths = [max(map(columns, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        cells = zip(line, widths, strict=True)
        print("  ".join(cell + " " * (width - columns(cell)) for cell, width in cells).rstrip())


def without_controls(text: str) -> str:
    """A text of somebody else's without what would move the cursor, turn the line, recolour or retitle the terminal."""
    return text.translate(_CONTROLS)


def one_line(text: str, limit: int) -> str:
    """A text without control characters and line breaks, cut where it is longer than `limit`."""
    line = without_controls(" ".join(text.split()))
    return line if len(line) <= limit else f"{line[: limit - 1]}…"


def ago(timestamp: object) -> str:
    """How long an ISO 8601 time is past: `3 min ago`; a hyphen where it is none."""
    seconds = seconds_since(timestamp)
    return "-" if seconds is None else f"{duration(seconds)} ago"


def duration(seconds: float) -> str:
    """A span of time in its largest unit: `12 s`, `3 min`, `5 h`, `2 d`."""
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{int(seconds // size)} {unit}"
    return f"{max(0, int(seconds))} s"


def size(amount: object) -> str:
    """A number of bytes in its largest unit: `512 kB`, `41 GB`; a hyphen where it is none."""
    if not isinstance(amount, int):
        return "-"
    for unit, name in ((1000**4, "TB"), (1000**3, "GB"), (1000**2, "MB"), (1000, "kB")):
        if amount >= unit:
            return f"{amount / unit:.1f} {name}" if amount < 10 * unit else f"{amount // unit} {name}"
    return f"{amount} B"


def seconds_since(timestamp: object) -> float | None:
    """Seconds from an ISO 8601 time until now; None where it is none."""
    try:
        return (datetime.now(UTC) - datetime.fromisoformat(str(timestamp))).total_seconds()
    except (ValueError, TypeError):
        return None


def sentence(error: OSError) -> str:
    """What the system refused, and where."""
    where = f"{error.filename}: " if error.filename else ""
    return f"{where}{error.strerror or error}"
