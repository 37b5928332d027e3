from __future__ import annotations

from attrs import evolve

from xopc.cli.outbox_text import describe, summary
from xopc.contracts.messages import OutboxState
from xopc.server.api.outbox_examples import DEAD_LETTER


def test_each_state_is_told_in_words() -> None:
    told = [describe(evolve(DEAD_LETTER, state=state))[1] for state in OutboxState]
    assert told == [
        "State: pending: it waits to be sent",
        "State: inflight: it is being sent",
        "State: sent: it was sent",
        "State: dead: it was given up",
        "State: cancelled: it was taken back",
    ]


def test_only_what_is_known_is_told() -> None:
    little = evolve(DEAD_LETTER, settled_at=None, last_error=None, error_class=None)
    names = [line.partition(":")[0] for line in describe(little)]
    assert names == [DEAD_LETTER.id, "State", "To", "Accepted", "Attempts", "", "Hello"]


def test_a_sent_message_tells_its_ids_on_the_platform() -> None:
    sent = evolve(DEAD_LETTER, parts_sent=2, platform_message_ids=("17", "18"), possible_duplicate=True)
    told = describe(sent)
    assert "Parts sent: 2" in told
    assert "Ids on the platform: 17, 18" in told
    assert "May arrive twice: yes" in told


def test_a_summary_is_short_whatever_a_message_holds() -> None:
    lines = summary(evolve(DEAD_LETTER, content="a\nb" * 10_000, chat_id="x" * 256, last_error="y" * 1000))
    assert len(lines) == 4
    assert all(len(line) < 240 for line in lines)
