"""The supervisor's loop: turns signals, words and exits into events, asks `decisions.decide`, and does what it says."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import sys
import time
import uuid
from collections.abc import Iterator
from typing import cast

from xopc_supervisor import child as children, contract, decisions, intent, orphans, renew, signals, sockets, states
from xopc_supervisor.child import Child, Rebound
from xopc_supervisor.contract import Address, Go, Launch
from xopc_supervisor.lock import Lock
from xopc_supervisor.log import Log, say
from xopc_supervisor.manager import Manager
from xopc_supervisor.states import Phase, Who

TICK_SECONDS = 1.0


class Supervisor:
    """One supervisor: holds lock and sockets, and keeps a child running until it is told to stop."""

    def __init__(
        self,
        launch: Launch,
        lock: Lock,
        listeners: list[socket.socket],
        log: Log,
        policy: states.Policy,
        *,
        manager: Manager,
    ) -> None:
        """*Ownership*: of `lock` and `listeners`, which may be others at the end; `listeners` is kept up to date."""
        self._launch = launch
        self._lock = lock
        self._listeners = listeners
        self._log = log
        self._policy = policy
        self._manager = manager
        self._version = renew.installed_version(launch.version_file)
        self._state = states.State(Phase.STARTING)
        self._child: Child | None = None
        self._candidate: Child | None = None
        self._heirloom: socket.socket | None = None
        """The old child's end, until it is told to hand over."""
        self._announced = False
        self._down_since: float | None = None
        self._next_tick = 0.0
        self._on_terminal = os.isatty(0)

    def run(self, resumption: renew.Resumption | None = None) -> int:
        """Supervise until the end, and return the exit code. Blocks; signals are handled from here on."""
        orphans.become_subreaper()
        wakeup = signals.catch()
        if resumption is None:
            self._follow(decisions.begin(time.monotonic()))
        else:
            self._resume(resumption)
        while self._state.phase is not Phase.ENDED:
            self._wait(wakeup)
            # The words of a process come before its exit: its last one may tell that the exit was asked for.
            self._hear()
            for number in signals.caught(wakeup):
                if number != signal.SIGCHLD:
                    self._handle(self._meaning(number))
            for exited in self._reap():
                self._handle(exited)
            self._look_at_the_clock()
        self._leave_nobody()
        return self._state.exit_code

    # ---------------------------------------------------------------- events

    def _wait(self, wakeup: socket.socket) -> None:
        poll = select.poll()
        poll.register(wakeup, select.POLLIN)
        for child in (self._child, self._candidate):
            if child is not None and child.fileno() >= 0:
                poll.register(child, select.POLLIN)
        alarms = [self._state.deadline, self._state.candidate_deadline, self._manager.next_sign_of_life]
        if self._state.is_watched:
            alarms.append(self._next_tick)
        due = min((alarm for alarm in alarms if alarm is not None), default=None)
        # One millisecond more: poll counts in whole ones, and must not return before the deadline.
        poll.poll(None if due is None else max(0, due - time.monotonic()) * 1000 + 1)

    def _hear(self) -> None:
        for child in (self._candidate, self._child):
            if child is not None:
                for said in self._words(child):
                    self._handle(said)

    def _words(self, child: Child) -> Iterator[states.Said]:
        while child.fileno() >= 0:
            lines = child.hear()
            if not lines:
                return
            for line in lines:
                word, _, detail = line.partition(" ")
                if word == contract.LISTEN:
                    self._provide_sockets(child, detail)
                    continue
                if word == contract.STANDBY:
                    child.version = detail.partition(" ")[0]
                if word == contract.RESTART and detail.startswith(contract.IN_PROCESS):
                    self._manager.reloading()
                yield states.Said(word, detail, self._who(child))

    def _reap(self) -> Iterator[states.Exited]:
        """The only place that waits for processes, those that nobody else waits for included."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            for child in (self._candidate, self._child):
                if child is not None and pid == child.pid:
                    # What it said last may have come after the words were read.
                    for said in self._words(child):
                        self._handle(said)
                    who = self._who(child)
                    self._bury(child)
                    yield states.Exited(os.waitstatus_to_exitcode(status), who)

    def _look_at_the_clock(self) -> None:
        now = time.monotonic()
        if self._state.deadline is not None and now >= self._state.deadline:
            self._handle(states.DeadlinePassed())
        if self._state.candidate_deadline is not None and now >= self._state.candidate_deadline:
            self._handle(states.CandidateLate())
        if self._state.is_watched and now >= self._next_tick:
            # Not one second after the last tick: however long this process was suspended, it counts once.
            self._next_tick = now + TICK_SECONDS
            self._handle(states.Ticked())
        self._manager.show_life(now)

    def _meaning(self, number: int) -> states.Event:
        if number == signal.SIGUSR1:
            return self._restart_asked(self._intent())
        if number == signal.SIGHUP and not self._on_terminal:
            return states.RestartAsked(contract.RELOAD, "configuration reload (SIGHUP)")
        wanted = self._intent() if number == signal.SIGTERM else None
        if wanted is None:
            return states.StopAsked()
        if os.environ.get(contract.MARKER_VARIABLE):
            return states.StopAsked(restart=wanted.reason)
        return self._restart_asked(wanted)

    def _intent(self) -> contract.RestartIntent | None:
        boot_id = self._child.boot_id if self._child else None
        return intent.consume(self._launch.intent_path, os.getpid(), boot_id)

    def _restart_asked(self, wanted: contract.RestartIntent | None) -> states.Event:
        mode, reason = (wanted.mode, wanted.reason) if wanted else (contract.IN_PROCESS, "SIGUSR1")
        running = self._child.version if self._child else None
        installed = renew.installed_version(self._launch.version_file)
        if not self._policy.no_respawn and running and installed and installed != running:
            mode, reason = contract.RESPAWN, f"{reason}, version {running} to {installed}"
            if self._state.phase is Phase.SERVING and self._candidate is None and installed != self._version:
                why = self._renew((mode, reason))
                return states.NotRenewed(f"version {installed} does not run here: {why}")
        return states.RestartAsked(mode, reason)

    # --------------------------------------------------------------- actions

    def _handle(self, event: states.Event) -> None:
        self._follow(decisions.decide(self._state, event, time.monotonic(), self._policy))

    def _follow(self, decision: states.Decision) -> None:
        before, (self._state, actions) = self._state, decision
        if self._state.phase is Phase.STOPPING and before.phase is not Phase.STOPPING:
            self._manager.stopping()
        if self._state.is_watched and not before.is_watched:
            self._next_tick = time.monotonic() + TICK_SECONDS
        for action in actions:
            self._do(action)
        if (states.name(before), before.problem) != (states.name(self._state), self._state.problem):
            self._record()

    def _do(self, action: states.Action) -> None:
        match action:
            case states.Spawn(kind, reason, use_accepted):
                self._spawn(kind, reason, use_accepted=use_accepted)
            case states.SpawnCandidate():
                self._spawn_candidate()
            case states.HandOver(reason):
                self._hand_over(reason)
            case states.Promote(kind, reason):
                self._promote(kind, reason)
            case states.Tell(line):
                if self._child is not None and not self._child.tell(line):
                    self._log.write("error", f"The gateway does not take the word {line!r}.")
            case states.Kill(number, who):
                target = self._child if who is Who.CHILD else self._candidate
                if target is not None:
                    target.signal(number)
            case states.Announce():
                self._announce()
            case states.Report(level, message):
                self._log.write(level, message)

    def _spawn(self, kind: str, reason: str, *, use_accepted: bool) -> None:
        installed = renew.installed_version(self._launch.version_file)
        if kind != "start" and installed not in (None, self._version):
            self._state = self._state._replace(phase=Phase.BACKING_OFF, deadline=time.monotonic(), reason=reason)
            why = self._renew(None)
            self._log.write("error", f"The supervisor stays at version {self._version}: {why}")
            self._version = installed
            return
        self._child = self._start_process(Who.CHILD, None, use_accepted=use_accepted)
        if self._child is not None:
            self._child.tell(f"{contract.GO} {Go(kind, reason, self._down_since).to_json()}")
            self._record()

    def _spawn_candidate(self) -> None:
        self._drop_heirloom()
        self._heirloom, theirs = socket.socketpair()
        with theirs:
            self._candidate = self._start_process(Who.CANDIDATE, theirs, use_accepted=False)

    def _start_process(self, who: Who, heirloom: socket.socket | None, *, use_accepted: bool) -> Child | None:
        try:
            return children.spawn(
                self._launch.command,
                {**os.environ, contract.LAUNCH_VARIABLE: self._launch.to_json()},
                lock_fd=self._lock.fd,
                listeners=self._listeners,
                boot_id=str(uuid.uuid4()),
                heirloom=heirloom,
                use_accepted=use_accepted,
            )
        except OSError as error:
            self._handle(states.NotSpawned(str(error), who))
            return None

    def _hand_over(self, reason: str) -> None:
        self._down_since = time.monotonic()
        self._manager.reloading()
        fds = [self._heirloom.fileno()] if self._heirloom else []
        if self._child is not None and not self._child.tell(f"{contract.HAND_OVER} {reason}", fds):
            self._log.write("error", "The gateway does not take the word that it has to hand over.")
        self._drop_heirloom()

    def _promote(self, kind: str, reason: str) -> None:
        self._drop_heirloom()
        self._child, self._candidate = self._candidate, None
        if self._child is None:
            return  # it ended in this moment, and its exit is the next event
        self._move_to(self._child.rebound)
        self._child.tell(f"{contract.GO} {Go(kind, reason, self._down_since).to_json()}")
        self._record()

    def _bury(self, child: Child) -> None:
        child.bury()
        if child is self._candidate:
            self._candidate = None
            self._drop_heirloom()
            if child.rebound is not None:
                self._close_all_but(child.rebound.listeners, self._listeners)
        else:
            self._child = None
            self._down_since = self._down_since or time.monotonic()
        if self._child is None and self._candidate is None:
            orphans.kill_adopted(())

    def _announce(self) -> None:
        self._down_since = None
        self._manager.ready()
        self._record()
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
            state=states.name(self._state),
            problem=self._state.problem or None,
        )
        try:
            self._lock.update(info)
        except OSError as error:
            self._log.write("warn", f"Cannot write {self._lock.path}: {error.strerror}. The lock is held all the same.")

    def _leave_nobody(self) -> None:
        """Before the end: no process of this gateway outlives its supervisor."""
        for child in (self._child, self._candidate):
            if child is not None:
                child.signal(signal.SIGKILL)
                with contextlib.suppress(ChildProcessError):
                    os.waitpid(child.pid, 0)
                child.bury()
        self._drop_heirloom()
        orphans.kill_adopted(())

    # --------------------------------------------------------------- sockets

    def _provide_sockets(self, child: Child, detail: str) -> None:
        """Bind what a process's configuration names, before anything is given up."""
        try:
            addresses = tuple(Address(*address) for address in cast("list[list[object]]", json.loads(detail)))  # type: ignore[arg-type] # our own child wrote it
            bound = sockets.listen(addresses, self._listeners)
        except (sockets.PortTakenError, sockets.AddressMissingError, OSError) as error:
            child.tell(f"{contract.REFUSED} {error}")
            return
        child.rebound = Rebound(addresses, bound)
        child.tell(f"{contract.SOCKETS} {len(bound)}", [listener.fileno() for listener in bound])
        if child is self._child:
            self._move_to(child.rebound)

    def _move_to(self, rebound: Rebound | None) -> None:
        """From now on these sockets are the gateway's. Whoever waits in those given up is served by the child."""
        if rebound is None:
            return
        before, self._listeners[:] = list(self._listeners), rebound.listeners
        self._close_all_but(before, rebound.listeners)
        self._launch = self._launch._replace(listen=rebound.addresses)
        self._manager.keep(self._listeners)

    @staticmethod
    def _close_all_but(listeners: list[socket.socket], kept: list[socket.socket]) -> None:
        for listener in listeners:
            if listener not in kept:
                listener.close()

    def _drop_heirloom(self) -> None:
        if self._heirloom is not None:
            self._heirloom.close()
            self._heirloom = None

    # ------------------------------------------------------------ own renewal

    def _renew(self, restart: tuple[str, str] | None) -> str:
        """Become the supervisor that is installed now. Returns only when that cannot be: why."""
        resumption = renew.save(
            self._lock,
            self._listeners,
            self._child,
            self._state,
            announced=self._announced,
            down_since=self._down_since,
            restart=restart,
        )
        try:
            return renew.check(resumption) or renew.replace(resumption, self._launch, sys.argv[2:], signals.HANDLED)
        except OSError as error:
            return str(error)

    def _resume(self, resumption: renew.Resumption) -> None:
        self._state = renew.state_of(resumption)
        self._child = renew.child_of(resumption)
        self._announced, self._down_since = resumption.announced, resumption.down_since
        self._next_tick = time.monotonic() + TICK_SECONDS
        self._log.write("info", f"The supervisor runs version {self._version} now.")
        self._record()
        for exited in self._reap():  # its signal came to the code before
            self._handle(exited)
        if resumption.restart is not None:
            self._handle(states.RestartAsked(*resumption.restart))

    def _who(self, child: Child) -> Who:
        return Who.CHILD if child is self._child else Who.CANDIDATE
