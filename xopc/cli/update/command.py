"""`xopc update`."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from attrs import frozen
from cyclopts import Parameter

from xopc.cli.options import ConfigOption, Duration, DurationOption, JsonOption
from xopc.cli.output import fail, print_json, sentence
from xopc.contracts.errors import Failure, XopcError
from xopc_supervisor.contract import EXIT_OK, EXIT_USAGE

if TYPE_CHECKING:
    from xopc.cli.update.change import Change
    from xopc.cli.update.hand_over import Handed
    from xopc.service.installations.build import Candidate
    from xopc.service.installations.origin import Origin
    from xopc.service.installations.versions import Environment, Installations

DEFAULT_WAIT = Duration(60)
WaitOption = Annotated[
    DurationOption, Parameter(name="--wait", help="How long the new version may take to serve (default: 60s).")
]


@frozen
class Wanted:
    """What was asked for."""

    version: str | None
    wheel: Path | None
    wait_seconds: float
    as_json: bool


def update(
    *,
    check: Annotated[bool, Parameter(help="Only look whether there is a newer version.")] = False,
    version: Annotated[str | None, Parameter(help="This version, instead of the newest.")] = None,
    wheel: Annotated[Path | None, Parameter(help="The version in this file.")] = None,
    rollback: Annotated[bool, Parameter(help="Go back to the version that was in use before.")] = False,
    to: Annotated[str | None, Parameter(help="With --rollback: to this version, if it is still there.")] = None,
    wait: WaitOption = DEFAULT_WAIT,
    dry_run: Annotated[bool, Parameter(help="Tell what would be done, and do nothing.")] = False,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> int:
    """Bring xopc to its newest version, or back; the running gateway is replaced without a client being refused.

    The new version is installed beside the old one and tried first. If it cannot take over, the old one serves on.
    """
    if problem := _contradiction(check=check, version=version, wheel=wheel, rollback=rollback, to=to):
        print(f"xopc update: {problem}", file=sys.stderr)
        return EXIT_USAGE
    from xopc.cli.gateway.target import find_target
    from xopc.cli.update.change import Change
    from xopc.config.paths import programs_dir
    from xopc.service.installations.origin import find_origin
    from xopc.service.installations.versions import installations

    wanted = Wanted(version, wheel, wait, as_json)
    try:
        target = find_target(config)
        origin = find_origin()
        installed = installations(str(origin.prefix), programs_dir(target.environ))
        if check or (dry_run and not rollback):
            return _look(installed, origin, wanted, check=check)
        with installed.locked():
            change = Change(target, installed, wait, _teller(as_json=as_json))
            if rollback:
                return _go_back(change, to, wanted, dry_run=dry_run)
            return _go_on(change, origin, wanted)
    except XopcError as error:
        return fail(f"Update failed: {error.message}", as_json=as_json)
    except BrokenPipeError:
        raise
    except OSError as error:
        return fail(f"Update failed: {sentence(error)}", as_json=as_json)


def _contradiction(
    *, check: bool, version: str | None, wheel: Path | None, rollback: bool, to: str | None
) -> str | None:
    """Why the options do not go together."""
    if to is not None and not rollback:
        return "--to goes with --rollback; to install a version: --version"
    if version is not None and wheel is not None:
        return "--version and --wheel name two versions: give one of them"
    if rollback and (check or version is not None or wheel is not None):
        return "--rollback goes back to a version that is still there, and installs none: --rollback --to VERSION"
    if version is not None and not re.fullmatch(r"[0-9][0-9A-Za-z.+!-]*", version):
        return "--version takes a version, such as 1.2.0"
    if wheel is not None and not wheel.is_file():
        return f"{wheel} is no file: name the wheel that --wheel is for"
    return None


def _look(installed: Installations, origin: Origin, wanted: Wanted, *, check: bool) -> int:
    """Tell what an update would do."""
    from xopc.service.installations.build import resolve

    current = installed.current()
    version = current.version if current else origin.version
    found = resolve(wanted.version, wanted.wheel, installed.all())
    is_available = _is_wanted(found, current, version, wanted)
    place = installed.free_place(found.version)
    if wanted.as_json:
        result = {"current": version, "newest": found.version, "updateAvailable": is_available}
        print_json({"ok": True, **result, "place": str(place) if is_available and not check else None})
    elif not is_available:
        print(f"✅ xopc {version} is the newest version.")
    elif check:
        print(f"🆕 xopc {found.version} is there; {version} is in use. Get it with: xopc update")
    else:
        print(f"xopc {found.version} would be installed in {place}, tried, and take the place of {version}.")
    return EXIT_OK


def _go_on(change: Change, origin: Origin, wanted: Wanted) -> int:
    from xopc.service.installations.build import build, resolve

    installed = change.installed
    if (pending := installed.pending()) is not None:
        change.resume(pending)
    current = installed.current()
    if current is None and origin.is_kept:
        installed.use(origin.prefix)
        change.tell(f"What was in use is gone or not whole: xopc {origin.version} is in use again.")
        current = installed.current()
    version = current.version if current is not None else origin.version
    found = resolve(wanted.version, wanted.wheel, installed.all())
    is_wanted = _is_wanted(found, current, version, wanted)
    if not origin.is_kept and (is_wanted or current is not None):
        _adopt(change, origin)
    if not is_wanted:
        installed.clean_up()
        return _tell_nothing_to_do(version, found, as_json=wanted.as_json)
    source = _current(installed)
    to = next((each for each in installed.all() if (each.version, each.origin) == (found.version, found.origin)), None)
    if to is None:
        place = installed.free_place(found.version)
        change.tell(f"Installing xopc {found.version} in {place}.")
        to = build(found, place, installed)
    handed = change.make(source, to, f"xopc update from {source.version}")
    return _tell_done(change, source, to, handed, "updated", as_json=wanted.as_json)


def _adopt(change: Change, origin: Origin) -> None:
    """Let this environment belong to those that are looked after."""
    change.installed.adopt(origin.prefix, origin.version_file)
    where = f"{origin.prefix}, made by {origin.installer}, stays: the xopc in it leads to the version in use"
    change.tell(f"Versions are kept in {change.installed.root} from now on. {where}.")


def _go_back(change: Change, version: str | None, wanted: Wanted, *, dry_run: bool) -> int:
    installed = change.installed
    source = _current(installed)
    if not dry_run:
        change.abandon()
    to = installed.previous() if version is None else installed.find(version)
    if to is None or to.path == source.path:
        others = [each.version for each in installed.all() if each.path != source.path]
        what = f"there is no version before {source.version}" if version is None else f"xopc {version} is not there"
        if to is not None:
            what = f"xopc {source.version} is in use already"
        cure = f"Those that are: {', '.join(others)}" if others else "Install one with `xopc update --version VERSION`"
        raise XopcError(Failure.NOT_FOUND, f"{what}. {cure}.")
    if dry_run:
        return _tell_plan(source, to, as_json=wanted.as_json)
    try:
        handed = change.make(source, to, f"xopc update --rollback from {source.version}")
    except XopcError as error:
        copy = change.told_copy() if error.failure is Failure.CONFLICT else ""
        raise XopcError(error.failure, f"{error.message} {copy}".strip()) from None
    return _tell_done(change, source, to, handed, "rolled-back", as_json=wanted.as_json)


def _current(installed: Installations) -> Environment:
    current, link = installed.current(), installed.root / "current"
    if current is None and not link.is_symlink():
        raise XopcError(Failure.NOT_FOUND, "nothing was updated yet, so there is nothing to go back to")
    if current is None:
        raise XopcError(Failure.NOT_FOUND, f"{link} leads to no version that is whole. Call `xopc update` first.")
    return current


def _is_wanted(found: Candidate, current: Environment | None, version: str, wanted: Wanted) -> bool:
    """Whether what was found is to take the place of what is in use."""
    from xopc.service.installations.build import is_newer

    if wanted.wheel is not None:
        return current is None or (found.version, found.origin) != (version, current.origin)
    return found.version != version if wanted.version is not None else is_newer(found.version, version)


def _teller(*, as_json: bool) -> Callable[[str], None]:
    def tell(text: str) -> None:
        print(text, file=sys.stderr if as_json else sys.stdout, flush=True)

    return tell


def _tell_nothing_to_do(version: str, found: Candidate, *, as_json: bool) -> int:
    if as_json:
        print_json({"ok": True, "result": "up-to-date", "current": version, "newest": found.version})
    else:
        print(f"✅ xopc {version} is in use, and there is nothing to do.")
    return EXIT_OK


def _tell_plan(source: Environment, to: Environment, *, as_json: bool) -> int:
    if as_json:
        print_json({"ok": True, "result": "dry-run", "from": source.version, "to": to.version, "place": str(to.path)})
    else:
        print(f"xopc {to.version} in {to.path} would be tried, and take the place of {source.version}.")
    return EXIT_OK


def _tell_done(
    change: Change, source: Environment, to: Environment, handed: Handed, result: str, *, as_json: bool
) -> int:
    from xopc.cli.update.definition import bring_up_to_date
    from xopc.cli.update.hand_over import End, left_behind

    installed = change.installed
    removed = installed.clean_up()
    warnings = [*bring_up_to_date(change.target, to), *left_behind(change.target, installed, to)]
    if handed.end is End.LEFT_ALONE:
        warnings.insert(0, f"{handed.reason[0].upper()}{handed.reason[1:]}.")
    if as_json:
        print_json(
            {
                "ok": True,
                "result": result,
                "from": source.version,
                "to": to.version,
                "gateway": handed.end.value,
                "waitedMs": handed.waited_ms,
                "program": str(installed.program),
                "removed": removed,
                "databaseCopy": str(change.copy) if change.copy else None,
                "warnings": warnings,
            }
        )
        return EXIT_OK
    served = {
        End.HANDED_OVER: f"and its gateway serves ({handed.waited_ms} ms)",
        End.NOT_RUNNING: "and no gateway runs: the next start is of this version",
    }.get(handed.end, "and the gateway that runs is not")
    print(f"✅ xopc {to.version} is in use, {served}.")
    for warning in warnings:
        print(f"⚠️  {warning}")
    print(f"   Back to {source.version}: xopc update --rollback")
    return EXIT_OK
