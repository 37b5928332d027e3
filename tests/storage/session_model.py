"""Sessions in plain lists: how they are kept, found, pruned and forgotten, without how that is stored."""

from __future__ import annotations

from attrs import define, field

from xopc.storage.path.forget import REDACTED
from xopc.storage.path.sessions import Keeping


@define
class Said:
    """A message of a transcript, of a run that a person began."""

    run_id: str
    person: str
    text: str


@define
class Waiting:
    """A message without an end."""

    run_id: str
    person: str
    begun: bool = False


@define
class Session:
    """What is known of a session."""

    is_group: bool
    updated: int
    messages: list[Said] = field(factory=list[Said])
    waiting: list[Waiting] = field(factory=list[Waiting])
    people: set[str] = field(factory=set[str])
    answered: dict[str, str] = field(factory=dict[str, str])
    """The person of each run that ended, and that is still asked for."""
    keeping: Keeping = Keeping.ACTIVE
    name: str = ""
    tags: frozenset[str] = frozenset()
    turns: int = 0
    reset: int = 0


@define
class Sessions:
    """The whole storage. Time is a number that grows."""

    now: int = 0
    by_key: dict[str, Session] = field(factory=dict[str, Session])
    runs: set[str] = field(factory=set[str])
    """Those whose dedupe keys are known."""

    def accept(self, key: str, run_id: str, person: str, *, is_group: bool) -> None:
        session = self.by_key.setdefault(key, Session(is_group, self.now))
        session.waiting.append(Waiting(run_id, person))
        session.people.add(person)
        self.runs.add(run_id)

    def claim(self, key: str) -> str | None:
        session = self.by_key.get(key)
        if session is None or not session.waiting:
            return None
        first = session.waiting[0]
        if not first.begun:
            first.begun = True
            session.messages.append(Said(first.run_id, first.person, "user"))
            session.updated = self.now
            session.keeping = Keeping.ACTIVE if session.keeping is Keeping.ARCHIVED else session.keeping
        return first.run_id

    def finish(self, key: str) -> None:
        """End the run that was claimed."""
        session = self.by_key[key]
        first = session.waiting.pop(0)
        session.messages.append(Said(first.run_id, first.person, "agent"))
        session.updated = self.now
        session.turns += 1
        session.answered[first.run_id] = first.person

    def delete(self, key: str) -> bool:
        return self.by_key.pop(key, None) is not None

    def prunable(self, since: int) -> list[str]:
        """In the order of their last use."""
        found = [
            (session.updated, key)
            for key, session in self.by_key.items()
            if session.keeping is Keeping.ACTIVE and session.updated < since and not session.waiting
        ]
        return [key for _, key in sorted(found)]

    def forget(self, person: str) -> tuple[set[str], set[str], int]:
        """The sessions that went, those that others share, and how many messages were redacted there."""
        spoken = {key for key, session in self.by_key.items() if person in session.people}
        owned = {key for key in spoken if self.by_key[key].people == {person} and not self.by_key[key].is_group}
        redacted = 0
        for key in owned:
            session = self.by_key.pop(key)
            self.runs -= {said.run_id for said in session.messages} | {one.run_id for one in session.waiting}
        for key in spoken - owned:
            session = self.by_key[key]
            session.people.discard(person)
            gone = {one.run_id for one in session.waiting if one.person == person}
            session.waiting = [one for one in session.waiting if one.person != person]
            session.answered = {run_id: who for run_id, who in session.answered.items() if who != person}
            for said in session.messages:
                if said.person == person:
                    gone.add(said.run_id)
                    redacted += 1
                    said.text, said.person = REDACTED, ""
            self.runs -= gone
        return owned, spoken - owned, redacted
