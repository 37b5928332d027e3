"""What `xopc doctor --fix` mends, and how: what loses nothing, and what has one right answer.

Nothing that holds conversations or settings is touched without a copy of what was there.
"""

from __future__ import annotations

import getpass
import os
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from attrs import evolve, frozen

from xopc.cli.doctor.check import Fault, Sight
from xopc.cli.output import sentence
from xopc.config.audit import CheckId, Severity
from xopc.config.regular import read_regular
from xopc.contracts.errors import XopcError
from xopc.service.audit import audited
from xopc.service.installations.program import stable_program
from xopc.service.managers.base import ServiceManagerError

TEMPORARY = "temporary-program"
COPY_NAME = "definition.before-fix"


@frozen
class Mended:
    """What came of one try."""

    check_ids: tuple[str, ...]
    """The faults that are one thing to mend."""
    where: str
    done: str
    """What was done, in sentences; empty where it was not."""
    error: str = ""
    """Why it was not."""


class CannotMendError(Exception):
    """It is not for a program to mend. The text says why."""


def is_fixable(fault: Fault) -> bool:
    """Whether `mend` knows a cure; it may still fail."""
    return _mend_of(fault) is not None


def mend(sight: Sight, faults: Iterable[Fault]) -> Iterator[Mended]:
    """Mend what can be mended, one after the other; what is one action is done once."""
    together: dict[tuple[Mend, str], list[Fault]] = {}
    for fault in faults:
        action = _mend_of(fault)
        if action is not None:
            key = (action, "" if action is write_service_anew else fault.where)
            together.setdefault(key, []).append(fault)
    for (action, _), group in together.items():
        yield _try(action, sight, group)


def checked(one: Mended, left: Iterable[Fault]) -> Mended:
    """The same, after another look found `left`: what is there as before was not mended, whatever was done."""
    still = {fault.check_id for fault in left if fault.where == one.where}
    if not one.done or still.isdisjoint(one.check_ids):
        return one
    return evolve(one, done="", error=f"what was done did not help.\n{one.done}")


Mend = Callable[[Sight, Fault], str]


def _try(action: Mend, sight: Sight, faults: list[Fault]) -> Mended:
    first, check_ids = faults[0], tuple(fault.check_id for fault in faults)
    try:
        return Mended(check_ids, first.where, action(sight, first))
    except OSError as error:
        return Mended(check_ids, first.where, "", sentence(error))
    except (CannotMendError, ServiceManagerError, XopcError) as error:
        return Mended(check_ids, first.where, "", str(error))


def _mend_of(fault: Fault) -> Mend | None:
    if fault.check_id in MENDS:
        return MENDS[fault.check_id]
    of_service = fault.check_id.removeprefix("service.")
    if of_service == TEMPORARY and audited.is_temporary(Path(stable_program()[0])):
        return None  # a new definition would name the same place
    is_definition = of_service in DEFINITION or of_service.startswith(("systemd-", "launchd-", "schtasks-"))
    is_wanted = fault.check_id.startswith("service.") and fault.severity is not Severity.INFO
    return write_service_anew if is_definition and is_wanted else None


def close_to_others(_: Sight, fault: Fault) -> str:
    """Take the permissions of group and others away."""
    path = Path(fault.where)
    if path.is_symlink():
        raise CannotMendError("it is a symbolic link: mend what it points to")
    before = stat.S_IMODE(path.stat().st_mode)
    path.chmod(before & 0o700)
    return f"Its mode was {before:04o}, and is {before & 0o700:04o}."


def remove_leftover(sight: Sight, fault: Fault) -> str:
    """Remove a file that means nothing any more."""
    from xopc.cli.doctor.places import of_intent

    path = Path(fault.where)
    if path.parent != sight.target.paths.state_dir or not stat.S_ISREG(path.lstat().st_mode):
        raise CannotMendError("it is not a file of the state directory")
    if path == sight.target.paths.intent_path and not list(of_intent(path)):
        raise CannotMendError("somebody restarts the gateway right now")
    path.unlink()
    return "It was removed."


def remove_pid_file(sight: Sight, fault: Fault) -> str:
    """Remove `gateway.pid`, where it is what its name says."""
    from xopc.cli.gateway.issues import LEGACY_PID_FILE

    path = sight.target.paths.state_dir / LEGACY_PID_FILE
    if path.is_symlink() or not read_regular(path).strip().isdigit():
        raise CannotMendError(f"{path} does not hold a pid")
    path.unlink()
    return f"{path} was removed."


def generate_token(sight: Sight, _: Fault) -> str:
    """Have the configuration get a token, as the first start does."""
    from xopc.config.resolve import Flags
    from xopc.config.setup import prepare

    prepared = prepare(sight.target.environ, Flags())
    if prepared.flags.token is not None:
        raise CannotMendError(f"{prepared.paths.config_path} cannot be written to")
    return f"{prepared.paths.config_path} has a new token; what it was is beside it. Show it: xopc gateway token"


def linger(sight: Sight, _: Fault) -> str:
    """Have the user's services run without a login."""
    from xopc.service.managers.tools import run_tool

    user = getpass.getuser()
    run_tool("loginctl", "enable-linger", user, environ=sight.target.environ).check()
    return f"Lingering is on for {user}."


def write_service_anew(sight: Sight, _: Fault) -> str:
    """Write the service's definition as `install --force` does, and keep the one that was there."""
    from xopc.cli.gateway.service.install import reinstall
    from xopc.service.audit.rules import PASSWORD_VARIABLE, TOKEN_VARIABLE

    service = sight.service
    if service is None or service.installed is None:
        raise CannotMendError("the service manager does not answer")
    if any(one.code in {"config-mismatch", "state-mismatch"} for one in service.findings):
        raise CannotMendError("the service is that of another configuration, and not for this command to change")
    if service.is_system and os.geteuid() != 0:
        raise CannotMendError(f"it is the machine's: {service.reinstall}")
    copy = _keep(sight.target.paths.state_dir, service.installed.source_path)
    # What this shell has for itself outranks the configuration, and is not what the service shall have.
    own = {TOKEN_VARIABLE, PASSWORD_VARIABLE}
    environ = {name: value for name, value in sight.target.environ.items() if name not in own}
    warnings = reinstall(evolve(sight.target, environ=environ), service.manager)
    told = [f"The definition was written anew; the one before is {copy}.", *warnings]
    if service.runtime.pid is not None:
        told.append("What runs has it after: xopc gateway restart")
    return "\n".join(told)


def _keep(state_dir: Path, definition: Path) -> Path:
    from xopc.config.write import write_private

    copy = state_dir / "service" / f"{definition.name}.{COPY_NAME}"
    copy.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_private(copy, definition.read_bytes())
    return copy


DEFINITION = frozenset(
    {
        "version-mismatch",
        "token-drift",
        "password-drift",
        "missing-program",
        "interpreter-gone",
        TEMPORARY,
        "port-mismatch",
        "would-refuse",
        "secret-embedded",
        "secrets-file-missing",
    }
)
"""What a new definition mends."""
MENDS: Mapping[str, Mend] = {
    "files.permissions": close_to_others,
    "files.stale-intent": remove_leftover,
    "gateway.legacy-pid-file": remove_pid_file,
    "service.secrets-file-readable": close_to_others,
    "service.no-linger": linger,
    CheckId.MISSING_TOKEN.value: generate_token,
}
