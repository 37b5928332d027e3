"""The supervisor's loop: turns signals, words and exits into events, asks `decisions.decide`, and does what it says."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import sys
import time
from collections import deque
from collections.abc import Iterator

from xopc_supervisor import contract, decisions, intent, orphans, renew, signals, states, succession
from xopc_supervisor.child import Child
from xopc_supervisor.contract import Go
from xopc_supervisor.estate import Estate
from xopc_supervisor.log import Log, say
from xopc_supervisor.states import Phase, Who

TICK_SECONDS = 1.0
DEFECT_SECONDS = 0.1


class Supervisor:
    """One supervisor: holds lock and sockets, and keeps a child running until it is told to stop."""

    def __init__(
        self,
        estate: Estate,
        log: Log,
        policy: states.Policy,
    ) -> None:
        self._estate = estate
        self._log = log
        self._policy = policy
        self._manager = estate.manager
        self._version = renew.installed_version(estate.launch.version_file)
        self._given_up: renew.Installed | None = None
        """What this supervisor could not change to."""
        self._state = states.State(Phase.STARTING)
        self._child: Child | None = None
        self._candidate: Child | None = None
        self._heirloom: socket.socket | None = None
        """The old child's end, until it is told to hand over."""
        self._announced = False
        self._down_since: float | None = None
        self._next_tick = 0.0
        self._on_terminal = os.isatty(0)
        self._foreign: tuple[int, ...] = ()
        """Children that were there before, of the shell or the container's script that became this process."""
        self._wakeup: socket.socket
        self._signals: deque[int] = deque()
        """Those that have come and are not handled yet."""

    def run(self, resumption: renew.Resumption | None = None) -> int:
        """Supervise until the end, and return the exit code. Blocks; signals are handled from here on."""
        self._foreign = resumption.foreign_pids if resumption else tuple(orphans.adopted(()))
        orphans.become_subreaper()
        self._wakeup = signals.catch()
        try:
            if resumption is None:
                self._follow(decisions.begin(time.monotonic()))
            else:
                self._resume(resumption)
            while self._state.phase is not Phase.ENDED:
                try:
                    self._turn()
                except Exception as error:
                    self._log.write("error", f"The supervisor has a defect, and goes on: {_describe(error)}")
                    time.sleep(DEFECT_SECONDS)  # noqa: TID251 - one that comes again at once must not fill the log
        finally:
            self._leave_nobody()
            signals.ignore()
        return self._state.exit_code

    # ---------------------------------------------------------------- events

    def _turn(self) -> None:
        """Wait for something to happen, and see to it."""
        self._wait()
        # The words of a process come before its exit: its last one may tell that the exit was asked for.
        self._hear()
        self._signals.extend(signals.caught(self._wakeup))
        while self._signals:
            number = self._signals.popleft()
            if number != signal.SIGCHLD:
                self._handle(self._meaning(number))
        for exited in self._reap():
            self._handle(exited)
        self._look_at_the_clock()
        if self._child is None and self._state.needs_child:
            self._handle(states.Exited(contract.EXIT_FAILURE))  # it is not there, and its end was not noticed

    def _wait(self) -> None:
        poll = select.poll()
        poll.register(self._wakeup, select.POLLIN)
        for child in (self._child, self._candidate):
            if child is not None and child.fileno() >= 0:
                poll.register(child, select.POLLIN)
        state = self._state
        alarms = [state.deadline, state.candidate_deadline, state.spare_at, self._manager.next_sign_of_life]
        if state.is_watched:
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
                    self._estate.provide_sockets(child, detail)
                    if child is self._child:
                        self._estate.move_with(child)
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
        if self._state.spare_at is not None and now >= self._state.spare_at:
            self._handle(states.SpareDue())
        if self._state.is_watched and now >= self._next_tick:
            # Not one second after the last tick: however long this process was suspended, it counts once.
            self._next_tick = now + TICK_SECONDS
            self._handle(states.Ticked())
        self._manager.show_life(now)

    def _meaning(self, number: int) -> states.Event:
        if number == signal.SIGUSR1:
            wanted = self._intent()
            return self._restart_asked(*((wanted.mode, wanted.reason) if wanted else (contract.IN_PROCESS, "SIGUSR1")))
        if number == signal.SIGHUP and not self._on_terminal:
            return states.RestartAsked(contract.RELOAD, "configuration reload (SIGHUP)")
        wanted = self._intent() if number == signal.SIGTERM else None
        if wanted is None:
            return states.StopAsked()
        if os.environ.get(contract.MARKER_VARIABLE):
            return states.StopAsked(restart=wanted.reason)
        return self._restart_asked(wanted.mode, wanted.reason)

    def _intent(self) -> contract.RestartIntent | None:
        boot_id = self._child.boot_id if self._child else None
        path = self._estate.launch.intent_path
        return intent.consume(path, os.getpid(), boot_id, lambda what: self._log.write("error", what))

    def _restart_asked(self, mode: str, reason: str) -> states.Event:
        running = self._child.version if self._child else self._version
        code = renew.installed(self._estate.launch)
        is_other = self._is_other(code)
        if not self._policy.no_respawn and (is_other or code.version not in (None, running)):
            mode, reason = contract.RESPAWN, f"{reason}, version {running} to {code.version}"
            if self._state.phase is Phase.SERVING and not self._state.has_successor and is_other:
                why = self._renew(code, (mode, reason))
                return states.NotRenewed(f"version {code.version} does not run here: {why}")
        return states.RestartAsked(mode, reason)

    def _is_other(self, code: renew.Installed) -> bool:
        """Whether that is not the code that this process runs."""
        return code.version is not None and (code.version, code.launch) != (self._version, self._estate.launch)

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
            case states.SpawnCandidate(is_spare):
                self._spawn_candidate(is_spare=is_spare)
            case states.DropSpare():
                self._drop_spare()
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
        code = renew.installed(self._estate.launch)
        if kind != "start" and self._is_other(code) and code != self._given_up:
            self._state = self._state._replace(phase=Phase.BACKING_OFF, deadline=time.monotonic(), reason=reason)
            why = self._renew(code, None, renew.HASTY_CHECK_SECONDS)
            self._log.write("error", f"The supervisor stays at version {self._version}: {why}")
            self._given_up = code
            return
        try:
            self._child = self._estate.start_process(use_accepted=use_accepted)
        except OSError as error:
            self._handle(states.NotSpawned(str(error)))
            return
        self._let_go(self._child, kind, reason)

    def _let_go(self, child: Child, kind: str, reason: str) -> None:
        child.tell(f"{contract.GO} {Go(kind, reason, self._down_since).to_json()}")
        self._record()

    def _spawn_candidate(self, *, is_spare: bool) -> None:
        self._drop_heirloom()
        try:
            if is_spare:
                self._candidate = self._estate.start_process(is_spare=True)
            else:
                self._heirloom, theirs = socket.socketpair()
                with theirs:
                    self._candidate = self._estate.start_process(theirs)
        except OSError as error:
            self._handle(states.NotSpawned(str(error), Who.CANDIDATE))
            return
        self._record()

    def _drop_spare(self) -> None:
        spare, self._candidate = self._candidate, None
        if spare is not None:
            spare.bury()  # which kills it; `_reap` takes whoever ends, known or not

    def _hand_over(self, reason: str) -> None:
        self._down_since = time.monotonic()
        self._manager.reloading()
        fds = [self._heirloom.fileno()] if self._heirloom else []
        if self._child is not None and not self._child.tell(f"{contract.HAND_OVER} {reason}", fds):
            self._log.write("error", "The gateway does not take the word that it has to hand over.")
        self._drop_heirloom()

    def _promote(self, kind: str, reason: str) -> None:
        self._drop_heirloom()
        if self._candidate is not None and self._candidate.is_spare and self._is_outdated(self._candidate):
            self._drop_spare()
            self._spawn(kind, reason, use_accepted=False)
            return
        self._child, self._candidate = self._candidate, None
        if self._child is None:
            return  # it ended in this moment, and its exit is the next event
        self._estate.move_with(self._child)
        self._let_go(self._child, kind, reason)

    def _is_outdated(self, spare: Child) -> bool:
        code = renew.installed(self._estate.launch)
        return self._is_other(code) or code.version not in (None, spare.version or code.version)

    def _bury(self, child: Child) -> None:
        child.bury()
        if child is self._candidate:
            self._candidate = None
            self._drop_heirloom()
            self._estate.give_up_sockets(child)
        else:
            self._child = None
            self._down_since = self._down_since or time.monotonic()
        if self._child is None:
            orphans.kill_adopted((*self._foreign, self._candidate.pid) if self._candidate else self._foreign)

    def _announce(self) -> None:
        self._down_since = None
        self._manager.ready()
        self._record()
        if not self._announced:
            self._announced = True
            say(self._estate.launch.ready_text.replace("{port}", str(self._estate.port)))

    def _record(self) -> None:
        try:
            self._estate.record(self._state, self._child, self._candidate)
        except OSError as error:
            what = f"Cannot write {self._estate.lock.path}: {error.strerror}"
            self._log.write("warn", f"{what}. The lock is held all the same.")

    def _leave_nobody(self) -> None:
        """Before the end: no process of this gateway outlives its supervisor."""
        for child in (self._child, self._candidate):
            if child is not None:
                child.signal(signal.SIGKILL)
                with contextlib.suppress(ChildProcessError):
                    os.waitpid(child.pid, 0)
                child.bury()
        self._drop_heirloom()
        orphans.kill_adopted(self._foreign)

    def _drop_heirloom(self) -> None:
        if self._heirloom is not None:
            self._heirloom.close()
            self._heirloom = None

    # ------------------------------------------------------------ own renewal

    def _renew(
        self, code: renew.Installed, restart: tuple[str, str] | None, check_seconds: float = renew.CHECK_SECONDS
    ) -> str:
        """Become the supervisor that is installed now. Returns only when that cannot be: why."""
        # Its line would be lost. It is of the version before, so nothing is lost with it.
        self._follow(succession.drop_spare(self._state, time.monotonic()))
        resumption = renew.save(
            self._estate.lock,
            self._estate.listeners,
            self._child,
            self._state,
            announced=self._announced,
            down_since=self._down_since,
            restart=restart,
            foreign_pids=self._foreign,
        )
        why = renew.check(resumption, code, check_seconds)
        if why is not None:
            return why
        # The socket in which signals wait does not outlive this code: let them wait in the kernel instead.
        signal.pthread_sigmask(signal.SIG_BLOCK, signals.HANDLED)
        for number in (*self._signals, *signals.caught(self._wakeup)):
            os.kill(os.getpid(), number)
        self._signals.clear()
        try:
            renew.replace(resumption, code, sys.argv[2:], signals.HANDLED)
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
            leads_on = self._is_other(renew.installed(self._estate.launch))
            ask = self._restart_asked if leads_on else states.RestartAsked
            self._handle(ask(*resumption.restart))

    def _who(self, child: Child) -> Who:
        return Who.CHILD if child is self._child else Who.CANDIDATE


def _describe(error: Exception) -> str:
    """The error, and where it came from: `ValueError: no (loop.py:120)`."""
    where = error.__traceback__
    while where is not None and where.tb_next is not None:
        where = where.tb_next
    place = f" ({os.path.basename(where.tb_frame.f_code.co_filename)}:{where.tb_lineno})" if where else ""
    return f"{type(error).__name__}: {error}{place}"
