from __future__ import annotations

from attrs import evolve

from tests.fakes.generation import TOKEN, Generation


def test_services_do_not_show_their_secret() -> None:
    assert TOKEN not in repr(Generation().services())


def test_streams_that_are_open_count_on_where_other_services_take_over() -> None:
    before = Generation().services()
    with before.event_streams.take():
        after = evolve(before, open_streams=before.event_streams)
        assert after.event_streams.taken == 1
    assert evolve(before).event_streams.taken == 0
