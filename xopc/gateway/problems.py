"""What is wrong with the gateway and may pass: a full disk, a configuration that was refused."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock

import structlog

from xopc.contracts.api.status import StandingProblem
from xopc.core.tasks import utc_now

STORAGE = "storage"
"""The database cannot be written or read."""
DISK = "disk"
"""Little room is left on the disk of the database."""
LOG = "log"
"""Lines of the log are lost."""
CONFIG_FILE = "config-file"
"""The last change of the configuration file that a client asked for could not be saved."""
CONFIGURATION = "configuration"
"""The file is refused: it goes on as it was, or with the copy of the last one that was accepted."""
RELOAD = "reload"
"""Changes of the configuration wait for a restart."""
ADDRESSES = "addresses"
"""It does not listen everywhere that the configuration says."""
HAND_OVER = "hand-over"
"""The last new process could not take over."""
TLS = "tls"
"""The files of the certificate were changed and do not serve; the one before is shown still."""

log = structlog.get_logger("xopc.gateway")


class Problems:
    """Those that stand, by their codes, each from its first report until it is cleared. May be used from any thread."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._standing: dict[str, tuple[StandingProblem, bool]] = {}

    def report(self, code: str, message: str, *, degrades: bool = True, happens: bool = False) -> None:
        """It stands, or goes on to. `message` says what is wrong, where, and what to do.

        One that `happens`, rather than lasts, is a new one each time.
        """
        with self._lock:
            known = None if happens else self._standing.get(code)
            is_new = known is None or known[0].message != message
            since = utc_now() if known is None else known[0].since
            self._standing[code] = (StandingProblem(code, message, since), degrades)
        if is_new:  # not under the lock: the log itself may have a problem to report
            log.error(message, problem=code)

    def clear(self, code: str) -> None:
        """It is over. Harmless where it does not stand."""
        with self._lock:
            known = self._standing.pop(code, None)
        if known is not None:
            log.info("A problem is over.", problem=code, since=known[0].since)

    def reporter(self, code: str, *, degrades: bool = True) -> Callable[[str | None], None]:
        """For a part that tells what is wrong with it, and None when nothing is any more."""

        def tell(message: str | None) -> None:
            if message is None:
                self.clear(code)
            else:
                self.report(code, message, degrades=degrades)

        return tell

    def standing(self) -> tuple[StandingProblem, ...]:
        """The oldest first."""
        with self._lock:
            return tuple(problem for problem, _ in self._standing.values())

    @property
    def degrades(self) -> bool:
        """Whether one stands that makes the gateway less than healthy."""
        with self._lock:
            return any(degrades for _, degrades in self._standing.values())
