from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

import pytest
from quart_trio import QuartTrio

from tests.fakes.asgi import ask
from tests.fakes.clock import Clock
from tests.fakes.door import open_door
from tests.fakes.generation import BEARER, Generation
from xopc.core.logs.level import LevelSwitch
from xopc.server.app import build_app
from xopc.server.services import Logs
from xopc.server.wire.gate import Gate

READS = ("", "/files", "/stats", "/levels", "/modules", "/dir", "/level")


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    directory = tmp_path / "logs"
    directory.mkdir()
    return directory


@pytest.fixture
def app(directory: Path, clock: Clock) -> QuartTrio:
    gate = Gate()
    gate.open(Generation(logs=Logs(directory, LevelSwitch("info", clock))).services())
    return build_app(gate, open_door())


def write(directory: Path, *fields: Mapping[str, object], day: str = "2026-11-20") -> None:
    with (directory / f"app-{day}.log").open("a", encoding="utf-8") as file:
        for members in fields:
            line = {"timestamp": f"{day}T10:00:00.000Z", "level": "info", "message": "Hello.", "module": "xopc.server"}
            file.write(json.dumps({**line, **members}) + "\n")


async def test_a_page_has_the_newest_lines_first_with_their_fields(app: QuartTrio, directory: Path) -> None:
    write(directory, {"message": "older"})
    write(directory, {"message": "newer", "level": "warn", "session": "s", "attempts": 2}, day="2026-11-21")
    answer = await ask(app, "GET", "/api/logs", [BEARER])
    assert answer.status == 200
    assert answer.json == {
        "logs": [
            {
                "timestamp": "2026-11-21T10:00:00.000Z",
                "level": "warn",
                "message": "newer",
                "module": "xopc.server",
                "session": "s",
                "attempts": 2,
            },
            {
                "timestamp": "2026-11-20T10:00:00.000Z",
                "level": "info",
                "message": "older",
                "module": "xopc.server",
            },
        ],
        "count": 2,
        "total": 2,
        "hasMore": False,
        "nextCursor": None,
    }


async def test_the_list_comes_in_pages(app: QuartTrio, directory: Path) -> None:
    write(directory, *({"message": str(number)} for number in range(5)))
    first = (await ask(app, "GET", "/api/logs?limit=2", [BEARER])).json
    write(directory, {"message": "new"})
    second = (await ask(app, "GET", f"/api/logs?limit=2&cursor={first['nextCursor']}", [BEARER])).json
    third = (await ask(app, "GET", "/api/logs?limit=3&offset=4&order=asc", [BEARER])).json
    assert [[line["message"] for line in page["logs"]] for page in (first, second, third)] == [
        ["4", "3"],
        ["2", "1"],
        ["4", "new"],
    ]
    assert [page["total"] for page in (first, second, third)] == [5, None, 6]


@pytest.mark.parametrize(
    ("query", "messages"),
    [
        ("level=warn,%20error", ["b", "a"]),
        ("level=", ["c", "b", "a"]),
        ("from=2026-11-20T12:00:00%2B01:00", ["c", "b"]),
        ("from=2026-11-20T12:00:00+01:00", ["c", "b"]),
        ("to=2026-11-20T11:00:00Z", ["b", "a"]),
        ("q=PIGEON", ["a"]),
        (f"q={quote('täube')}", ["b"]),
        ("module=xopc.channels", ["b"]),
        ("extension=echo", ["c"]),
        ("requestId=r1", ["a"]),
        ("sessionId=s1&level=error", ["b"]),
    ],
)
async def test_only_lines_that_match_are_listed(
    app: QuartTrio, directory: Path, query: str, messages: list[str]
) -> None:
    write(
        directory,
        {"message": "a", "level": "warn", "who": "Pigeons", "run": "r1", "session": "s1"},
        {
            "timestamp": "2026-11-20T11:00:00.000Z",
            "message": "b",
            "level": "error",
            "who": "Täube",
            "module": "xopc.channels.telegram",
            "session": "s1",
        },
        {"timestamp": "2026-11-20T12:00:00.000Z", "message": "c", "extension": "echo"},
    )
    answer = (await ask(app, "GET", f"/api/logs?{query}", [BEARER])).json
    assert [line["message"] for line in answer["logs"]] == messages
    assert answer["total"] == len(messages)


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("level=loud", "level"),
        ("level=info,INFO", "level"),
        ("from=yesterday", "from"),
        ("to=2026-02-31", "to"),
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("limit=x", "limit"),
        ("offset=-1", "offset"),
        ("order=up", "order"),
        ("cursor=../../etc/passwd", "cursor"),
        ("cursor=" + "x" * 300, "cursor"),
        ("q=" + "x" * 300, "q"),
    ],
)
async def test_a_query_that_is_wrong_is_refused_by_its_name(app: QuartTrio, query: str, parameter: str) -> None:
    answer = await ask(app, "GET", f"/api/logs?{query}", [BEARER])
    assert answer.status == 400
    code, message = answer.error
    assert code == "INVALID_REQUEST"
    assert message.startswith(f"?{parameter}: ")


@pytest.mark.parametrize("path", [*READS, "/stream"])
async def test_all_of_it_needs_a_credential(app: QuartTrio, path: str) -> None:
    assert (await ask(app, "GET", f"/api/logs{path}")).status == 401
    assert (await ask(app, "POST", "/api/logs/level", (), b'{"level": "debug"}')).status == 401


