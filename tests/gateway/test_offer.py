"""What requests find behind the gate is what runs: a reload's configuration, and figures that can be had."""

from __future__ import annotations

from pathlib import Path

from tests.fakes.supervised_tree import TOKEN, running, write


async def test_a_restart_over_the_api_is_accepted_with_the_generation_that_ends(configured: Path) -> None:
    async with running(configured) as supervised:
        await supervised.words("ready")
        answer = await supervised.ask("POST /api/restart")
        assert answer.startswith(b"HTTP/1.1 202 ")
        assert b'"generation":1' in answer
        assert await supervised.words("ready") == ["restart in-process POST /api/restart", "ready 30 0"]
        await supervised.tell("stop")


async def test_a_reload_that_forbids_restarts_is_obeyed_by_whoever_asks_next(configured: Path) -> None:
    async with running(configured) as supervised:
        await supervised.words("ready")
        write(configured, {"gateway": {"auth": {"token": TOKEN}}, "commands": {"restart": False}})
        assert (await supervised.ask("POST /api/config/reload")).startswith(b"HTTP/1.1 200 ")
        answer = await supervised.ask("POST /api/restart")
        assert answer.startswith(b"HTTP/1.1 403 ")
        assert b"commands.restart=false" in answer
        await supervised.tell("stop")


async def test_the_status_and_the_figures_tell_of_the_room_that_is_taken(configured: Path) -> None:
    async with running(configured) as supervised:
        await supervised.words("ready")
        status = await supervised.get("/api/status")
        assert status["storage"]["databaseBytes"] > 0
        assert (status["inbox"], status["limiter"]["enabled"]) == ({"waiting": 0, "running": 0, "parked": 0}, True)
        figures = (await supervised.ask("GET /metrics")).decode()
        assert "\nxopc_database_bytes " in figures
        await supervised.tell("stop")
