"""The real supervisor in a world that does what its environment says.

`FAKE_FAILED_SPAWNS=N`: the system starts no process the first N times. `FAKE_SIDECAR=FILE`: the shell that became this
process had started another one, whose pid is in the file. `FAKE_DEFECT`: the first look for an intent meets a defect.
"""

import errno
import os
import subprocess
import sys
from pathlib import Path

from xopc_supervisor import estate, loop
from xopc_supervisor.__main__ import main
from xopc_supervisor.child import Child

failures = iter(range(int(os.environ.get("FAKE_FAILED_SPAWNS", "0"))))
spawn = estate.children.spawn
consume = loop.intent.consume


def spawn_later(*args: object, **kwargs: object) -> Child:
    if next(failures, None) is not None:
        raise OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))
    return spawn(*args, **kwargs)  # type: ignore[arg-type] # as they came


def stumble(*_: object) -> None:
    loop.intent.consume = consume
    raise ZeroDivisionError("a defect")


estate.children.spawn = spawn_later
if "FAKE_DEFECT" in os.environ:
    loop.intent.consume = stumble
if path := os.environ.get("FAKE_SIDECAR"):
    # In a session of its own, so that it is found by being a child and by nothing else.
    sidecar = subprocess.Popen(
        ["sleep", "60"], start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    Path(path).write_text(str(sidecar.pid))

sys.exit(main())
