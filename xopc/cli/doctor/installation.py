"""Did the last update come to its end, and does the program lead to a version that is whole?"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator

from xopc.cli.doctor.check import Check, Fault, Result, Sight
from xopc.config.audit import Severity
from xopc.config.paths import programs_dir
from xopc.service.installations.versions import Installations, installations


def look_at_installation(sight: Sight) -> Result:
    """Is what is started next what was meant to be?"""
    installed = installations(sys.prefix, programs_dir(sight.target.environ))
    faults = [*_of_current(installed), *_of_journal(installed)]
    current = installed.current()
    where = f"xopc {current.version} is in use" if current else "No version is kept here by xopc update"
    return Result.of(faults, where)


def _of_current(installed: Installations) -> Iterator[Fault]:
    link = installed.root / "current"
    if not os.path.lexists(link) or installed.current() is not None:
        return
    whole = next(iter(installed.all()), None)
    cure = "Install xopc anew, for example in a clone of it: pipx install --force ."
    if whole is not None:
        cure = f"Take one that is: {whole.python} -P -m xopc update"
    what = f"It leads to {link.resolve()}. The next start fails, and so does {installed.program}."
    yield Fault(
        "installation.broken", Severity.CRITICAL, "The version in use is gone, or not whole", str(link), what, cure
    )


def _of_journal(installed: Installations) -> Iterator[Fault]:
    pending = installed.pending()
    if pending is None or installed.is_locked():
        return
    what = "The gateway may still run the version before; the next start is of the one in use."
    where = str(installed.journal)
    yield Fault("installation.cut-off", Severity.WARN, "The last update was cut off", where, what, "Run: xopc update")


CHECKS = (Check("installation.update", "installation", look_at_installation),)
