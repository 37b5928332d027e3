"""Which gateway a command is about: its files, its lock, where it listens, and what opens it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from attrs import evolve, frozen

from xopc.cli.output import hints_about_sudo
from xopc.config.local_key import read_local_key
from xopc.config.paths import RESTORE_NAME, Paths, resolve_paths
from xopc.contracts.errors import ConfigError, Failure, XopcError
from xopc.service.lockfile import Lock, read_lock
from xopc.service.managers.base import SECRETS_FILE_VARIABLE
from xopc_supervisor.contract import LockInfo

if TYPE_CHECKING:
    from xopc.client.http import Client
    from xopc.config.resolve import Resolved
    from xopc.service.ports import PortUse

DOT_ENV = Path(".env")
_EVERY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}


@frozen
class Target:
    """One gateway as it stands when the command looks."""

    environ: Mapping[str, str]
    paths: Paths
    lock: Lock

    @property
    def owner(self) -> LockInfo | None:
        """What the lock says, while the supervisor that wrote it lives."""
        return self.lock.info if self.lock.is_alive else None

    @property
    def resolved(self) -> Resolved | None:
        """The configuration as this command sees it; None where it does not validate."""
        return None if isinstance(self._resolution, ConfigError) else self._resolution

    @property
    def config_error(self) -> ConfigError | None:
        """What is wrong with the configuration. The running gateway may see another environment, and know better."""
        return self._resolution if isinstance(self._resolution, ConfigError) else None

    @cached_property
    def _resolution(self) -> Resolved | ConfigError:
        from xopc.config.resolve import Flags, resolve

        try:
            return resolve(self.environ, Flags(), section="gateway")
        except ConfigError as error:
            return error

    @cached_property
    def effective(self) -> Resolved | None:
        """The configuration; where it does not validate, its last accepted copy, which is what the gateway serves."""
        if self.resolved is not None:
            return self.resolved
        from xopc.config.accepted import resolve_or_accepted
        from xopc.config.resolve import Flags

        with suppress(ConfigError, OSError):
            return resolve_or_accepted(self.environ, Flags(), section="gateway")
        return None

    @property
    def host(self) -> str:
        """Where to connect: an address that a gateway which listens at all of them has, too."""
        recorded = self.lock.info.host if self.lock.info and self._lock_counts else None
        host = recorded or (self.effective.binding.hosts[0] if self.effective else "127.0.0.1")
        return connectable(host)

    @property
    def port(self) -> int | None:
        """The port of the running gateway, else that of the configuration; None where neither is known."""
        recorded = self.lock.info.port if self.lock.info and self._lock_counts else None
        return recorded or (self.effective.port if self.effective else None)

    @property
    def _lock_counts(self) -> bool:
        return self.lock.is_alive or bool(self.lock.orphans)

    @property
    def url(self) -> str | None:
        """Base URL of its API."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}" if self.port else None

    @cached_property
    def scheme(self) -> str:
        """What the running gateway speaks, which the configuration may have been edited since; else what it will."""
        if self._lock_counts:
            return "https" if self.paths.served_certificate.is_file() else "http"
        return "https" if self.effective and self.effective.tls else "http"

    @property
    def certificates(self) -> str | None:
        """By what it is known, where it speaks HTTPS: the certificate that it says it shows, or that it was given."""
        if self.scheme == "http":
            return None
        from xopc.config.certificate import leaves

        given = self.effective.tls.certificate if self.effective and self.effective.tls else None
        return leaves([self.paths.served_certificate, *([given] if given else [])])

    @property
    def credential(self) -> str | None:
        """What the configuration says, which the running gateway may have been started without."""
        return self.effective.auth.secret if self.effective else None

    @cached_property
    def local_key(self) -> str | None:
        """What shows the gateway that this command may read its state directory."""
        return read_local_key(self.paths.local_key)

    def orphans(self, use: PortUse | None) -> tuple[int, ...]:
        """The processes that a dead supervisor left: those that the lock names, and those that listen."""
        from xopc.service.identity import is_orphan

        listening = (one.pid for one in use.listeners if one.pid is not None) if use else ()
        lock_path = str(self.paths.lock_path)
        left = (pid for pid in listening if is_orphan(pid, lock_path))
        return tuple(dict.fromkeys((*self.lock.orphans, *left)))

    def now(self) -> Target:
        """The same gateway as it is by now."""
        return evolve(self, lock=read_lock(self.paths.lock_path))

    def client(self, timeout_seconds: float) -> Client:
        """A client with the credential, for the gateway that holds the lock.

        Raises:
            XopcError: none does, or it does not listen yet. A stranger at its port must not see the credential.
        """
        if self.owner is None:
            what = ". ".join(["Gateway is not running. Start it with: xopc gateway", *hints_about_sudo()])
            raise XopcError(Failure.UNAVAILABLE, what)
        if self.owner.port is None or self.url is None:
            raise XopcError(Failure.UNAVAILABLE, f"Gateway (pid {self.owner.pid}) is still starting. Try again.")
        return self.blind_client(timeout_seconds)

    def blind_client(self, timeout_seconds: float) -> Client:
        """The same, whether or not there is somebody to talk to, who may be a stranger. Only for those who look first
        without a credential whether it is this gateway.
        """
        from xopc.client.http import Client

        return Client(
            self.url or "", self.credential, timeout_seconds, certificates=self.certificates, local_key=self.local_key
        )


def connectable(host: str) -> str:
    """An address to connect to where a gateway listens at `host`, which may stand for all addresses."""
    return _EVERY_ADDRESS.get(host, host)


def find_target(config: Path | None) -> Target:
    """The gateway of a configuration file: of the one given, else of the environment's, else the default one.

    Raises:
        ConfigError: the environment names no usable place.
        XopcError: a restore is under way.
    """
    environ = read_environment(config)
    paths = resolve_paths(environ)
    finish_restore(paths)
    return Target(environ, paths, read_lock(paths.lock_path))


def finish_restore(paths: Paths) -> None:
    """Before anything is looked at, finish a restore that was killed in the middle, and tell of it.

    Raises:
        XopcError: it is under way, or cannot be finished.
    """
    if not (paths.state_dir / RESTORE_NAME).exists():
        return
    import sys

    from xopc.service.backup.journal import finish_interrupted

    if (finished := finish_interrupted(paths)) is not None:
        print(f"💡 {finished}", file=sys.stderr)


def read_environment(config: Path | None) -> dict[str, str]:
    """The environment, with what a service's file of secrets and `.env` in the working directory add, and with the
    given configuration file.

    Raises:
        ConfigError: the environment names a file of secrets that cannot be read, or `.env` is no text.
    """
    environ = dict(os.environ)
    if environ.get(SECRETS_FILE_VARIABLE):
        from xopc.service.managers.secrets_file import add_secrets

        add_secrets(environ)
    if DOT_ENV.is_file():
        import sys

        from xopc.config.dot_env import read_dot_env

        found = read_dot_env(Path(), environ)
        for warning in found.warnings:
            print(f"⚠️  {warning}", file=sys.stderr)
        environ = {**found.values, **environ}
    if config is not None:
        environ["XOPC_CONFIG_PATH"] = str(config.absolute())
    return environ
