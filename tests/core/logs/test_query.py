"""Pages of the log: the newest lines first, nothing twice, nothing missed."""

from __future__ import annotations

import gzip
import json
from base64 import urlsafe_b64encode
from collections.abc import Callable, Generator
from datetime import date
from pathlib import Path
from typing import Any

import attrs
import pytest

from xopc.contracts.api.logs import LogLevel, LogPage, LogQuery
from xopc.contracts.api.sessions import Direction
from xopc.contracts.errors import InvalidValueError
from xopc.core.logs.query import MASKING_BYTES, MAX_PAGE_BYTES, Cursor, search
from xopc.core.logs.scan import BUDGET_BYTES

ASCENDING = LogQuery(order=Direction.ASCENDING)


def result(steps: Generator[None, None, LogPage]) -> LogPage:
    while True:
        try:
            next(steps)
        except StopIteration as stop:
            return stop.value


def ask(
    directory: Path,
    query: LogQuery | None = None,
    budget: int = BUDGET_BYTES,
    **changes: Any,  # noqa: ANN401 - of a query
) -> LogPage:
    return result(search(directory, attrs.evolve(query or LogQuery(), **changes), budget))


def pages(
    directory: Path,
    query: LogQuery,
    between: Callable[[], None] = lambda: None,
    budget: int = BUDGET_BYTES,
    **changes: Any,  # noqa: ANN401 - of a query
) -> list[LogPage]:
    """All of them, by their cursors."""
    found = [ask(directory, query, budget, **changes)]
    while found[-1].next_cursor is not None:
        assert found[-1].has_more
        between()
        found.append(ask(directory, query, budget, **{**changes, "offset": 0, "cursor": found[-1].next_cursor}))
    assert not found[-1].has_more
    return found


def messages(*pages: LogPage) -> list[str]:
    return [entry["message"] for page in pages for entry in page.logs]


def line(message: object, at: str = "2026-01-01T12:00:00.000Z", **fields: object) -> str:
    level = fields.pop("level", "info")
    return json.dumps({"timestamp": at, "level": level, "message": str(message), "module": "m", **fields}) + "\n"


def write(directory: Path, day: int, *lines: str) -> None:
    with (directory / f"app-2026-01-{day:02}.log").open("a", encoding="utf-8") as file:
        file.writelines(lines)


def pack(directory: Path, day: int) -> None:
    path = directory / f"app-2026-01-{day:02}.log"
    path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
    path.unlink()


