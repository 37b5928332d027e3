"""The supervisor's loop: turns signals, words and exits into events, asks `decisions.decide`, and does what it says."""

from __future__ import annotations

import os
import select
import signal
import sys
import time

from xopc_supervisor import contract, decisions, intent, orphans, renew, signals, states, succession
from xopc_supervisor.child import Child
from xopc_supervisor.estate import Estate
from xopc_supervisor.family import Family
from xopc_supervisor.log import Log, say
from xopc_supervisor.signals import Signals
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
        self._family: Family
        self._announced = False
        self._next_tick = 0.0
        self._on_terminal = os.isatty(0)
        self._signals: Signals

    def run(self, resumption: renew.Resumption | None = None) -> int:
        """Supervise until the end, and return the exit code. Blocks; signals are handled from here on."""
        foreign = resumption.foreign_pids if resumption else tuple(orphans.adopted(()))
        self._family = Family(self._estate, foreign, lambda what: self._log.write("error", what))
        orphans.become_subreaper()
        self._signals = Signals()
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
            self._family.end()
            signals.ignore()
        return self._state.exit_code

    # ---------------------------------------------------------------- events

    def _turn(self) -> None:
        """Wait for something to happen, and see to it."""
        self._wait()
        # The words of a process come before its exit: its last one may tell that the exit was asked for.
        for said in self._family.words():
            self._handle(said)
        for number in self._signals.caught():
            self._handle(self._meaning(number))
        for event in self._family.exits():
            self._handle(event)
        self._look_at_the_clock()
        if self._family.child is None and self._state.needs_child:
            self._handle(states.Exited(contract.EXIT_FAILURE))  # it is not there, and its end was not noticed

    def _wait(self) -> None:
        poll = select.poll()
        for readable in (self._signals, *self._family.lines()):
            poll.register(readable, select.POLLIN)
        state = self._state
        alarms = [state.deadline, state.candidate_deadline, state.spare_at, self._manager.next_sign_of_life]
        if state.is_watched:
            alarms.append(self._next_tick)
        due = min((alarm for alarm in alarms if alarm is not None), default=None)
        # One millisecond more: poll counts in whole ones, and must not return before the deadline.
        poll.poll(None if due is None else max(0, due - time.monotonic()) * 1000 + 1)

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
        boot_id = self._family.child.boot_id if self._family.child else None
        path = self._estate.launch.intent_path
        return intent.consume(path, os.getpid(), boot_id, lambda what: self._log.write("error", what))

    def _restart_asked(self, mode: str, reason: str) -> states.Event:
        running = self._family.child.version if self._family.child else self._version
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
                self._family.drop_spare()
            case states.HandOver(reason):
                self._family.hand_over(reason)
            case states.Promote(kind, reason):
                self._promote(kind, reason)
            case states.Tell(line):
                self._family.tell(line)
            case states.Kill(number, who):
                self._family.kill(number, who)
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
            self._family.start_child(use_accepted=use_accepted)
        except OSError as error:
            self._handle(states.NotSpawned(str(error)))
            return
        self._let_go(kind, reason)

    def _let_go(self, kind: str, reason: str) -> None:
        self._family.let_go(kind, reason)
        self._record()

    def _spawn_candidate(self, *, is_spare: bool) -> None:
        try:
            self._family.start_candidate(is_spare=is_spare)
        except OSError as error:
            self._handle(states.NotSpawned(str(error), Who.CANDIDATE))
            return
        self._record()

    def _promote(self, kind: str, reason: str) -> None:
        candidate = self._family.candidate
        if candidate is not None and candidate.is_spare and self._is_outdated(candidate):
            self._family.drop_spare()
            self._spawn(kind, reason, use_accepted=False)
            return
        self._family.promote()
        if self._family.child is not None:  # else it ended in this moment, and its exit is the next event
            self._let_go(kind, reason)

    def _is_outdated(self, spare: Child) -> bool:
        code = renew.installed(self._estate.launch)
        return self._is_other(code) or code.version not in (None, spare.version or code.version)

    def _announce(self) -> None:
        self._family.down_since = None
        self._manager.ready()
        self._record()
        if not self._announced:
            self._announced = True
            say(self._estate.launch.ready_text.replace("{port}", str(self._estate.port)))

    def _record(self) -> None:
        try:
            self._estate.record(self._state, self._family.child, self._family.candidate)
        except OSError as error:
            what = f"Cannot write {self._estate.lock.path}: {error.strerror}"
            self._log.write("warn", f"{what}. The lock is held all the same.")

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
            self._family.child,
            self._state,
            announced=self._announced,
            down_since=self._family.down_since,
            restart=restart,
            foreign_pids=self._family.foreign,
        )
        why = renew.check(resumption, code, check_seconds)
        if why is not None:
            return why
        self._signals.leave_to_the_kernel()
        try:
            renew.replace(resumption, code, sys.argv[2:], signals.HANDLED)
        except OSError as error:
            return str(error)

    def _resume(self, resumption: renew.Resumption) -> None:
        self._state = renew.state_of(resumption)
        self._family.child = renew.child_of(resumption)
        self._announced, self._family.down_since = resumption.announced, resumption.down_since
        self._next_tick = time.monotonic() + TICK_SECONDS
        self._log.write("info", f"The supervisor runs version {self._version} now.")
        self._record()
        for event in self._family.exits():  # their signals came to the code before
            self._handle(event)
        if resumption.restart is not None:
            leads_on = self._is_other(renew.installed(self._estate.launch))
            ask = self._restart_asked if leads_on else states.RestartAsked
            self._handle(ask(*resumption.restart))


def _describe(error: Exception) -> str:
    """The error, and where it came from: `ValueError: no (loop.py:120)`."""
    where = error.__traceback__
    while where is not None and where.tb_next is not None:
        where = where.tb_next
    place = f" ({os.path.basename(where.tb_frame.f_code.co_filename)}:{where.tb_lineno})" if where else ""
    return f"{type(error).__name__}: {error}{place}"
