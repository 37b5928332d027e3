"""Sessions are kept, counted, pruned and forgotten as a model in plain lists has it, whatever happens in what order."""

from __future__ import annotations

import sqlite3
from collections import Counter

import pytest
from hypothesis import settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from tests.storage.session_model import Sessions
from tests.storage.values import done
from xopc.contracts.messages import Address, Inbound, PeerKind
from xopc.storage.migrate import MIGRATIONS, split_statements
from xopc.storage.path.base import Acceptance
from xopc.storage.path.forget import Person
from xopc.storage.path.sessions import Keeping, PruneQuery, SessionChange, SessionQuery
from xopc.storage.transactions import inbox, runs, session_lists, sessions, transcripts
from xopc.storage.transactions.forget import forget, select_traces

MAIN = "main:main:default:dm:main"
GROUP = "coder:telegram:default:group:-5"
PRIVATE = {person: f"main:telegram:default:dm:{person}" for person in "12"}
KEYS = st.sampled_from([MAIN, GROUP, *PRIVATE.values()])
PEOPLE = st.sampled_from("12")
NAMES = st.sampled_from(["", "Ünder", "under"])
TAGS = st.frozensets(st.sampled_from("ab"))
EVERYTHING = 10_000


class KeptSessions(RuleBasedStateMachine):
    """Each rule does the same to the storage and to the model, and compares what they answer."""

    def __init__(self) -> None:
        super().__init__()
        self.model = Sessions()
        self.connection = sqlite3.connect(":memory:", isolation_level=None)
        self.connection.execute("PRAGMA foreign_keys = ON")
        for migration in MIGRATIONS:
            for statement in split_statements(migration.sql):
                self.connection.execute(statement)
        self.runs_made = 0

    def teardown(self) -> None:
        self.connection.close()

    def tick(self) -> int:
        self.model.now += 1
        return self.model.now

    # ------------------------------------------------------------------ turns

    @rule(person=PEOPLE, place=st.sampled_from(["main", "group", "private"]))
    def write(self, person: str, place: str) -> None:
        key = {"main": MAIN, "group": GROUP, "private": PRIVATE[person]}[place]
        is_group = place == "group"
        self.runs_made += 1
        run_id = f"run-{self.runs_made}"
        where = Address("telegram", "default", "-5" if is_group else person)
        message = Inbound(where, PeerKind.GROUP if is_group else PeerKind.DM, person, "user", run_id)
        now = self.tick()
        inbox.accept(self.connection, [Acceptance(message, key, run_id)], None, "opening", now)
        self.model.accept(key, run_id, person, is_group=is_group)

    @rule(key=KEYS, ends=st.booleans())
    def answer(self, key: str, ends: bool) -> None:
        now = self.tick()
        turn = runs.claim(self.connection, key, "boot", now)
        run_id = self.model.claim(key)
        assert (turn and turn.run_id) == run_id
        if run_id is not None and ends:
            runs.finish(self.connection, run_id, done("agent"), [], now)
            self.model.finish(key)

    @rule(key=KEYS)
    def reset(self, key: str) -> None:
        sessions.reset_session(self.connection, key, now := self.tick())
        if session := self.model.by_key.get(key):
            session.reset, session.updated = len(session.messages), now

    # ---------------------------------------------------------------- keeping

    @rule(key=KEYS, keeping=st.sampled_from(Keeping))
    def keep(self, key: str, keeping: Keeping) -> None:
        changed = sessions.change_session(self.connection, key, SessionChange(keeping=keeping))
        assert (changed is None) == (key not in self.model.by_key)
        if session := self.model.by_key.get(key):
            session.keeping = keeping

    @rule(key=KEYS, name=NAMES, tags=TAGS)
    def name(self, key: str, name: str, tags: frozenset[str]) -> None:
        sessions.change_session(self.connection, key, SessionChange(name=name, tags=tuple(sorted(tags))))
        if session := self.model.by_key.get(key):
            session.name, session.tags = name, tags

    @rule(key=KEYS)
    def touch(self, key: str) -> None:
        sessions.touch_sessions(self.connection, [(key, self.tick())])

    @rule(key=KEYS)
    def delete(self, key: str) -> None:
        assert sessions.delete_session(self.connection, key, self.tick()) == self.model.delete(key)

    @rule(age=st.integers(0, 12))
    def prune(self, age: int) -> None:
        query = PruneQuery(unused_since=self.model.now - age)
        keys = self.model.prunable(self.model.now - age)
        assert session_lists.select_prunable(self.connection, query) == keys
        assert session_lists.prune_sessions(self.connection, [MAIN, GROUP, *keys], query, self.tick()) == [
            *[key for key in (MAIN, GROUP) if key in keys],
            *[key for key in keys if key not in (MAIN, GROUP)],
        ]
        for key in keys:
            self.model.delete(key)

    @rule(person=PEOPLE)
    def forget(self, person: str) -> None:
        expected = select_traces(self.connection, [Person(person, "telegram")], [])
        traces = forget(self.connection, [Person(person, "telegram")], [])
        assert traces == expected
        owned, shared, redacted = self.model.forget(person)
        assert (set(traces.sessions), set(traces.shared), traces.redacted) == (owned, shared, redacted)

    # ------------------------------------------------------------- what holds

    @invariant()
    def each_session_is_the_same(self) -> None:
        for key in (MAIN, GROUP, *PRIVATE.values()):
            info, session = sessions.select_session(self.connection, key), self.model.by_key.get(key)
            if info is None or session is None:
                assert info is session is None
                continue
            assert (info.keeping, info.name or "", info.tags) == (
                session.keeping,
                session.name,
                tuple(sorted(session.tags)),
            )
            assert (info.message_count, info.turn_count) == (len(session.messages), session.turns)
            assert info.updated_at == session.updated
            entries = transcripts.select_messages(self.connection, key, EVERYTHING, None)
            assert [(entry.seq, entry.message.content) for entry in entries] == [
                (seq, said.text) for seq, said in enumerate(session.messages, start=1)
            ]
            history = transcripts.select_history(self.connection, key, EVERYTHING)
            assert len(history) == len(session.messages) - session.reset
            waiting = session.waiting[0].run_id if session.waiting else None
            assert sessions.select_active_run(self.connection, key) == waiting

    @invariant()
    def sums_and_lists_are_those_of_all_sessions(self) -> None:
        sums, _ = session_lists.select_sums(self.connection, 0)
        kept = Counter(session.keeping for session in self.model.by_key.values())
        assert {keeping: sum(one.sessions for one in sums if one.keeping is keeping) for keeping in Keeping} == {
            keeping: kept[keeping] for keeping in Keeping
        }
        assert all(one.sessions > 0 for one in sums)
        assert sum(one.messages for one in sums) == sum(len(one.messages) for one in self.model.by_key.values())
        assert sum(one.turns for one in sums) == sum(one.turns for one in self.model.by_key.values())
        for query, keys in (
            (SessionQuery(), set(self.model.by_key)),
            (SessionQuery(search="ÜND"), {key for key, one in self.model.by_key.items() if one.name == "Ünder"}),
            (SessionQuery(tags=("a",)), {key for key, one in self.model.by_key.items() if "a" in one.tags}),
            (
                SessionQuery(keepings=frozenset({Keeping.PINNED})),
                {key for key, one in self.model.by_key.items() if one.keeping is Keeping.PINNED},
            ),
        ):
            items, total = session_lists.select_sessions(self.connection, query, 0)
            assert {item.key for item in items} == keys
            assert total == len(keys)

    @invariant()
    def no_dedupe_key_of_a_forgotten_person_is_known(self) -> None:
        known = {run_id for (run_id,) in self.connection.execute("SELECT run_id FROM dedupe_keys")}
        assert known == self.model.runs
        people = self.connection.execute("SELECT DISTINCT person FROM session_people").fetchall()
        assert {person for (person,) in people} == set[str]().union(*(one.people for one in self.model.by_key.values()))


@pytest.mark.timeout(240)  # it does nothing but compute, at a tenth of the pace where ten others do so
class TestKeptSessions(KeptSessions.TestCase):
    """Some 5 s: a hundred and fifty lives of forty steps each."""

    settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
