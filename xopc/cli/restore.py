"""`xopc restore`: a backup takes the place of what is there, which is moved aside."""

from __future__ import annotations

import shlex
import shutil
import sys
import tempfile
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated

from cyclopts import Parameter

from xopc.cli.backup import contents, left_out
from xopc.cli.gateway.target import finish_restore, read_environment
from xopc.cli.options import ConfigOption, JsonOption
from xopc.cli.output import as_typed, fail, print_json
from xopc.config.paths import from_home, resolve_paths
from xopc.contracts.errors import Failure, XopcError
from xopc_supervisor.contract import EXIT_OK

if TYPE_CHECKING:
    from xopc.config.paths import Paths
    from xopc.service.backup.restoring import Plan, Restored

PLACES = ("XOPC_CONFIG_PATH", "XOPC_CONFIG", "XOPC_WORKSPACE", "XOPC_MODELS_JSON", "XOPC_CREDENTIALS_DIR")
"""Variables that name places outside of a state directory."""


def restore(
    file: Annotated[str, Parameter(allow_leading_hyphen=True, help="What `xopc backup` wrote; - is standard input.")],
    /,
    *,
    to: Annotated[
        Path | None,
        Parameter(help="A state directory of its own to restore to, new or empty; what is in use stays as it is."),
    ] = None,
    outside: Annotated[
        Path | None,
        Parameter(
            help="Agree that the workspace goes to this folder outside of the state directory, as the backup says."
        ),
    ] = None,
    send_again: Annotated[
        bool,
        Parameter(
            name="--send-again",
            help="Send and answer what waited when the backup was made, though that may have been done since.",
        ),
    ] = False,
    dry_run: Annotated[
        bool, Parameter(name="--dry-run", help="Check the backup, and tell what would be done.")
    ] = False,
    yes: Annotated[bool, Parameter(name="--yes", negative="", help="Do not ask.")] = False,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> int:
    """Check a backup, and put it in the place of what is there. The gateway has to be stopped.

    What was there is moved aside, and nothing is deleted.
    """
    from xopc.service.backup.journal import obstacle
    from xopc.service.backup.reading import verify
    from xopc.service.backup.restoring import plan_restore, restore_backup

    environ = read_environment(config)
    if to is not None:
        _refuse_full(to)
        environ = {name: value for name, value in environ.items() if name not in PLACES}
        environ["XOPC_STATE_DIR"] = str(to.absolute())
    paths = resolve_paths(environ)
    finish_restore(paths)
    name = "The backup" if file == "-" else file
    with _open(file) as data:
        verified = verify(data, name)
        plan = plan_restore(verified, paths, environ, apart=to is not None)
        in_the_way = obstacle(paths)
        if dry_run:
            return _tell_plan(plan, in_the_way, as_json=as_json)
        if in_the_way is not None:
            return fail(in_the_way, as_json=as_json)
        if not yes and not _agreed(file, plan, as_json=as_json):
            return fail("Nothing was restored.", as_json=as_json, hints=["To restore without a question, add --yes"])
        place = plan.named_by_backup
        if yes and place is not None and (outside is None or outside.expanduser().resolve() != place):
            return _refuse_unasked(place, as_json=as_json)
        restored = restore_backup(data, name, plan, paths, hold=not send_again)
    start = _start(config) if to is None else f"XOPC_STATE_DIR={shlex.quote(str(to.absolute()))} xopc gateway"
    _tell(file, plan, restored, paths, start, as_json=as_json)
    return EXIT_OK


def _open(name: str) -> IO[bytes]:
    """A backup to be read; what comes through a pipe is kept in a private file meanwhile.

    Raises:
        XopcError: there is no such file.
    """
    if name == "-":
        return _kept(sys.stdin.buffer)
    path = Path(name)
    if path.is_dir():
        raise XopcError(Failure.CONFLICT, f"{path} is a folder: name a backup in it.")
    try:
        file = path.open("rb")
    except FileNotFoundError:
        raise XopcError(Failure.NOT_FOUND, f"There is no file {path}. xopc backup tells where it writes.") from None
    if file.seekable():
        return file
    with file:
        return _kept(file)


def _kept(pipe: IO[bytes]) -> IO[bytes]:
    spooled = tempfile.TemporaryFile()  # noqa: SIM115  the caller closes it
    shutil.copyfileobj(pipe, spooled)
    return spooled


def _refuse_full(folder: Path) -> None:
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise XopcError(Failure.CONFLICT, f"{folder} is there, and not empty: name a new folder with --to.")


def _agreed(file: str, plan: Plan, *, as_json: bool) -> bool:
    if as_json or file == "-" or not sys.stdin.isatty():
        return False
    _tell_backup(plan)
    print("What is in their places now is moved aside.")
    try:
        return input("Restore? [y/N] ").strip().lower() in ("y", "yes")
    except EOFError:
        return False


def _refuse_unasked(place: Path, *, as_json: bool) -> int:
    what = f"The backup's own configuration has its workspace in {place}, outside of the state directory"
    hints = [
        f"If what is there may be moved aside, say so: --outside {shlex.quote(str(place))}",
        "To look at the backup, and leave everything else as it is: --to FOLDER",
    ]
    return fail(
        f"{what}, and nothing on this machine names that place. Nothing was restored.", as_json=as_json, hints=hints
    )


def _tell_backup(plan: Plan) -> None:
    from xopc.service.backup.restoring import taken

    manifest = plan.manifest
    print(f"The backup of {taken(manifest)}, made by xopc {manifest.version}, is whole:")
    print(f"   {contents(manifest)}")
    for line in left_out(manifest):
        print(line)
    print("It goes here:")
    present = {one.path.split("/", 1)[0] for one in manifest.files}
    for part, path in plan.places.items():
        print(f"   {part}: {from_home(path)}{'' if part in present else ' (it has none)'}")
    for warning in plan.warnings:
        print(f"⚠️ {warning}")


def _tell_plan(plan: Plan, in_the_way: str | None, *, as_json: bool) -> int:
    if as_json:
        print_json({"ok": True, "dryRun": True, **_plan_json(plan), "obstacle": in_the_way})
        return EXIT_OK
    _tell_backup(plan)
    if in_the_way is not None:
        print(f"⚠️ {in_the_way}")
    print("Nothing was changed.")
    return EXIT_OK


def _plan_json(plan: Plan) -> dict[str, object]:
    manifest = plan.manifest
    return {
        "version": manifest.version,
        "schema": manifest.schema,
        "createdAt": manifest.created_at,
        "files": len(manifest.files),
        "unpackedBytes": manifest.bytes,
        "places": {part: str(path) for part, path in plan.places.items()},
        "warnings": list(plan.warnings),
    }


def _tell(file: str, plan: Plan, restored: Restored, paths: Paths, start: str, *, as_json: bool) -> None:
    held = restored.held
    if as_json:
        what = {"movedAside": list(restored.aside), "held": {"outbox": held.outbox, "inbox": held.inbox}}
        print_json({"ok": True, "dryRun": False, **_plan_json(plan), "stateDir": str(paths.state_dir), **what})
        return
    from xopc.service.backup.restoring import taken

    print(f"✅ Restored to {from_home(paths.state_dir)}: the backup of {taken(plan.manifest)}")
    for path in restored.aside:
        print(f"   What was there: {from_home(Path(path))}")
    for warning in plan.warnings:
        print(f"⚠️ {warning}")
    if held.outbox:
        print(f"⚠️ {_messages(held.outbox)} waited to be sent then, and may have been since. See: xopc outbox list")
    if held.inbox:
        print(f"⚠️ {_messages(held.inbox)} waited for an answer then. See: xopc inbox list")
    print(as_typed(f"💡 Start with: {start}"))


def _start(config: Path | None) -> str:
    """What starts the gateway: by hand, or as the service that it is."""
    from xopc.cli.gateway.managed import find_service
    from xopc.cli.gateway.target import find_target
    from xopc.service.managers.find import in_scope

    service = find_service(find_target(config))
    return in_scope(service.manager, "xopc gateway service start") if service else "xopc gateway"


def _messages(count: int) -> str:
    return f"{count} message{'' if count == 1 else 's'}"
