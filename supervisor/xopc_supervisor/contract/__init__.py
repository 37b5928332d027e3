"""What the supervisor and the gateway agree on: exit codes, words, environment variables, and values of several fields.

The only package of the supervisor that `xopc` may import, and under this name alone. Standard library only, and little
of it: the supervisor's whole process fits in a few megabytes because nothing here pulls in more.
"""

from __future__ import annotations

# ---------------------------------------------------------------- exit codes

EXIT_OK = 0
EXIT_FAILURE = 1
EXIT_USAGE = 2
EXIT_GAVE_UP = 70
"""The supervisor saw no child become ready (EX_SOFTWARE of sysexits.h)."""
EXIT_IO = 74
"""Of a child: the disk or the network does not let it start for now (EX_IOERR of sysexits.h). Never given up."""
EXIT_RESTART = 75
"""Of a child: respawn me now, it is not a crash (EX_TEMPFAIL of sysexits.h)."""
EXIT_CONFIG = 78
"""A start that no retry can mend: configuration, authentication (EX_CONFIG of sysexits.h)."""

# ------------------------------------------------- words on the line between

LISTEN = "listen"
"""Child, before `standby`: `listen <json>`, the addresses that its configuration names, where they are not those of
its sockets. The answer is `sockets` or `refused`."""
STANDBY = "standby"
"""Child: imported, configuration valid (a spare has not looked at it), live database not written to.
`standby <version> <schema>`."""
LISTENING = "listening"
"""Child: accepting connections."""
READY = "ready"
"""Child: the first phase of start-up is done and it listens; said again after each in-process restart and reload.
`ready <seconds> <0|1> [accepted]`: how long it may then stay silent (`gateway.watchdogSeconds`; 0 is for ever), whether
a spare is to wait beside it (`gateway.standby`), and whether it serves with the configuration that was last accepted,
because the file does not validate."""
ACCEPTED = "accepted"
ALIVE = "alive"
"""Child: its event loop turns."""
STOPPING = "stopping"
"""Child: draining, and will exit."""
RESTART = "restart"
"""Either way: `restart <mode> <reason>`. To the child a request. From the child an announcement, or, with mode
`respawn`, the wish for a successor, for which it goes on serving until `hand-over`."""
FAILED = "failed"
"""Child: `failed <what, where, what to do>`, before it exits."""
SOCKETS = "sockets"
"""Supervisor: `sockets <count>`: so many descriptors come with the word, in the order of `listen`, without those that
are not required and not to be had."""
REFUSED = "refused"
"""Supervisor: `refused <why>`: there are no sockets for `listen`."""
GO = "go"
"""Supervisor: open the database and serve. `go <json>`, see `Go`."""
HAND_OVER = "hand-over"
"""Supervisor: the successor stands by; drain, and leave the sockets to it. One descriptor comes with the word: idle
connections go through it to the successor's `Inheritance.heirloom_fd`."""
DECLINED = "declined"
"""Supervisor: `declined <why>`: there is no successor; go on."""
STOP = "stop"
"""Supervisor: drain and exit. `stop <reason>`; when the reason begins with `restart `, the service manager starts
the gateway again."""

IN_PROCESS = "in-process"
"""Restart mode: the same process replaces its generation."""
RESPAWN = "respawn"
"""Restart mode: a new process takes over."""
RELOAD = "reload"
"""Restart mode: as in-process, for a changed configuration; `commands.restart` does not forbid it."""

# -------------------------------------------------------------- environment

LAUNCH_VARIABLE = "XOPC_LAUNCH"
"""`Launch` as JSON, from the CLI to the supervisor and on to each child."""
INHERITANCE_VARIABLE = "XOPC_INHERITANCE"
"""`Inheritance` as JSON, from the supervisor to one child."""
MARKER_VARIABLE = "XOPC_SERVICE_MARKER"
"""Names the service manager that owns the supervisor: `systemd`, `launchd` or `schtasks`."""
NO_RESPAWN_VARIABLE = "XOPC_NO_RESPAWN"
"""Truthy: no new process is ever started."""


def is_on(value: str | None) -> bool:
    """How a switch in the environment reads that is off unless it is turned on."""
    return (value or "").strip().lower() in {"1", "true", "yes", "on"}


def is_off(value: str | None) -> bool:
    """How a switch in the environment reads that is on unless it is turned off."""
    return (value or "").strip().lower() in {"0", "false", "no", "off"}


# -------------------------------------------------- values of several fields

from xopc_supervisor.contract.files import (  # noqa: E402 - they are made of the words above
    Installation as Installation,
    LockInfo as LockInfo,
    RestartIntent as RestartIntent,
    config_hash as config_hash,
    lock_path as lock_path,
)
from xopc_supervisor.contract.launch import (  # noqa: E402 - as before
    Address as Address,
    Go as Go,
    Inheritance as Inheritance,
    JsonObject as JsonObject,
    Launch as Launch,
)
from xopc_supervisor.contract.processes import (  # noqa: E402 - as before
    is_alive as is_alive,
    is_suspended as is_suspended,
    start_time as start_time,
)
