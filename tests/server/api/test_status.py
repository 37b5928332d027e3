from __future__ import annotations

from quart_trio import QuartTrio

from tests.fakes.asgi import ask
from tests.fakes.generation import AT, BEARER


async def test_health_tells_everybody_how_the_gateway_is(app: QuartTrio) -> None:
    for path in ("/health", "/api/health"):
        answer = await ask(app, "GET", path)
        assert answer.status == 200
        assert answer.json == {
            "status": "healthy",
            "uptime": 3600,
            "service": "xopc-gateway",
            "version": "0.1.0",
            "bootId": "b00t",
            "generation": 1,
            "pid": 100,
            "gatewayPid": 101,
            "startedAt": AT,
            "problems": ["hand-over"],
        }


async def test_status_tells_a_reader_more(app: QuartTrio) -> None:
    answer = await ask(app, "GET", "/api/status", [BEARER])
    assert answer.status == 200
    assert answer.json == {
        "health": (await ask(app, "GET", "/health")).json,
        "port": 18790,
        "addresses": ["127.0.0.1:18790"],
        "authMode": "token",
        "configPath": "/home/ann/.xopc/xopc.json",
        "stateDir": "/home/ann/.xopc",
        "lastRestart": {
            "kind": "in-process",
            "reason": "a new configuration",
            "bootId": "b00t",
            "generation": 1,
            "at": AT,
            "durationMs": 12,
        },
        "restarts": 0,
        "memory": {"rss": 40_000_000, "pss": None},
        "connections": 1,
        "warnings": [],
        "problems": [{"code": "hand-over", "message": "The new process could not take over.", "since": AT}],
        "limiter": {"enabled": True, "failures": 0, "clients": 0, "blocked": []},
        "lastReload": None,
        "inbox": {"waiting": 0, "running": 0, "parked": 0},
        "storage": None,
    }
