"""A state directory as a gateway leaves it, and backups of it."""

from __future__ import annotations

import io
import json
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

from attrs import frozen

from xopc.config.paths import Paths, resolve_paths
from xopc.contracts.messages import Address, Outbound
from xopc.service.backup.making import Source, make_backup
from xopc.storage.connect import connect_writer
from xopc.storage.migrate import prepare
from xopc.storage.transactions.outbox import enqueue

CHAT = Address("telegram", "default", "4711")


@frozen
class World:
    """A machine with a state directory."""

    home: Path
    environ: Mapping[str, str]

    @property
    def paths(self) -> Paths:
        return resolve_paths(self.environ)

    def backup(self, *, workspace: bool = True) -> io.BytesIO:
        """A backup of it."""
        out, scratch = io.BytesIO(), self.home / "scratch"
        scratch.mkdir(exist_ok=True)
        make_backup(Source(self.paths, workspace), out, scratch)
        assert list(scratch.iterdir()) == []
        return out

    def write(self, mark: str) -> None:
        """Let everything in it say `mark`."""
        paths = self.paths
        for path in (paths.config_path, paths.accepted, paths.models):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps({"note": mark}))
        for folder, name in (
            (paths.local_key.parent, "whatsapp.json"),
            (paths.state_dir / "secrets", "key"),
            (paths.state_dir / "service", "xopc-gateway.env"),
            (paths.workspace / "notes", "today.md"),
        ):
            folder.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(mark)
        paths.database.parent.mkdir(parents=True, exist_ok=True)
        prepare(paths.database)
        with closing(connect_writer(paths.database)) as connection:
            enqueue(connection, f"msg_{mark}", Outbound(CHAT, mark), f"key-{mark}", 1.0)

    def says(self) -> set[str]:
        """What its parts say: one mark where all of it is of one time."""
        paths = self.paths
        texts = {
            (paths.local_key.parent / "whatsapp.json").read_text(),
            (paths.state_dir / "secrets" / "key").read_text(),
            (paths.state_dir / "service" / "xopc-gateway.env").read_text(),
            (paths.workspace / "notes" / "today.md").read_text(),
            *(json.loads(path.read_text())["note"] for path in (paths.config_path, paths.accepted, paths.models)),
        }
        with closing(sqlite3.connect(paths.database)) as connection:
            (ids,) = connection.execute("SELECT group_concat(substr(id, 5)) FROM outbox").fetchone()
        return texts | {ids}


def world(home: Path, mark: str = "a", **environ: str) -> World:
    """A home in which everything says `mark`."""
    made = World(home, {"HOME": str(home), "XOPC_HOME": str(home), **environ})
    made.write(mark)
    return made
