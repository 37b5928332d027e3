"""Which service a command is about, and what to do where there can be none."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, TypeAlias

from attrs import evolve
from cyclopts import Parameter

from xopc.cli.gateway.target import Target, find_target
from xopc.cli.output import fail
from xopc.config.paths import Paths, resolve_paths
from xopc.contracts.errors import Failure, XopcError
from xopc.service.lockfile import read_lock
from xopc.service.managers.base import ServiceManager
from xopc.service.managers.find import find_manager

BOOTED = Path("/run/systemd/system")
"""There is one where systemd has started the machine: sd_booted(3)."""
FOREGROUND = "Run it in the foreground instead: xopc gateway"
UNAVAILABLE = "Daemon not available"

SystemOption: TypeAlias = Annotated[
    bool, Parameter(name="--system", help="The service of the whole machine, which root installs (Linux).")
]


def find_place(config: Path | None, *, system: bool, changes: bool = False) -> tuple[Target, ServiceManager | None]:
    """The gateway that is meant, and what manages its service; None where this platform has no manager.

    Raises:
        ConfigError: the environment names no usable place.
        XopcError: `system` is not for this platform, or `changes` are none of this user's.
    """
    target = find_target(config)
    if not system:
        return target, find_manager(target.environ)
    if sys.platform != "linux":
        raise XopcError(Failure.INVALID_REQUEST, "--system is for Linux alone: leave it out")
    if changes and os.getuid() != 0:
        raise XopcError(Failure.FORBIDDEN, _root_alone())
    target = _of_caller(target)
    return target, find_manager(target.environ, system=True)


def why_unavailable(manager: ServiceManager | None, environ: Mapping[str, str], *, system: bool) -> list[str]:
    """What to do where a manager does not answer, the likeliest first."""
    if manager is None:
        return [FOREGROUND]
    if manager.marker != "systemd":
        return [f"{manager.platform} does not answer in this session: log in at the machine itself.", FOREGROUND]
    if shutil.which("systemctl", path=environ.get("PATH")) is None or not BOOTED.is_dir():
        return ["systemd does not run this machine. In a container the gateway is the main process: xopc gateway"]
    return [*_cures_of_systemd(environ, system=system), FOREGROUND]


def refuse(manager: ServiceManager | None, environ: Mapping[str, str], *, system: bool, as_json: bool) -> int:
    """Tell that no service manager answers. Returns the exit code."""
    hints = why_unavailable(manager, environ, system=system)
    if as_json:
        return fail(UNAVAILABLE, as_json=True, hints=hints)
    name = manager.platform if manager is not None else sys.platform
    return fail(f"OS service not available on {name}", as_json=False, hints=hints)


def warnings_about_root(*, system: bool) -> list[str]:
    """What whoever installs as root should know."""
    if os.name == "nt" or os.getuid() != 0:
        return []
    if not system:
        return ["You are root: the gateway, and every tool that it runs, may do everything on this machine."]
    if not os.environ.get("SUDO_USER"):
        return ["The service runs as root. To have it run as you, call this through sudo as yourself."]
    return []


def _cures_of_systemd(environ: Mapping[str, str], *, system: bool) -> Iterator[str]:
    from xopc.service.managers.systemd import own_name

    caller, user = environ.get("SUDO_USER"), own_name()
    if system:
        yield _root_alone()
    elif os.getuid() == 0 and caller:
        yield f"sudo has no way to the services of {caller}: run it as {caller}, without sudo; or with --system"
    elif os.getuid() == 0:
        yield "root has no services of its own in this session: use --system"
    else:
        yield f"Log in as {user}, at the machine or through ssh: after `su`, or in a job of cron, there is no session."
        yield f"Or have one always: sudo loginctl enable-linger {user}"
        if not environ.get("XDG_RUNTIME_DIR"):
            yield f"Then, in this shell: export XDG_RUNTIME_DIR=/run/user/{os.getuid()}"


def _root_alone() -> str:
    command = shlex.join(["xopc", *sys.argv[1:]])
    return f"The service of the whole machine is root's: sudo {command}"


def _of_caller(target: Target) -> Target:
    """With sudo, the gateway of whoever called it: root's home has none.

    Raises:
        XopcError: it is not there yet. What root would make in another's home, its owner could not read.
    """
    import pwd

    caller = target.environ.get("SUDO_USER", "")
    if os.getuid() != 0 or caller in ("", "root"):
        return target
    entry = pwd.getpwnam(caller)
    environ = {**target.environ, "HOME": entry.pw_dir}
    paths = resolve_paths(environ)
    if not paths.config_path.is_file() or paths.config_path.stat().st_uid != entry.pw_uid:
        cure = f"make it as {caller}, without sudo: xopc gateway token --generate"
        raise XopcError(Failure.NOT_FOUND, f"{caller} has no configuration of their own at {paths.config_path}: {cure}")
    return evolve(target, environ=environ, paths=paths, lock=read_lock(paths.lock_path))


def give_to_owner(paths: Paths) -> None:
    """Let whoever the gateway is of own what root made of it just now; a link is not followed."""
    if os.name == "nt" or os.getuid() != 0:
        return
    owner = paths.config_path.parent.stat()
    backups = paths.config_path.parent.glob(f"{paths.config_path.name}.bak*")
    for path in (paths.state_dir, paths.workspace, paths.config_path, *backups):
        if path.lstat().st_uid == 0:
            os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)
