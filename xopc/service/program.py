"""Where xopc is to be started from: what a service's definition names."""

from __future__ import annotations

import os
import sys
from pathlib import Path

NAME = "xopc"


def stable_program() -> tuple[str, ...]:
    """What starts xopc on this machine, absolute: the script of this environment, or else its interpreter."""
    script = Path(sys.executable).with_name(NAME)
    if os.access(script, os.X_OK):
        return (str(script),)
    # -P: a module in the working directory must not stand in for one of ours.
    return (sys.executable, "-P", "-m", NAME)