@pytest.fixture
def three_days(tmp_path: Path) -> Path:
    """Lines 0 to 29, ten a day, the first day packed."""
    for number in range(30):
        write(tmp_path, 1 + number // 10, line(number, level="error" if number % 3 == 0 else "info"))
    pack(tmp_path, 1)
    return tmp_path


def test_the_newest_lines_come_first_across_midnight(three_days: Path) -> None:
    page = ask(three_days, limit=15)
    assert messages(page) == [str(number) for number in range(29, 14, -1)]
    assert (page.count, page.total, page.has_more) == (15, 30, True)
    page = ask(three_days)
    assert messages(page) == [str(number) for number in range(29, -1, -1)]
    assert (page.count, page.total, page.has_more, page.next_cursor) == (30, 30, False, None)


def test_the_oldest_come_first_where_that_is_asked_for(three_days: Path) -> None:
    assert messages(ask(three_days, ASCENDING, limit=12)) == [str(number) for number in range(12)]


def test_without_files_there_is_an_empty_page(tmp_path: Path) -> None:
    assert ask(tmp_path / "none") == LogPage((), 0, 0, False, None)


@pytest.mark.parametrize("limit", [1, 7, 10, 29, 30, 31])
def test_pages_by_offset_are_the_list(three_days: Path, limit: int) -> None:
    whole = messages(ask(three_days))
    for offset in range(0, 35, limit):
        page = ask(three_days, limit=limit, offset=offset)
        assert messages(page) == whole[offset : offset + limit]
        assert (page.total, page.has_more) == (30, offset + limit < 30)


@pytest.mark.parametrize("limit", [1, 3, 10, 29, 30])
@pytest.mark.parametrize("order", Direction)
@pytest.mark.parametrize("levels", [(), (LogLevel.ERROR,)])
def test_pages_by_cursor_are_the_list(
    three_days: Path, limit: int, order: Direction, levels: tuple[LogLevel, ...]
) -> None:
    query = LogQuery(order=order, level=levels)
    found = pages(three_days, query, limit=limit)
    assert messages(*found) == messages(ask(three_days, query))
    assert all(page.count == limit for page in found[:-1])
    assert found[0].total == (10 if levels else 30)


@pytest.mark.parametrize("order", Direction)
def test_nothing_is_skipped_or_doubled_while_lines_are_written(three_days: Path, order: Direction) -> None:
    new = iter(range(30, 100))

    def between() -> None:
        number = next(new)
        if number < 36:
            write(three_days, 3 if number < 33 else 4, line(number))

    found = messages(*pages(three_days, LogQuery(order=order), between, limit=4))
    if order is Direction.DESCENDING:
        assert found == [str(number) for number in range(29, -1, -1)]
    else:
        assert found == [str(number) for number in range(36)]


def test_a_cursor_goes_on_in_a_file_that_was_packed_meanwhile(three_days: Path) -> None:
    first = ask(three_days, limit=13)
    pack(three_days, 2)
    assert messages(ask(three_days, cursor=first.next_cursor)) == [str(number) for number in range(16, -1, -1)]


@pytest.mark.parametrize(
    ("order", "left"), [(Direction.DESCENDING, range(9, -1, -1)), (Direction.ASCENDING, range(20, 30))]
)
def test_a_cursor_goes_on_behind_a_file_that_was_removed(three_days: Path, order: Direction, left: range) -> None:
    first = ask(three_days, order=order, limit=13)
    (three_days / "app-2026-01-02.log").unlink()
    assert messages(ask(three_days, order=order, cursor=first.next_cursor)) == [str(number) for number in left]


@pytest.mark.parametrize("order", Direction)
def test_what_is_beyond_the_budget_is_on_later_pages(three_days: Path, order: Direction) -> None:
    query = LogQuery(order=order, level=(LogLevel.ERROR,))
    found = pages(three_days, query, budget=300)
    assert len(found) > 5
    assert found[0].total is None
    numbers = [str(number) for number in range(0, 30, 3)]
    assert messages(*found) == (numbers if order is Direction.ASCENDING else numbers[::-1])
    assert messages(*pages(three_days, query, budget=300, offset=7)) == messages(*found)[7:]


def test_a_page_without_a_match_still_leads_on(three_days: Path) -> None:
    found = pages(three_days, LogQuery(q="nothing like it"), budget=300)
    assert len(found) > 5
    assert messages(*found) == []


def test_a_search_for_a_text_spends_more_for_each_line_that_it_finds(tmp_path: Path) -> None:
    most = BUDGET_BYTES // MASKING_BYTES
    write(tmp_path, 1, *[line("found")] * (most + 10))
    page = ask(tmp_path, q="FOUND")
    assert (page.count, page.total) == (100, None)
    assert ask(tmp_path).total == most + 10


def test_a_page_is_not_larger_than_its_most_bytes_and_a_line(tmp_path: Path) -> None:
    write(tmp_path, 1, *[line("x" * 60_000)] * 100)
    found = pages(tmp_path, LogQuery())
    assert [page.count for page in found] == [70, 30]
    assert 70 * 60_000 > MAX_PAGE_BYTES > 69 * 60_000
    assert found[0].total == 100


def test_blank_lines_and_one_that_is_being_written_are_none(tmp_path: Path) -> None:
    write(tmp_path, 1, line("a"), "\n", "   \n", line("b"), line("c")[:-9])
    assert messages(ask(tmp_path)) == ["b", "a"]
    assert ask(tmp_path, limit=1).total == 2


def test_what_is_no_log_line_is_listed_and_has_no_time(tmp_path: Path) -> None:
    write(tmp_path, 1, line("a"), "Killed\n")
    page = ask(tmp_path, limit=1)
    assert page.logs == ({"timestamp": None, "level": "info", "message": "Killed"},)
    assert messages(ask(tmp_path, since="2026-01-01")) == ["a"]


@pytest.mark.parametrize(
    ("since", "until", "expected"),
    [
        ("2026-01-01T23:00:00Z", None, ["d", "c", "b"]),
        ("2026-01-02T00:00:00+01:00", "2026-01-02T00:00:00Z", ["c", "b"]),
        (None, "2026-01-01T22:59:59.999Z", ["a"]),
        ("2027-01-01", None, []),
        ("0001-01-01", "9999-12-31", ["d", "c", "b", "a"]),
    ],
)
def test_the_time_filter_is_of_instants_although_files_are_of_local_days(
    tmp_path: Path, since: str | None, until: str | None, expected: list[str]
) -> None:
    # In Berlin: the lines of January 2nd begin at 23:00 UTC.
    write(tmp_path, 1, line("a", "2026-01-01T22:59:59.000Z"))
    write(
        tmp_path,
        2,
        line("b", "2026-01-01T23:00:00.000Z"),
        line("c", "2026-01-02T00:00:00.000Z"),
        line("d", "2026-01-02T22:00:00.000Z"),
    )
    page = ask(tmp_path, since=since, until=until)
    assert messages(page) == expected
    assert page.total == len(expected)


def test_files_of_other_days_cost_nothing(tmp_path: Path) -> None:
    for day in range(1, 10):
        write(tmp_path, day, line(day, f"2026-01-{day:02}T12:00:00.000Z"))
    budget = 4 * len(line(1))
    page = ask(tmp_path, budget=budget, since="2026-01-05T00:00:00Z", until="2026-01-05T23:00:00Z")
    assert (messages(page), page.total) == (["5"], 1)
    assert ask(tmp_path, budget=budget).total is None


def test_secrets_that_were_written_are_masked(tmp_path: Path) -> None:
    write(tmp_path, 1, line("with sk-an-invented-key-0123456789", token="an-invented-token-0123456789"))
    (entry,) = ask(tmp_path).logs
    assert entry["message"] == "with sk-an-…6789"
    assert entry["token"] == "an-inv…6789"


def test_a_cursor_survives_its_travel() -> None:
    cursor = Cursor(Direction.ASCENDING, date(2026, 1, 2), True, 12345, 6)
    assert Cursor.decode(cursor.encode()) == cursor


def encoded(text: str) -> str:
    return urlsafe_b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    "cursor",
    [
        "x",
        "0",
        "../../etc/passwd",
        "ä",
        "\ud800",
        encoded("desc ../../../etc/passwd log 0 0"),
        encoded("desc 2026-02-31 log 0 0"),
        encoded("desc 2026-01-01 log -1 0"),
        encoded("desc 2026-01-01 log 1"),
        encoded(f"desc 2026-01-01 log {'9' * 19} 0"),
        encoded("desc 2026-01-01 log ² 0"),
        encoded("desc 2026-01-01 tar 0 0"),
    ],
)
def test_a_cursor_that_is_none_is_refused(three_days: Path, cursor: str) -> None:
    with pytest.raises(InvalidValueError, match=r"^\?cursor: "):
        ask(three_days, cursor=cursor)


def test_a_cursor_of_the_other_order_is_refused(three_days: Path) -> None:
    cursor = ask(three_days, limit=1).next_cursor
    with pytest.raises(InvalidValueError, match=r"^\?cursor: is of a list in the order desc$"):
        ask(three_days, ASCENDING, cursor=cursor)


def test_an_offset_beside_a_cursor_is_refused(three_days: Path) -> None:
    cursor = ask(three_days, limit=1).next_cursor
    with pytest.raises(InvalidValueError, match=r"^\?offset: "):
        ask(three_days, cursor=cursor, offset=1)


@pytest.mark.parametrize("position", [0, 1, 5, 10**17])
@pytest.mark.parametrize("order", Direction)
def test_a_place_that_is_between_no_two_lines_does_no_harm(three_days: Path, order: Direction, position: int) -> None:
    for kind in ("log", "gz"):
        for day in ("2026-01-01", "2026-01-02", "2030-01-01", "0001-01-01", "9999-12-31"):
            cursor = encoded(f"{order.value} {day} {kind} {position} {position}")
            assert ask(three_days, order=order, cursor=cursor).count == 0 or position < 30
