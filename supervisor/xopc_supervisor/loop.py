"""The supervisor's loop: turns signals, words and exits into events, asks `states.decide`, and does what it says."""

from __future__ import annotations

import os
import select
import signal
import socket
import time
import uuid
from collections.abc import Iterator

from xopc_supervisor import child as children, contract, intent, states
from xopc_supervisor.child import Child
from xopc_supervisor.contract import Launch
from xopc_supervisor.lock import Lock
from xopc_supervisor.log import Log, say
from xopc_supervisor.notify import notify

HANDLED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGCHLD)


class Supervisor:
    """One supervisor: holds lock and sockets, and keeps a child running until it is told to stop."""

    def __init__(
        self, launch: Launch, lock: Lock, listeners: list[socket.socket], log: Log, policy: states.Policy
    ) -> None:
        self._launch = launch
        self._lock = lock
        self._listeners = listeners
        self._log = log
        self._policy = policy
        self._state = states.State(states.Phase.STARTING)
        self._child: Child | None = None
        self._announced = False
        self._down_since: float | None = None
        self._on_terminal = os.isatty(0)

    def run(self) -> int:
        """Supervise until the end, and return the exit code. Blocks; signals are handled from here on."""
        wakeup = _catch_signals()
        self._follow(states.begin(time.monotonic()))
        while self._state.phase is not states.Phase.ENDED:
            self._wait(wakeup)
            # The words of a child come before its exit: its last one may tell that the exit was asked for.
            for word in self._words():
                self._handle(word)
            for number in _caught(wakeup):
                if number != signal.SIGCHLD:
                    self._handle(self._meaning(number))
            for exited in self._reap():
                self._handle(exited)
            if self._state.deadline is not None and time.monotonic() >= self._state.deadline:
                self._handle(states.DeadlinePassed())
        return self._state.exit_code

    # ---------------------------------------------------------------- events

    def _wait(self, wakeup: socket.socket) -> None:
        poll = select.poll()
        poll.register(wakeup, select.POLLIN)
        if self._child is not None and self._child.fileno() >= 0:
            poll.register(self._child, select.POLLIN)
        deadline = self._state.deadline
        # One millisecond more: poll counts in whole ones, and must not return before the deadline.
        poll.poll(None if deadline is None else max(0, deadline - time.monotonic()) * 1000 + 1)

    def _words(self) -> Iterator[states.Said]:
        while self._child is not None and self._child.fileno() >= 0:
            lines = self._child.hear()
            if not lines:
                return
            for line in lines:
                word, _, detail = line.partition(" ")
                if word == contract.STANDBY:
                    self._child.version = detail.partition(" ")[0]
                yield states.Said(word, detail)

    def _reap(self) -> Iterator[states.Exited]:
        """The only place that waits for processes."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if self._child is not None and pid == self._child.pid:
                # What it said last may have come after the words were read.
                for word in self._words():
                    self._handle(word)
                self._child.bury()
                self._child = None
                self._down_since = self._down_since or time.monotonic()
                yield states.Exited(os.waitstatus_to_exitcode(status))

    def _meaning(self, number: int) -> states.Event:
        if number == signal.SIGUSR1:
            return self._restart_asked()
        if number == signal.SIGHUP and not self._on_terminal:
            return states.RestartAsked(contract.RELOAD, "configuration reload (SIGHUP)")
        return states.StopAsked()

    def _restart_asked(self) -> states.RestartAsked:
        boot_id = self._child.boot_id if self._child else None
        wanted = intent.consume(self._launch.intent_path, os.getpid(), boot_id)
        mode, reason = (wanted.mode, wanted.reason) if wanted else (contract.IN_PROCESS, "SIGUSR1")
        installed = installed_version(self._launch.version_file)
        running = self._child.version if self._child else None
        if running and installed and installed != running:
            return states.RestartAsked(contract.RESPAWN, f"{reason}, version {running} to {installed}")
        return states.RestartAsked(mode, reason)

    # --------------------------------------------------------------- actions

    def _handle(self, event: states.Event) -> None:
        self._follow(states.decide(self._state, event, time.monotonic(), self._policy))

    def _follow(self, decision: states.Decision) -> None:
        before = self._state.phase
        self._state, actions = decision
        if self._state.phase is not before and self._state.phase is states.Phase.STOPPING:
            notify("STOPPING=1")
        for action in actions:
            match action:
                case states.Spawn(kind, reason):
                    self._spawn(kind, reason)
                case states.Tell(line):
                    if self._child is not None and not self._child.tell(line):
                        self._log.write("error", f"The gateway does not take the word {line!r}.")
                case states.Kill(number):
                    if self._child is not None:
                        self._child.signal(number)
                case states.Announce():
                    self._announce()
                case states.Report(level, message):
                    self._log.write(level, message)
        if self._state.phase is not before:
            self._record()

    def _spawn(self, kind: str, reason: str) -> None:
        try:
            self._child = children.spawn(
                self._launch.command,
                os.environ,
                lock_fd=self._lock.fd,
                listeners=self._listeners,
                boot_id=str(uuid.uuid4()),
                kind=kind,
                reason=reason,
                since=self._down_since,
            )
        except OSError as error:
            self._handle(states.NotSpawned(str(error)))
            return
        self._child.tell(contract.GO)
        self._record()

    def _announce(self) -> None:
        self._down_since = None
        notify("READY=1")
        if not self._announced:
            self._announced = True
            port = self._listeners[0].getsockname()[1]
            say(self._launch.ready_text.replace("{port}", str(port)))

    def _record(self) -> None:
        host, port = self._listeners[0].getsockname()[:2]
        info = self._lock.info._replace(
            child_pid=self._child.pid if self._child else None,
            child_start_time=self._child.start_time if self._child else None,
            boot_id=self._child.boot_id if self._child else None,
            version=self._child.version if self._child else None,
            host=host,
            port=port,
            state=self._state.phase.value,
        )
        try:
            self._lock.update(info)
        except OSError as error:
            self._log.write("warn", f"Cannot write {self._lock.path}: {error.strerror}. The lock is held all the same.")


def installed_version(path: str) -> str | None:
    """The `__version__` that the file assigns, or None where it cannot be told."""
    try:
        with open(path, encoding="utf-8") as file:
            for line in file:
                name, equals, value = line.partition("=")
                if equals and name.strip() == "__version__":
                    return value.strip().strip("\"'")
    except (OSError, UnicodeDecodeError):
        pass
    return None


def _catch_signals() -> socket.socket:
    """Let each signal write its number to a socket, which is returned to read them from."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    theirs.setblocking(False)
    # detach: the wake-up descriptor stays open for the life of the process.
    signal.set_wakeup_fd(theirs.detach(), warn_on_full_buffer=False)
    for number in HANDLED:
        signal.signal(number, lambda _number, _frame: None)
    return ours


def _caught(wakeup: socket.socket) -> bytes:
    """The numbers of the signals that have come since the last call, in order."""
    try:
        return wakeup.recv(4096)
    except BlockingIOError:
        return b""