@pytest.fixture
def none_there(directory: Path) -> None:
    directory.rmdir()


@pytest.fixture
def unreadable(none_there: None, directory: Path) -> None:
    directory.symlink_to(directory)  # a loop: even an administrator cannot read it


@pytest.mark.usefixtures("none_there")
@pytest.mark.parametrize("path", READS)
async def test_without_a_log_there_is_an_empty_answer(app: QuartTrio, path: str) -> None:
    assert (await ask(app, "GET", f"/api/logs{path}", [BEARER])).status == 200


@pytest.mark.usefixtures("unreadable")
@pytest.mark.parametrize("path", ["", "/files", "/stats", "/modules"])
async def test_a_directory_that_cannot_be_read_is_told_without_its_path(
    app: QuartTrio, directory: Path, path: str
) -> None:
    answer = await ask(app, "GET", f"/api/logs{path}", [BEARER])
    assert (answer.status, answer.error[0]) == (503, "UNAVAILABLE")
    assert str(directory) not in answer.error[1]


async def test_the_files_are_listed(app: QuartTrio, directory: Path) -> None:
    write(directory, {})
    write(directory, {}, {}, day="2026-11-21")
    size = (directory / "app-2026-11-20.log").stat().st_size
    answer = await ask(app, "GET", "/api/logs/files", [BEARER])
    assert answer.json == {
        "files": [
            {"name": "app-2026-11-21.log", "size": 2 * size, "date": "2026-11-21"},
            {"name": "app-2026-11-20.log", "size": size, "date": "2026-11-20"},
        ]
    }


async def test_the_stats_count_lines(app: QuartTrio, directory: Path) -> None:
    now = datetime.now(UTC).isoformat()
    write(directory, {"level": "error"}, {}, {"timestamp": now, "level": "error", "module": "xopc.agent"})
    answer = await ask(app, "GET", "/api/logs/stats", [BEARER])
    assert answer.json == {
        "files": 1,
        "bytes": (directory / "app-2026-11-20.log").stat().st_size,
        "lines": 3,
        "complete": True,
        "since": "2026-11-20T10:00:00.000Z",
        "byLevel": {"trace": 0, "debug": 0, "info": 1, "warn": 0, "error": 2, "fatal": 0},
        "byModule": {"xopc.server": 2, "xopc.agent": 1},
        "errors24h": 1,
    }


async def test_levels_modules_and_the_directory_are_told(
    app: QuartTrio, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(directory, {}, {"module": "xopc.agent"})
    monkeypatch.setenv("HOME", str(directory.parent))
    levels = (await ask(app, "GET", "/api/logs/levels", [BEARER])).json
    assert levels == {"levels": ["trace", "debug", "info", "warn", "error", "fatal"]}
    modules = (await ask(app, "GET", "/api/logs/modules", [BEARER])).json
    assert modules == {"modules": ["xopc.agent", "xopc.server"], "complete": True}
    assert (await ask(app, "GET", "/api/logs/dir", [BEARER])).json == {"dir": "~/logs"}


async def test_the_level_is_changed_for_some_minutes(app: QuartTrio, clock: Clock) -> None:
    configured = {"level": "info", "configured": "info", "until": None}
    assert (await ask(app, "GET", "/api/logs/level", [BEARER])).json == configured
    before = datetime.now(UTC)
    answer = await ask(app, "POST", "/api/logs/level", [BEARER], b'{"level": "debug", "duration": 5}')
    assert answer.status == 200
    assert (answer.json["level"], answer.json["configured"]) == ("debug", "info")
    assert 299 <= (datetime.fromisoformat(answer.json["until"]) - before).total_seconds() <= 310
    clock.now += 299
    assert (await ask(app, "GET", "/api/logs/level", [BEARER])).json["level"] == "debug"
    clock.now += 1
    assert (await ask(app, "GET", "/api/logs/level", [BEARER])).json == configured


async def test_a_level_without_a_duration_stays_until_the_next(app: QuartTrio, clock: Clock) -> None:
    await ask(app, "POST", "/api/logs/level", [BEARER], b'{"level": "debug", "duration": 5}')
    answer = await ask(app, "POST", "/api/logs/level", [BEARER], b'{"level": "error"}')
    assert answer.json == {"level": "error", "configured": "info", "until": None}
    clock.now += 1e6
    assert (await ask(app, "GET", "/api/logs/level", [BEARER])).json == answer.json


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({}, "$.level"),
        ({"level": "loud"}, "$.level"),
        ({"level": "debug", "duration": 0}, "$.duration"),
        ({"level": "debug", "duration": "5"}, "$.duration"),
        ({"level": "debug", "duration": 10081}, "$.duration"),
        ({"level": "debug", "minutes": 5}, "$.minutes"),
    ],
)
async def test_a_level_that_is_wrong_changes_nothing(app: QuartTrio, body: dict[str, object], path: str) -> None:
    answer = await ask(app, "POST", "/api/logs/level", [BEARER], json.dumps(body).encode())
    assert (answer.status, answer.error[0]) == (400, "INVALID_REQUEST")
    assert answer.error[1].startswith(f"{path}: ")
    assert (await ask(app, "GET", "/api/logs/level", [BEARER])).json["level"] == "info"
