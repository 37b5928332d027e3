"""Puts a backup back: everything is checked and unpacked first, and takes effect at the end, at once (`journal.py`)."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import IO

from attrs import frozen

from xopc.config.findings import Findings
from xopc.config.load import read_document, settings_in
from xopc.config.parse import NotJsonError
from xopc.config.paths import Paths
from xopc.config.workspace import with_workspace
from xopc.contracts.errors import Failure, XopcError
from xopc.service.backup.contents import places
from xopc.service.backup.journal import (
    ASIDE_PREFIX,
    STAGING_PREFIX,
    Exchange,
    Journal,
    carry_out,
    commit,
    held_still,
    journal_path,
    remove_leftovers,
)
from xopc.service.backup.manifest import DATABASE, PARTS, WORKSPACE, Manifest
from xopc.service.backup.reading import Verified, unpack
from xopc.storage.copy import check_database
from xopc.storage.faults import Obstacle, StorageUnavailableError
from xopc.storage.migrate import prepare
from xopc.storage.transactions.hold import Held, hold_what_was_under_way

SPARE_BYTES = 16 * 1024 * 1024
SIDES = ("-wal", "-shm", "-journal")
"""Of a database: files that belong to it, and to no other that stands in its place."""


@frozen
class Plan:
    """What a restore will do."""

    manifest: Manifest
    places: Mapping[str, Path]
    """Where each part of the backup goes."""
    warnings: tuple[str, ...] = ()
    named_by_backup: Path | None = None
    """The workspace, where it goes outside of the state directory, to a place that nothing on this machine names."""


@frozen
class Restored:
    """What a restore has done."""

    aside: tuple[str, ...]
    """Where that is which was there before."""
    held: Held


def plan_restore(verified: Verified, paths: Paths, environ: Mapping[str, str], *, apart: bool) -> Plan:
    """Where the parts of a backup go. With `apart`, all of them go below the state directory, whatever they say.

    Raises:
        XopcError: a place cannot be exchanged.
    """
    findings = Findings()
    named = _workspace_in(verified.config, environ)
    stated = with_workspace(paths, named, environ, findings)
    warnings: list[str] = []
    if apart and stated.workspace != paths.workspace:
        warnings.append(
            f"Its configuration has the workspace in {stated.workspace}; the restored one is in {paths.workspace}: "
            "change agents.defaults.workspace before you start a gateway there."
        )
    stated = paths if apart else stated
    # A link stays one: what it leads to is replaced.
    found = {name: path.resolve() for name, path in places(stated).items() if name in verified.manifest.parts}
    for name, path in found.items():
        if path.is_mount():
            raise _not_exchanged(f"{path} is a mount point")
        others = [other for part, other in found.items() if part != name]
        if (held := _held_by(path, others, paths, environ)) is not None:
            raise _not_exchanged(f"{path} is {held}" if path == held else f"{path} holds {held}")
    foreign = None if apart else _named_by_backup_alone(found.get(WORKSPACE), paths, environ)
    if foreign is not None:
        warnings.append(f"Its workspace goes to {foreign}, outside of the state directory, as it says itself.")
    return Plan(verified.manifest, found, tuple(warnings), foreign)


def restore_backup(file: IO[bytes], name: str, plan: Plan, paths: Paths, *, hold: bool) -> Restored:
    """Put a backup in the place of what is there, which is moved aside. With `hold`, what was under way is held.

    Killed at any moment, it leaves either what was there, or a journal by which the next command finishes it.

    Raises:
        XopcError: a gateway runs, the backup is damaged, its database cannot be used, or there is no room.
        OSError: something cannot be written; nothing is changed then, or the next command finishes it.
    """
    paths.state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    with held_still(paths):
        if journal_path(paths.state_dir).exists():
            carry_out(paths.state_dir)
        remove_leftovers(paths.state_dir)
        stamp = time.strftime("%Y%m%d-%H%M%S")
        staged = {part: _staged(path, paths.state_dir, stamp) for part, path in plan.places.items()}
        staging = tuple(dict.fromkeys(str(path.parent) for path in staged.values()))
        try:
            for folder in staging:
                Path(folder).mkdir(mode=0o700, parents=True)
            _need_room(plan, staged)
            unpack(file, name, staged)
            held = _make_ready(staged.get(DATABASE), plan.manifest, hold=hold)
            os.sync()
            exchanges = tuple(_exchanges(plan, staged, paths.state_dir, stamp))
            commit(paths.state_dir, Journal(name, staging, exchanges))
        except BaseException:
            journal_path(paths.state_dir).unlink(missing_ok=True)  # before what it speaks of
            for folder in staging:
                shutil.rmtree(folder, ignore_errors=True)
            raise
        aside = tuple(dict.fromkeys(_top(exchange, paths.state_dir) for exchange in exchanges if _is_old(exchange)))
        carry_out(paths.state_dir)
    return Restored(aside, held)


def taken(manifest: Manifest) -> str:
    """When a backup was made, for people: `2026-01-02 03:04 UTC`."""
    return f"{datetime.fromisoformat(manifest.created_at):%Y-%m-%d %H:%M} UTC"


def _held_by(path: Path, others: Iterable[Path], paths: Paths, environ: Mapping[str, str]) -> Path | None:
    """What would be moved aside with a place, and is needed where it is: another place, the state directory, a home."""
    needed = [paths.state_dir, paths.lock_path.parent, paths.log_dir, Path(environ.get("HOME") or Path.home())]
    return next((one for one in (*map(Path.resolve, needed), *others) if one.is_relative_to(path)), None)


def _not_exchanged(what: str) -> XopcError:
    cure = "Restore into a folder of its own with --to, and copy what you need from there"
    return XopcError(Failure.CONFLICT, f"{what}, which cannot be exchanged. {cure}.")


def _workspace_in(config: bytes | None, environ: Mapping[str, str]) -> str | None:
    """The workspace that a configuration names; None where it names none, or cannot be read."""
    if config is None:
        return None
    try:
        settings = settings_in(read_document(config), environ, Findings())
    except NotJsonError:
        return None
    return settings.agents.defaults.workspace


def _named_by_backup_alone(workspace: Path | None, paths: Paths, environ: Mapping[str, str]) -> Path | None:
    """A workspace that is neither below the state directory nor the one that is used here."""
    if workspace is None or workspace.is_relative_to(paths.state_dir.resolve()):
        return None
    try:
        named = _workspace_in(paths.config_path.read_bytes(), environ)
    except OSError:
        named = None
    own = with_workspace(paths, named, environ, Findings()).workspace.resolve()
    return None if workspace == own else workspace


def _make_ready(database: Path | None, manifest: Manifest, *, hold: bool) -> Held:
    if database is None or not database.exists():
        return Held(0, 0)
    check_database(database)
    if hold:
        return hold_what_was_under_way(database, taken(manifest), time.time())
    prepare(database)
    return Held(0, 0)


def _staged(target: Path, state_dir: Path, stamp: str) -> Path:
    """Where what takes the place of `target` is unpacked: on its file system."""
    state = state_dir.resolve()
    if target.is_relative_to(state):
        return state / f"{STAGING_PREFIX}{stamp}" / str(target.relative_to(state)).replace("/", "_")
    return target.parent / f".{STAGING_PREFIX}{stamp}-{target.name}" / target.name


def _exchanges(plan: Plan, staged: Mapping[str, Path], state_dir: Path, stamp: str) -> list[Exchange]:
    found: list[Exchange] = []
    for part in PARTS:
        if part not in plan.places:
            continue
        target, new = plan.places[part], staged[part]
        aside = _aside(target, state_dir, stamp)
        if part == DATABASE:
            # Before the database: they would be taken for the new one's.
            sides = [(target.with_name(f"{target.name}{side}"), f"{aside}{side}") for side in SIDES]
            found += [Exchange(str(path), name, None) for path, name in sides]
        found.append(Exchange(str(target), str(aside), str(new) if new.exists() else None))
    return found


def _aside(target: Path, state_dir: Path, stamp: str) -> Path:
    state = state_dir.resolve()
    if target.is_relative_to(state):
        return state / f"{ASIDE_PREFIX}{stamp}" / target.relative_to(state)
    return target.with_name(f"{target.name}.{ASIDE_PREFIX}{stamp}")


def _top(exchange: Exchange, state_dir: Path) -> str:
    """The path to tell people: the folder of all that was in the state directory, or the one thing elsewhere."""
    state, aside = state_dir.resolve(), Path(exchange.aside)
    return str(state / aside.relative_to(state).parts[0]) if aside.is_relative_to(state) else exchange.aside


def _is_old(exchange: Exchange) -> bool:
    return os.path.lexists(exchange.target)


def _need_room(plan: Plan, staged: Mapping[str, Path]) -> None:
    """Refuse what the disks have no room for, before anything is written.

    Raises:
        StorageUnavailableError: `FULL`.
    """
    needs: dict[int, tuple[Path, int]] = {}
    for part, path in staged.items():
        size = sum(file.bytes for file in plan.manifest.files if file.path.split("/", 1)[0] == part)
        size *= 2 if part == DATABASE else 1  # a migration may write all of it anew
        device = path.parent.stat().st_dev
        needs[device] = path.parent, needs.get(device, (path.parent, SPARE_BYTES))[1] + size
    for folder, need in needs.values():
        disk = os.statvfs(folder)
        free = disk.f_bavail * disk.f_frsize
        if disk.f_blocks and free < need:
            what = f"{need // 1024**2 + 1} MB are needed, and {free // 1024**2} MB are free"
            message = f"There is no room in {folder} to unpack the backup: {what}. Free some room."
            raise StorageUnavailableError(Obstacle.FULL, message)
