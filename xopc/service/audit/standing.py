"""What does not fit between an installed service and the gateway that runs, or does not."""

from __future__ import annotations

from collections.abc import Iterator

from attrs import frozen

from xopc.service.audit.finding import AGGRESSIVE, Finding
from xopc.service.managers.base import Runtime, RuntimeStatus
from xopc_supervisor.contract import EXIT_CONFIG

_LOG = "xopc gateway logs"
_LOGS = f"See: {_LOG}"
_ON_ITS_WAY = ("activating", "deactivating")
"""As systemd says: neither running nor stopped, and soon one of them."""
_BY_SIGNAL = ("signal", "core-dump")
"""The results of systemd with which the status is the number of a signal."""


@frozen
class Standing:
    """How the service and the gateway are at one moment."""

    is_loaded: bool
    """Whether the manager starts it at the next login or boot."""
    runtime: Runtime
    owner_pid: int | None
    """The supervisor that has the configuration's lock; None where none lives."""
    lingers: bool | None = None
    """Whether the user's services run without a login; None where that is no question."""
    user: str = ""


def findings_of(standing: Standing, start: str) -> tuple[Finding, ...]:
    """What does not fit; `start` is the command that has the service run."""
    return tuple(_of_running(standing, start)) + tuple(_of_login(standing, start))


def _of_running(standing: Standing, start: str) -> Iterator[Finding]:
    runtime, owner = standing.runtime, standing.owner_pid
    if runtime.state.startswith(_ON_ITS_WAY) and runtime.last_exit_status:
        what = f"The service ended {_how(runtime)}, and its manager starts it again."
        yield Finding("service-restarting", what, f"Mend what the log says ({_LOG})", runtime.state)
    elif runtime.state.startswith(_ON_ITS_WAY):
        yield Finding("service-changing", "The service is starting, or stopping.", _LOGS, runtime.state, AGGRESSIVE)
    elif is_untold(runtime):
        what = "The service manager does not tell whether the service runs."
        yield Finding("service-unknown", what, "See: xopc gateway service status", runtime.state, AGGRESSIVE)
    elif runtime.status is RuntimeStatus.RUNNING and owner is None:
        what = f"The service runs (pid {runtime.pid or '?'}), and no gateway has this configuration's lock."
        yield Finding("service-without-lock", what, _LOGS, "It starts, or is a gateway of something else.")
    elif owner is not None and runtime.pid != owner:
        what = f"The gateway that runs (pid {owner}) is not the service's."
        why = "Somebody started it by hand: it ends with its terminal, and the service cannot start meanwhile."
        yield Finding("not-by-service", what, f"Run: xopc gateway stop; {start}", why)
    elif owner is None and runtime.last_exit_status:
        what = f"The service ended {_how(runtime)}, and stays down."
        if runtime.last_exit_status == EXIT_CONFIG:
            what = f"The service refused its configuration (exit code {EXIT_CONFIG}), and stays down."
        yield Finding("service-failed", what, f"Mend what the log says ({_LOG}), then: {start}")


def _how(runtime: Runtime) -> str:
    """How it ended, where it did not end well."""
    by_signal = runtime.state.endswith(_BY_SIGNAL)
    return f"{'by signal' if by_signal else 'with exit code'} {runtime.last_exit_status}"


def _of_login(standing: Standing, start: str) -> Iterator[Finding]:
    if not standing.is_loaded and not is_untold(standing.runtime):
        what = "The service is installed, and does not start at the next login or boot."
        level = "recommended" if standing.owner_pid is not None else AGGRESSIVE
        yield Finding("service-disabled", what, f"Run: {start}", "It was disabled, or never loaded.", level)
    if standing.lingers is False:
        what = f"The service stops when {standing.user} logs out, and starts with the next login alone."
        yield Finding("no-linger", what, f"Run: loginctl enable-linger {standing.user}", "systemd's lingering is off.")


def is_untold(runtime: Runtime) -> bool:
    """Whether the manager did not answer, and so said nothing of the last end either."""
    return runtime.status is RuntimeStatus.UNKNOWN and runtime.last_exit_status is None
