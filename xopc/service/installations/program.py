"""Where xopc is to be started from: a path that stays the same when versions come and go."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from xopc_supervisor.contract import Installation

NAME = "xopc"


def stable_program() -> tuple[str, ...]:
    """What starts xopc on this machine, absolute, now and after updates: what a service's definition names.

    That is `bin/xopc` of the place that `xopc update` keeps versions in, once it has updated this installation; until
    then the script of this environment.
    """
    record = Installation.read(sys.prefix)
    if record is not None and os.access(program := Path(record.current).parent / "bin" / NAME, os.X_OK):
        return (str(program),)
    script = Path(sys.executable).with_name(NAME)
    if os.access(script, os.X_OK):
        return (str(script),)
    # -P: a module in the working directory must not stand in for one of ours.
    return (sys.executable, "-P", "-m", NAME)


def successor(prefix: str) -> Path | None:
    """The script of the environment that has taken the place of the one at `prefix`.

    None where none has. A version that `xopc update` keeps has no successor: whoever names one by its path means it.
    """
    record = Installation.read(prefix)
    if record is None:
        return None
    current, own = Path(record.current).resolve(), Path(prefix).resolve()
    script = current / "bin" / NAME
    is_kept = own.parent == Path(record.current).parent.resolve() / "versions"
    return None if is_kept or own == current or not os.access(script, os.X_OK) else script
