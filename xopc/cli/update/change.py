"""The change from one installed version to another: tried before, switched, handed over, and taken back if need be."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path

from attrs import define

from xopc.cli.gateway.target import Target
from xopc.cli.update.hand_over import End, Handed, end_unready, hand_over
from xopc.config.paths import Paths
from xopc.contracts.errors import Failure, XopcError
from xopc.service.installations.trial import Verdict, try_on, try_start
from xopc.service.installations.versions import Environment, Installations, Pending, read_environment
from xopc.service.lockfile import read_lock
from xopc.storage.copy import copy_database

SERVING = "serving"
KEPT_COPIES = 2
BACK_SECONDS = 60.0
"""For the version before to serve again."""
BACKUPS = "backups"
COPY_INFIX = "-before-"
DRAFT = ".unfinished-"
"""How the name of a copy begins until all of it is there."""


@define
class Change:
    """One change, which tells each of its steps to `tell`, in a sentence."""

    target: Target
    installed: Installations
    wait_seconds: float
    tell: Callable[[str], None]
    copy: Path | None = None
    """Of the database, made before it got a newer schema."""

    def make(self, source: Environment, to: Environment, reason: str) -> Handed:
        """Let `to` be in use, and serve. Whatever keeps it from that leaves `source` in use, and serving.

        Raises:
            XopcError: `to` cannot be used; the text says why, and that all is as before.
            OSError: the disk fails.
        """
        verdict = self.examine(source, to)
        if verdict.brings_schema:
            self._copy_database(to.version)
        self.installed.begin(Pending(source.path, to.path))
        handed = self._switch(source, to, reason)
        self.installed.finish()
        return handed

    def examine(self, source: Environment, to: Environment) -> Verdict:
        """Try a version before anything is changed.

        Raises:
            XopcError: it is not fit to be used.
        """
        self.tell(f"Trying xopc {to.version}, while xopc {source.version} stays in use.")
        try_start(to)
        environ = self.target.environ
        verdict = try_on(to, environ)
        if verdict.database is not None:
            raise XopcError(Failure.CONFLICT, f"xopc {to.version} cannot go on with this database: {verdict.database}")
        if verdict.configuration is not None:
            self._weigh_refusal(source, to, verdict.configuration, environ)
        return verdict

    def resume(self, pending: Pending) -> Handed | None:
        """Bring an update to its end that was cut off; None where there is nothing left of it to do.

        Raises:
            XopcError: the version that it was for cannot serve, and the one before is in use again.
        """
        source, to = read_environment(pending.source), read_environment(pending.target)
        current = self.installed.current()
        if source is None or to is None or current is None or current.path != to.path:
            # It had not come to the switch, or had been taken back already.
            if current is None and source is not None:
                self.installed.use(source.path)
            self.installed.finish()
            return None
        self.tell(f"The last update, to xopc {to.version}, was cut off after the switch: it is brought to its end.")
        owner = read_lock(self.target.paths.lock_path)
        if (
            owner.is_alive
            and owner.info is not None
            and (owner.info.version, owner.info.state) == (to.version, SERVING)
        ):
            self.installed.remember(source.path)
            handed = Handed(End.HANDED_OVER)
        else:
            handed = self._switch(source, to, "xopc update, resumed")
        self.installed.finish()
        return handed

    def abandon(self) -> None:
        """Give up an update that was cut off. If what it was for is in use, that is what can be gone back from."""
        pending, current = self.installed.pending(), self.installed.current()
        if pending is not None and current is not None and current.path == pending.target:
            self.installed.remember(pending.source)
        self.installed.finish()

    def _switch(self, source: Environment, to: Environment, reason: str) -> Handed:
        self.installed.use(to.path)
        self.tell(f"xopc {to.version} is in use now.")
        handed = hand_over(self.target, self.installed, to, self.wait_seconds, reason)
        if handed.end in (End.KEPT, End.LOST):
            self._take_back(source, to, handed)
        self.installed.remember(source.path)
        return handed

    def _take_back(self, source: Environment, to: Environment, handed: Handed) -> None:
        """Raises XopcError, always: what went wrong, and how things are now."""
        what = f"xopc {to.version} could not take over: {handed.reason}"
        if handed.end is End.LOST and (why := self._why_not(source)):
            self.installed.remember(source.path)
            self.installed.finish()
            cure = "it is started again and again; see `xopc gateway logs`"
            raise XopcError(Failure.UNAVAILABLE, f"{what}. Going back is not possible, either: {why}. So {cure}.")
        self.installed.use(source.path)
        self.installed.finish()
        if handed.end is End.KEPT:
            raise XopcError(Failure.UNAVAILABLE, f"{what}. xopc {source.version} has gone on serving, and is in use.")
        end_unready(self.target)
        why = f"back from {to.version}"
        back = hand_over(self.target, self.installed, source, BACK_SECONDS, why, patient=True)
        if back.end is End.HANDED_OVER:
            raise XopcError(Failure.UNAVAILABLE, f"{what}. xopc {source.version} is in use, and serves again.")
        now = f"xopc {source.version} is in use again, but does not serve: {back.reason or back.end.value}"
        raise XopcError(Failure.UNAVAILABLE, f"{what}. {now}. See `xopc gateway status`.")

    def _why_not(self, source: Environment) -> str:
        """Why the version before cannot go on from here; empty where it can."""
        try:
            refusal = try_on(source, self.target.environ).database
        except XopcError as error:
            return error.message
        return f"{refusal} {self.told_copy()}".strip() if refusal else ""

    def told_copy(self) -> str:
        """Where the database is as it was before the newest schema, in a sentence; empty where there is none."""
        found = self.copy or next(iter(copies(self.target.paths)), None)
        if found is None:
            return ""
        return f"Its copy from before the update is {found}; what came since is not in it."

    def _weigh_refusal(self, source: Environment, to: Environment, refusal: str, environ: Mapping[str, str]) -> None:
        """A configuration that the version in use does not read here, either, says nothing against the other one: the
        running gateway has another environment, perhaps, and decides when it stands by."""
        try:
            is_new = try_on(source, environ).configuration is None
        except XopcError:
            is_new = False
        if is_new:
            raise XopcError(Failure.BAD_CONFIG, f"xopc {to.version} refuses this configuration: {refusal}")
        self.tell(f"⚠️  The configuration does not validate here: {refusal}")

    def _copy_database(self, version: str) -> None:
        paths = self.target.paths
        folder = paths.state_dir / BACKUPS
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        copy = folder / f"{paths.database.stem}{COPY_INFIX}{version}-{stamp}.db"
        for cut_off in folder.glob(f"{DRAFT}{paths.database.stem}{COPY_INFIX}*"):
            cut_off.unlink(missing_ok=True)
        draft = copy.with_name(f"{DRAFT}{copy.name}")
        copy_database(paths.database, draft)
        self.copy = draft.rename(copy)
        self.tell(f"It brings a newer schema: the database as it is now is kept as {self.copy}.")
        for old in copies(paths)[KEPT_COPIES:]:
            old.unlink(missing_ok=True)


def copies(paths: Paths) -> list[Path]:
    """The copies of a database that updates have made, the newest first."""
    found = (paths.state_dir / BACKUPS).glob(f"{paths.database.stem}{COPY_INFIX}*.db")
    return sorted(found, key=lambda path: path.stat().st_mtime, reverse=True)
