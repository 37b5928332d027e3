"""The service that a running gateway may be of, for the commands that stop and restart one."""

from __future__ import annotations

import os
import sys
from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from attrs import frozen

from xopc.cli.gateway.target import Target
from xopc.service.managers.base import Installed, Runtime, RuntimeStatus, ServiceManager
from xopc.service.managers.find import find_manager, is_of_machine
from xopc_supervisor.contract import RESPAWN, LockInfo

if TYPE_CHECKING:
    from xopc.service.audit.finding import Finding
    from xopc.service.intent import PendingIntent

TURN_SECONDS = 40.0
"""How long another command's restart is waited for: longer than its manager may take."""


@frozen
class Service:
    """An installed service of a configuration, at the moment that the command looks."""

    manager: ServiceManager
    installed: Installed
    loaded: bool
    runtime: Runtime

    @property
    def is_kept(self) -> bool:
        """Whether the manager has it run, or will."""
        return self.loaded or self.runtime.status is not RuntimeStatus.STOPPED

    def runs(self, owner: LockInfo | None) -> bool:
        """Whether the gateway that holds the lock is the one that the manager started; nobody is nobody else."""
        return owner is None or owner.pid == self.runtime.pid

    def by_hand(self, owner: LockInfo) -> str:
        """What to say about a gateway that is not the service's, as far as is known."""
        if self.runtime.status is RuntimeStatus.UNKNOWN:
            why = self.runtime.state or "it does not say how the service is"
            return f"{self.manager.platform} was left out ({why}), and the gateway (pid {owner.pid}) asked itself."
        return f"The service {self.manager.label} is not what runs: this gateway (pid {owner.pid}) was started by hand."


def find_service(target: Target) -> Service | None:
    """The service of the configuration that a command is about: the user's own, else the machine's.

    One that is installed for another configuration is not of this gateway, and nothing to touch.
    """
    from xopc.service.audit.rules import paths_of

    for system in (False, True) if sys.platform == "linux" else (False,):
        manager = find_manager(target.environ, system=system)
        installed = manager.read() if manager is not None else None
        if manager is None or installed is None:
            continue
        theirs = paths_of(installed.arguments, installed.environment)
        if theirs is not None and theirs.config_path.resolve() == target.paths.config_path.resolve():
            runtime = manager.runtime()
            # One that does not answer is not asked twice, and counts as what may start it again.
            loaded = runtime.status is RuntimeStatus.UNKNOWN or manager.is_loaded()
            return Service(manager, installed, loaded, runtime)
    return None


@contextmanager
def alone(target: Target) -> Generator[Target]:
    """Let one command after the other have the manager replace what runs; the target as it is when the turn has come.

    Else the second would announce itself to a process that the first is about to replace, and the one that comes
    would take the manager's SIGTERM for a stop.
    """
    from xopc.service.turns import turn_at

    with turn_at(target.paths.lock_path.parent, TURN_SECONDS):
        yield target.now()


@contextmanager
def announced(target: Target, owner: LockInfo | None, reason: str) -> Generator[PendingIntent | None]:
    """Tell the running gateway that the SIGTERM which its manager is about to send is a restart.

    Where nobody runs, nobody is told.
    """
    from xopc.service.intent import intent_for, pending_intent

    if owner is None:
        yield None
        return
    with pending_intent(target.paths.intent_path, intent_for(owner, RESPAWN, reason)) as pending:
        yield pending


def may_ask(service: Service) -> bool:
    """Whether this user may have the manager do something: the machine's services are root's."""
    return os.name == "nt" or os.getuid() == 0 or not is_of_machine(service.manager)


def broken_of(target: Target, service: Service) -> Finding | None:
    """Why its manager could start no new process of it; None where it could."""
    from xopc.service.audit.audited import audit_service
    from xopc.service.audit.rules import cannot_start

    found = audit_service(service.manager, target.environ, target.paths, installed=service.installed)
    return cannot_start(found.findings) if found is not None else None


def cures_of_refusal(target: Target) -> list[str]:
    """What to do about it where it is not the file that is wrong: this shell knows more than the service."""
    if target.resolved is None:
        return []
    return ["With what this shell knows, it is accepted. Let the service know it: xopc gateway service install --force"]


def drift_of(target: Target, service: Service) -> list[str]:
    """What is to be told about a token that is not the configuration's."""
    from xopc.service.audit.audited import audit_service

    found = audit_service(service.manager, target.environ, target.paths, installed=service.installed)
    findings = found.findings if found is not None else ()
    return [f"{one.headline} {one.hint}" for one in findings if one.code == "token-drift"]
