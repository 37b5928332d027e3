"""`xopc --dev gateway --reset`: the profile of developers, as if it had never run."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Generator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from xopc.config.paths import from_home, resolve_paths
from xopc.config.profile import DEV, profile_of
from xopc.contracts.errors import Failure, XopcError
from xopc.service.lockfile import read_lock


def refusal(environ: Mapping[str, str]) -> str | None:
    """Why the state that an environment names is not one to be deleted; None where it is the profile's own."""
    if profile_of(environ) != DEV:
        return "--reset deletes the state of the profile dev alone: give --dev, too"
    if environ.get("XOPC_STATE_DIR", "").strip():
        return "--reset deletes ~/.xopc-dev alone, and XOPC_STATE_DIR names another directory: unset it"
    return None


def reset(environ: Mapping[str, str]) -> None:
    """Delete all that the profile has on disk, after saying what that is.

    Raises:
        XopcError: a gateway runs with it, or the directory is a link to another. Nothing is deleted.
        OSError: something cannot be deleted, and what came before it is gone.
    """
    state = resolve_paths(environ).state_dir
    if state.is_symlink():
        raise XopcError(Failure.FORBIDDEN, f"{state} is a link to {state.readlink()}: delete there what you mean.")
    if not state.is_dir():
        return
    with _locked(state / "locks") as locks:
        # The locks go last: who holds them may still tell others to wait.
        entries = sorted(entry for entry in state.iterdir() if entry != locks)
        if entries:
            print(f"🧹 Deleting the state of the profile {DEV}, in {from_home(state)}:")
            print(f"   {', '.join(entry.name for entry in entries)}", flush=True)
        for entry in entries:
            _delete(entry)
        if locks.is_dir():
            shutil.rmtree(locks)


def _delete(entry: Path) -> None:
    if entry.is_dir() and not entry.is_symlink():
        shutil.rmtree(entry)
    else:
        entry.unlink(missing_ok=True)


@contextmanager
def _locked(directory: Path) -> Generator[Path]:
    """The directory of the locks, while no gateway can have one of those that are there."""
    with ExitStack() as held:
        for path in sorted(directory.glob("*.lock")):
            descriptor = os.open(path, os.O_RDWR)
            held.callback(os.close, descriptor)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                info = read_lock(path).info
                who = f"the gateway that runs (pid {info.pid})" if info else "a gateway that runs"
                what = f"--reset would take the state away from {who}. Stop it first: xopc gateway stop"
                raise XopcError(Failure.CONFLICT, what) from None
        yield directory
