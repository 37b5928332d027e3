"""`xopc sessions export`: one session as text, or a folder with a file for each."""

from __future__ import annotations

import hashlib
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from xopc.cli.answer import read_answer
from xopc.cli.gateway.target import find_target
from xopc.cli.options import MAX_LIMIT, ConfigOption, JsonOption
from xopc.cli.output import fail, print_json, sentence, without_controls
from xopc.cli.sessions.place import SESSIONS_PATH, TIMEOUT_SECONDS, KeyArgument, path_of
from xopc.contracts.api.session_actions import ExportFormat
from xopc_supervisor.contract import EXIT_OK

if TYPE_CHECKING:
    from xopc.client.http import Client
    from xopc.contracts.api.sessions import SessionDetail

SUFFIXES = {ExportFormat.JSON: ".json", ExportFormat.MARKDOWN: ".md"}
MAX_STEM_CHARS = 200


def export(
    key: KeyArgument | None = None,
    /,
    *,
    to: Annotated[Path | None, Parameter(help="The folder to write a file for each session into.")] = None,
    format_: Annotated[
        ExportFormat, Parameter(name="--format", help="json or markdown (default: markdown).")
    ] = ExportFormat.MARKDOWN,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> int:
    """Write sessions down: one to the output, or all of them into a folder.

    Whole transcripts, whatever their length. A file that is there already is written anew.
    """
    if (key is None) == (to is None):
        return fail("Name a session, or a folder for all of them with --to.", as_json=as_json)
    client = find_target(config).client(TIMEOUT_SECONDS)
    if to is None:
        text = _text(_whole(client, key or ""), format_)
        if as_json:
            print_json({"ok": True, "content": text})
        else:
            sys.stdout.write(without_controls(text) if sys.stdout.isatty() else text)
        return EXIT_OK
    names: list[str] = []
    try:
        to.mkdir(mode=0o700, parents=True, exist_ok=True)
        for one in list(_keys(client)):
            if (session := _found(client, one)) is not None:
                names.append(_write(to, session, format_))
    except OSError as error:
        return fail(f"The sessions cannot be written: {sentence(error)}", as_json=as_json, written=len(names))
    if as_json:
        print_json({"ok": True, "folder": str(to), "files": names})
    else:
        print(f"✅ {len(names)} session{'' if len(names) == 1 else 's'} written to {to}")
    return EXIT_OK


def _keys(client: Client) -> Iterator[str]:
    """The keys of all sessions, the oldest first: new ones do not move the pages."""
    from xopc.contracts.api.sessions import SessionPage

    offset = 0
    while True:
        query = {"sortBy": "createdAt", "sortOrder": "asc", "limit": MAX_LIMIT, "offset": offset}
        page = read_answer(client.get(SESSIONS_PATH, query), SessionPage)
        yield from (session.key for session in page.items)
        if not page.has_more:
            return
        offset += len(page.items)


def _found(client: Client, key: str) -> SessionDetail | None:
    """A session in full; None where it has gone since it was listed."""
    from xopc.contracts.errors import Failure, XopcError

    try:
        return _whole(client, key)
    except XopcError as error:
        if error.failure is Failure.SESSION_NOT_FOUND:
            return None
        raise


def _whole(client: Client, key: str) -> SessionDetail:
    """A session with all of its messages, page by page."""
    from attrs import evolve

    from xopc.contracts.api.sessions import SessionRead

    page = read_answer(client.get(path_of(key), {"limit": MAX_LIMIT}), SessionRead)
    newest, messages = page.session, page.session.messages
    while page.has_more:
        query = {"limit": MAX_LIMIT, "before": page.next_before}
        page = read_answer(client.get(path_of(key), query), SessionRead)
        messages = page.session.messages + messages
    return evolve(newest, messages=messages)


def _text(session: SessionDetail, how: ExportFormat) -> str:
    from attrs import asdict

    from xopc.contracts.api.sessions import Session
    from xopc.contracts.session_export import export as write

    fields = asdict(session, recurse=False)
    del fields["messages"], fields["active_run"]
    return write(Session(**fields), session.messages, how)


def _write(folder: Path, session: SessionDetail, how: ExportFormat) -> str:
    """Write a session's file, for its owner alone; its name."""
    name = _stem(session.key) + SUFFIXES[how]
    descriptor = os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8", errors="replace") as file:
        file.write(_text(session, how))
    return name


def _stem(key: str) -> str:
    """A name for a file that no other key has: no segment of a key holds a dot."""
    stem = re.sub(r"[^a-z0-9_.-]", "_", key.replace(":", "."))
    if len(stem) <= MAX_STEM_CHARS:
        return stem
    return f"{stem[:MAX_STEM_CHARS]}-{hashlib.sha256(key.encode()).hexdigest()[:8]}"
