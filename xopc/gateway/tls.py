"""The certificate of the process: that of its generation, read anew when its files change."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from pathlib import Path

import structlog
import trio
from attrs import frozen

from xopc.config.certificate import Certificate, State, load_certificate, state_of
from xopc.config.regular import read_regular
from xopc.config.resolve import Resolved
from xopc.config.write import write_private
from xopc.contracts.errors import ConfigError
from xopc.gateway import problems
from xopc.gateway.problems import Problems

LOOK_SECONDS = 2.0
"""Between two looks at the files. What has changed is read when it is the same at the next look."""

log = structlog.get_logger("xopc.gateway")


@frozen
class _Served:
    """What new connections get, and where it comes from."""

    certificate: Certificate
    copy: Path
    """For commands of this machine, which know the gateway by it."""
    source: str


class Tls:
    """Keeps the server at the certificate that its configuration names. Open connections go on with theirs."""

    def __init__(self, use: Callable[[ssl.SSLContext | None], None], standing: Problems) -> None:
        """`use` is told what new connections get; None is plain HTTP."""
        self._use = use
        self._standing = standing
        self._served: _Served | None = None
        self._tried: State = ()
        """Of the files when they were last read, also in vain."""
        self._seen: State = ()
        """At the last look."""

    async def apply(self, resolved: Resolved) -> None:
        """Serve new connections as a configuration says."""
        certificate, copy = resolved.certificate, resolved.paths.served_certificate
        self._served = certificate and _Served(certificate, copy, str(resolved.paths.config_path))
        self._tried = self._seen = certificate.state if certificate else ()
        self._use(certificate and certificate.context)
        self._standing.clear(problems.TLS)
        await trio.to_thread.run_sync(_keep, copy, certificate and certificate.leaf)

    async def watch(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Look at the files again and again. A pair that does not serve changes nothing, and is a problem."""
        task_status.started()
        while True:
            await trio.sleep(LOOK_SECONDS)
            if self._served is not None:
                await self._look(self._served)

    async def _look(self, served: _Served) -> None:
        state = await trio.to_thread.run_sync(state_of, served.certificate.files)
        is_settled, self._seen = state == self._seen, state
        if state == self._tried or not is_settled:
            return
        try:
            certificate = await trio.to_thread.run_sync(load_certificate, served.certificate.files, served.source)
        except ConfigError as error:
            self._tried = state
            self._report("; ".join(map(str, error.problems)))
            return
        except OSError as error:
            self._report(str(error))
            return
        if self._served is served:  # no restart has come in between
            await self._renew(served, certificate)

    async def _renew(self, served: _Served, certificate: Certificate) -> None:
        self._served = _Served(certificate, served.copy, served.source)
        self._tried = certificate.state
        self._use(certificate.context)
        self._standing.clear(problems.TLS)
        log.info("New connections get another certificate now.", expires=certificate.expires.isoformat())
        await trio.to_thread.run_sync(_keep, served.copy, certificate.leaf)

    def _report(self, why: str) -> None:
        what = f"The files of the certificate were changed, and new connections still get the one before: {why}"
        self._standing.report(problems.TLS, what)


def _keep(copy: Path, leaf: str | None) -> None:
    """Let commands know what is shown. They look at the files as well, so that a failure is a warning."""
    try:
        if leaf is None:
            copy.unlink(missing_ok=True)
        elif not copy.is_file() or read_regular(copy) != leaf.encode():
            write_private(copy, leaf.encode())
    except OSError as error:
        log.warn(f"{copy} could not be written ({error.strerror}): commands may not know this gateway.")
