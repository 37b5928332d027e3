"""The installed versions of xopc, side by side, and which of them is in use.

<root>/bin/xopc            what is started: leads to the version in use
<root>/current             link to it, switched in one step
<root>/previous            link to the one before, for a rollback
<root>/versions/<version>  environments, or links to one that was there before the first update
<root>/update.json         an update whose end is not known
<root>/update.lock         held while one runs
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import tempfile
from collections.abc import Generator, Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path

import psutil
from attrs import frozen

from xopc.config.regular import read_regular
from xopc.contracts.errors import Failure, XopcError
from xopc.service.installations.program import NAME
from xopc_supervisor.contract import Installation

KEPT_VERSIONS = 2
"""Old ones that stay beside the one in use."""
REMOVED = ".removed-"


@frozen
class Environment:
    """One environment with xopc in it."""

    path: Path
    """Without links."""
    version: str
    origin: str
    """See `Installation.origin`; empty where it is not known."""

    @property
    def python(self) -> Path:
        return self.path / "bin" / "python"


@frozen
class Pending:
    """An update that was begun: `current` leads to `target`, or is about to."""

    source: Path
    target: Path


@frozen
class Installations:
    """All versions below one root. None of its files has to exist."""

    root: Path

    @property
    def versions(self) -> Path:
        return self.root / "versions"

    @property
    def program(self) -> Path:
        """What starts the version in use."""
        return self.root / "bin" / NAME

    @property
    def journal(self) -> Path:
        return self.root / "update.json"

    def current(self) -> Environment | None:
        """The version in use; None where none is, or it is gone."""
        return read_environment(self.root / "current")

    def previous(self) -> Environment | None:
        """The one that was in use before, if it is still there."""
        return read_environment(self.root / "previous")

    def all(self) -> list[Environment]:
        """Those that are whole, the newest first."""
        found = {each.path: each for path in self._paths() if (each := read_environment(path)) is not None}
        return sorted(found.values(), key=lambda each: (each.path / Installation.NAME).stat().st_mtime, reverse=True)

    def find(self, version: str) -> Environment | None:
        """The newest environment with a version."""
        return next((each for each in self.all() if each.version == version), None)

    def adopt(self, prefix: Path, version_file: Path) -> None:
        """Count an environment that somebody else made as a version; the one in use, where none is.

        Raises:
            OSError: its directory, or the root, cannot be written to.
        """
        prefix = prefix.resolve()
        self.versions.mkdir(parents=True, exist_ok=True)
        if prefix not in [path.resolve() for path in self._paths()]:
            version = read_version(version_file) or "unknown"
            _link(self.free_place(version), prefix)
        self.seal(prefix, version_file, "")
        if self.current() is None:
            self.use(prefix)

    def free_place(self, version: str) -> Path:
        """Where an environment with a version can be made: `versions/<version>`, or with a number behind it."""
        number = 1
        while os.path.lexists(place := self.versions / (version if number == 1 else f"{version}-{number}")):
            number += 1
        return place

    def seal(self, path: Path, version_file: Path, origin: str) -> None:
        """Say of an environment that it is whole, in itself; until then it is none.

        Raises:
            OSError: it cannot be written to.
        """
        record = Installation(str(self.root / "current"), str(version_file.relative_to(path)), origin)
        _write(path / Installation.NAME, record.to_json())

    def use(self, path: Path) -> None:
        """Let the program lead to an environment, in one step."""
        _link(self.root / "current", path)
        if not self.program.is_symlink():
            self.program.parent.mkdir(parents=True, exist_ok=True)
            _link(self.program, Path("..") / "current" / "bin" / NAME)

    def remember(self, path: Path) -> None:
        """Let `previous` be an environment."""
        _link(self.root / "previous", path)

    # ---------------------------------------------------------------- updates

    @contextmanager
    def locked(self) -> Generator[None]:
        """Keep every other update out.

        Raises:
            XopcError: `CONFLICT`: one runs.
            OSError: the root cannot be written to.
        """
        self.root.mkdir(parents=True, exist_ok=True)
        with (self.root / "update.lock").open("a+", encoding="utf-8") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.seek(0)
                pid = file.read(20).strip() or "unknown"
                raise XopcError(Failure.CONFLICT, f"another update runs (pid {pid}): wait until it has ended") from None
            file.truncate(0)
            file.write(str(os.getpid()))
            file.flush()
            yield

    def is_locked(self) -> bool:
        """Whether an update runs."""
        try:
            path = self.root / "update.lock"
            with path.open("rb") if path.is_file() else nullcontext() as file:  # a pipe would be waited for
                if file is not None:
                    fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:
            pass
        return False

    def pending(self) -> Pending | None:
        """The update that was cut off, if one was."""
        try:
            values = json.loads(read_regular(self.journal))
            return Pending(Path(values["source"]), Path(values["target"]))
        except (OSError, ValueError, TypeError, KeyError):
            return None

    def begin(self, pending: Pending) -> None:
        """Note an update before anything is switched."""
        _write(self.journal, json.dumps({"source": str(pending.source), "target": str(pending.target)}) + "\n")

    def finish(self) -> None:
        """Its end is known."""
        self.journal.unlink(missing_ok=True)

    def clean_up(self) -> list[str]:
        """Remove what is no longer needed: old versions, those that were never whole. Gives the names of the versions.

        The one in use, the one before, those of running processes and those that somebody else made are kept.
        """
        whole = self.all()
        kept = {link.path for link in (self.current(), self.previous()) if link is not None}
        others = [each for each in whole if each.path not in kept]
        room = max(0, KEPT_VERSIONS - (len(kept) - 1))
        kept.update(each.path for each in others[:room])
        running = set(_running_environments(self.versions))
        removed: list[str] = []
        for path in self._paths(with_removed=True):
            if path.is_symlink():
                if not path.exists():
                    path.unlink()
            elif path.resolve() not in kept | running:
                removed.append(path.name)
                self._remove(path)
        return [name for name in removed if not name.startswith(REMOVED)]

    def _remove(self, path: Path) -> None:
        """In two steps: what was removed by half must not look whole."""
        gone = path
        if not path.name.startswith(REMOVED):
            gone = path.with_name(f"{REMOVED}{path.name}-{os.getpid()}")
            path.rename(gone)
        shutil.rmtree(gone, ignore_errors=True)

    def _paths(self, *, with_removed: bool = False) -> Iterator[Path]:
        with suppress(FileNotFoundError):
            yield from (path for path in [*self.versions.iterdir()] if with_removed or not path.name.startswith("."))


def installations(prefix: str, root: Path) -> Installations:
    """Those that an environment belongs to; `root` counts where it belongs to none yet."""
    record = Installation.read(prefix)
    return Installations(Path(record.current).parent if record else root)


def read_environment(path: Path) -> Environment | None:
    """The environment at `path`, which may be a link; None where there is none, or it is not whole."""
    path = path.resolve()
    record = Installation.read(str(path))
    version = read_version(path / record.version_file) if record else None
    if record is None or version is None or not os.access(path / "bin" / "python", os.X_OK):
        return None
    return Environment(path, version, record.origin)


def read_version(version_file: Path) -> str | None:
    """The `__version__` that a file assigns."""
    with suppress(OSError, UnicodeDecodeError):
        for line in version_file.read_text(encoding="utf-8").splitlines():
            name, equals, value = line.partition("=")
            if equals and name.strip() == "__version__":
                return value.strip().strip("\"'")
    return None


def _running_environments(versions: Path) -> Iterator[Path]:
    """The environments below `versions` that processes run from, as far as they may be seen."""
    root = str(versions.resolve())
    for process in psutil.process_iter(["cmdline"]):
        words: list[str] = process.info.get("cmdline") or []
        if words and words[0].startswith(f"{root}/"):
            yield versions.resolve() / words[0].removeprefix(f"{root}/").partition("/")[0]


def _link(link: Path, target: Path) -> None:
    """Let a link lead to `target`, in one step, and for good."""
    draft = link.with_name(f".{link.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    draft.symlink_to(target)
    draft.replace(link)
    _flush(link.parent)


def _write(path: Path, text: str) -> None:
    descriptor, draft = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fchmod(file.fileno(), 0o644)
            os.fsync(file.fileno())
        Path(draft).replace(path)
    except OSError as error:
        Path(draft).unlink(missing_ok=True)
        raise OSError(error.errno, error.strerror, str(path)) from error
    except BaseException:
        Path(draft).unlink(missing_ok=True)
        raise
    _flush(path.parent)


def _flush(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
