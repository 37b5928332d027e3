"""The processes of one gateway: the child that serves, the candidate beside it, and what they leave behind."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator

from xopc_supervisor import contract, orphans, states
from xopc_supervisor.child import Child
from xopc_supervisor.contract import Go
from xopc_supervisor.estate import Estate
from xopc_supervisor.states import Who


class Family:
    """Starts them, hears them, buries them; who is to be what is decided elsewhere.

    *Ownership*: of the processes and their lines, until `end`.
    """

    def __init__(self, estate: Estate, foreign: tuple[int, ...], complain: Callable[[str], object]) -> None:
        """`foreign` are children that were there before, of the shell or the container's script that became this
        process; `complain` is told in a sentence what a process does not take.
        """
        self.child: Child | None = None
        self.candidate: Child | None = None
        self.foreign = foreign
        self.down_since: float | None = None
        """Of the monotonic clock: since when nobody serves; for a moment also while somebody hands over."""
        self._estate = estate
        self._complain = complain
        self._heirloom: socket.socket | None = None
        """The old child's end, until it is told to hand over."""

    # ---------------------------------------------------------------- events

    def lines(self) -> list[Child]:
        """Those who may still say something, for poll."""
        return [one for one in (self.child, self.candidate) if one is not None and one.fileno() >= 0]

    def words(self) -> Iterator[states.Said]:
        """What they have said. The next word is read only when the one before has been seen to."""
        for one in (self.candidate, self.child):
            if one is not None:
                yield from self._words_of(one)

    def exits(self) -> Iterator[states.Said | states.Exited]:
        """Who has ended, with what it said last: the only place that waits for processes, those that nobody else waits
        for included."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            for one in (self.candidate, self.child):
                if one is not None and pid == one.pid:
                    try:
                        # What it said last may have come after the words were read.
                        yield from self._words_of(one)
                    finally:
                        who = self._who(one)
                        self._bury(one)
                    yield states.Exited(os.waitstatus_to_exitcode(status), who)

    def _words_of(self, one: Child) -> Iterator[states.Said]:
        while one.fileno() >= 0:
            lines = one.hear()
            if not lines:
                return
            for line in lines:
                word, _, detail = line.partition(" ")
                if word == contract.LISTEN:
                    self._estate.provide_sockets(one, detail)
                    if one is self.child:
                        self._estate.move_with(one)
                    continue
                if word == contract.STANDBY:
                    one.version = detail.partition(" ")[0]
                if word == contract.RESTART and detail.startswith(contract.IN_PROCESS):
                    self._estate.manager.reloading()
                yield states.Said(word, detail, self._who(one))

    def _who(self, one: Child) -> Who:
        return Who.CHILD if one is self.child else Who.CANDIDATE

    # --------------------------------------------------------------- actions

    def start_child(self, *, use_accepted: bool) -> None:
        """A new process is the child.

        Raises:
            OSError: the system would not.
        """
        self.child = self._estate.start_process(use_accepted=use_accepted)

    def start_candidate(self, *, is_spare: bool) -> None:
        """A new process stands beside the child; to one that is no spare the child can leave its idle connections.

        Raises:
            OSError: the system would not.
        """
        self._drop_heirloom()
        if is_spare:
            self.candidate = self._estate.start_process(is_spare=True)
            return
        self._heirloom, theirs = socket.socketpair()
        with theirs:
            self.candidate = self._estate.start_process(theirs)

    def drop_spare(self) -> None:
        """Kill the candidate, and forget it."""
        spare, self.candidate = self.candidate, None
        if spare is not None:
            spare.bury()  # which kills it; `exits` takes whoever ends, known or not

    def hand_over(self, reason: str) -> None:
        """Let the child leave everything to the candidate."""
        self.down_since = time.monotonic()
        self._estate.manager.reloading()
        fds = [self._heirloom.fileno()] if self._heirloom else []
        if self.child is not None and not self.child.tell(f"{contract.HAND_OVER} {reason}", fds):
            self._complain("The gateway does not take the word that it has to hand over.")
        self._drop_heirloom()

    def promote(self) -> None:
        """The candidate is the child now, if it is still there."""
        self._drop_heirloom()
        self.child, self.candidate = self.candidate, None
        if self.child is not None:
            self._estate.move_with(self.child)

    def let_go(self, kind: str, reason: str) -> None:
        """Tell the child to serve."""
        if self.child is not None:
            self.child.tell(f"{contract.GO} {Go(kind, reason, self.down_since).to_json()}")

    def tell(self, line: str) -> None:
        """Say a line to the child."""
        if self.child is not None and not self.child.tell(line):
            self._complain(f"The gateway does not take the word {line!r}.")

    def kill(self, number: int, who: Who) -> None:
        """Send one of them a signal."""
        one = self.child if who is Who.CHILD else self.candidate
        if one is not None:
            one.signal(number)

    def end(self) -> None:
        """No process of this gateway outlives its supervisor."""
        for one in (self.child, self.candidate):
            if one is not None:
                one.signal(signal.SIGKILL)
                with contextlib.suppress(ChildProcessError):
                    os.waitpid(one.pid, 0)
                one.bury()
        self._drop_heirloom()
        orphans.kill_adopted(self.foreign)

    def _bury(self, one: Child) -> None:
        one.bury()
        if one is self.candidate:
            self.candidate = None
            self._drop_heirloom()
            self._estate.give_up_sockets(one)
        else:
            self.child = None
            self.down_since = self.down_since or time.monotonic()
        if self.child is None:
            orphans.kill_adopted((*self.foreign, self.candidate.pid) if self.candidate else self.foreign)

    def _drop_heirloom(self) -> None:
        if self._heirloom is not None:
            self._heirloom.close()
            self._heirloom = None
