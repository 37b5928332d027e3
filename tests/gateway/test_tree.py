"""The whole tree in this process: real sockets, a real database, and the test as its supervisor."""

from __future__ import annotations

import socket
from pathlib import Path

import trio

from tests.fakes.supervised_tree import TOKEN, running, write
from xopc.config.accepted import keep_accepted
from xopc.config.resolve import Flags
from xopc.config.setup import prepare
from xopc.gateway.departure import Outcome
from xopc_supervisor.contract import Address


async def test_it_listens_and_then_is_ready_and_a_stop_ends_it(configured: Path) -> None:
    async with running(configured) as supervised:
        assert await supervised.words("ready") == ["listening", "ready 30 0"]
        health = await supervised.get("/health")
        assert (health["status"], health["bootId"], health["pid"]) == ("healthy", "boot-1", 4711)
        await supervised.tell("stop by hand")
        assert "stopping" in await supervised.words("stopping")
    assert supervised.outcomes == [Outcome.STOP]


async def test_its_configuration_is_kept_before_it_says_ready(configured: Path) -> None:
    async with running(configured) as supervised:
        await supervised.words("ready")
        assert supervised.home.resolved.paths.accepted.exists()
        await supervised.tell("stop")


async def test_the_loss_of_the_supervisor_is_a_stop(configured: Path) -> None:
    async with running(configured) as supervised:
        await supervised.words("ready")
        await supervised.line.aclose()
    assert supervised.outcomes == [Outcome.STOP]


async def test_a_restart_in_the_process_is_said_recorded_and_counted(configured: Path) -> None:
    async with running(configured) as supervised:
        await supervised.words("ready")
        await supervised.tell("restart in-process a new key")
        assert await supervised.words("ready") == ["restart in-process a new key", "ready 30 0"]
        status = await supervised.get("/api/status")
        assert (status["health"]["generation"], status["restarts"]) == (2, 1)
        assert (status["lastRestart"]["kind"], status["lastRestart"]["reason"]) == ("in-process", "a new key")
        await supervised.tell("stop")
    assert supervised.outcomes == [Outcome.STOP]


async def test_a_respawn_is_a_wish_and_it_serves_until_it_is_told_to_hand_over(configured: Path) -> None:
    async with running(configured) as supervised:
        await supervised.words("ready")
        await supervised.tell("restart respawn a new version")
        assert await supervised.words("version") == ["restart respawn a new version"]
        assert (await supervised.get("/health"))["status"] == "healthy"
        with supervised.told_to_hand_over("a new version") as heirloom:
            assert await trio.to_thread.run_sync(heirloom.recv, 1) == b""
    assert supervised.outcomes == [Outcome.RESPAWN]


async def test_an_idle_connection_goes_to_the_successor_with_what_it_asks_later(configured: Path) -> None:
    async with running(configured) as supervised:
        await supervised.words("ready")
        idle = await trio.open_tcp_stream("127.0.0.1", supervised.home.places.serving[0].getsockname()[1])
        async with idle:
            await supervised.get("/health")
            with supervised.told_to_hand_over("a new version") as heirloom:
                _, fds, _, _ = await trio.to_thread.run_sync(socket.recv_fds, heirloom, 1, 4)
            await idle.send_all(b"GET /later")
            with socket.socket(fileno=fds[0]) as passed:
                passed.setblocking(True)
                assert passed.recv(100) == b"GET /later"
    assert supervised.outcomes == [Outcome.RESPAWN]


async def test_a_successor_that_is_declined_changes_nothing(configured: Path) -> None:
    async with running(configured) as supervised:
        await supervised.words("ready")
        await supervised.tell("restart respawn a new version")
        await supervised.tell("declined it has a bug")
        await supervised.words("version")
        await supervised.tell("restart in-process all the same")
        await supervised.words("ready")
        assert (await supervised.get("/health"))["generation"] == 2
        await supervised.tell("stop")
    assert supervised.outcomes == [Outcome.STOP]


async def test_a_restart_that_comes_while_a_successor_is_awaited_is_left_to_it(configured: Path) -> None:
    async with running(configured) as supervised:
        await supervised.words("ready")
        await supervised.tell("restart respawn a new version")
        await supervised.words("version")
        await supervised.tell("restart in-process meanwhile")
        await trio.sleep(0.2)
        assert (await supervised.get("/health"))["generation"] == 1
        await supervised.tell("declined it has a bug")
        assert (await supervised.words("ready"))[0] == "restart in-process meanwhile"
        await supervised.tell("stop")


async def test_an_edit_while_it_started_is_followed(configured: Path) -> None:
    edited = {"gateway": {"auth": {"token": TOKEN}, "watchdogSeconds": 60}}
    async with running(configured, edited=edited) as supervised:
        assert (await supervised.words("ready 60.0 0"))[:3] == ["listening", "ready 30 0", "ready 60.0 0"]
        await supervised.tell("stop")


async def test_a_hand_over_without_a_place_for_the_connections_parts_from_them_cleanly(configured: Path) -> None:
    async with running(configured) as supervised:
        await supervised.words("ready")
        await supervised.tell("hand-over a new version")
    assert supervised.outcomes == [Outcome.RESPAWN]


async def test_two_signals_within_a_second_are_one_stop(configured: Path) -> None:
    async with running(configured) as supervised:
        await supervised.words("ready")
        await supervised.tell("stop one")
        await supervised.tell("stop one")
    assert supervised.outcomes == [Outcome.STOP]


async def test_a_refused_reload_does_not_hide_that_the_last_accepted_copy_serves(configured: Path) -> None:
    keep_accepted(prepare({"XOPC_HOME": str(configured)}, Flags()))
    (configured / ".xopc" / "xopc.json").write_text("{")
    async with running(configured, use_accepted=True) as supervised:
        assert await supervised.words("accepted") == ["listening", "ready 30 0 accepted"]
        await supervised.tell("restart reload SIGHUP")
        await trio.sleep(0.3)
        health = await supervised.get("/health")
        assert (health["status"], health["problems"]) == ("degraded", ["configuration"])
        await supervised.tell("stop")


async def test_a_stop_that_a_service_manager_follows_with_a_start_is_a_restart_in_the_records(configured: Path) -> None:
    async with running(configured) as supervised:
        await supervised.words("ready")
        await supervised.tell("stop restart an upgrade")
    async with running(configured, boot_id="boot-2") as supervised:
        await supervised.words("ready")
        last = (await supervised.get("/api/status"))["lastRestart"]
        assert (last["kind"], last["reason"]) == ("respawn", "an upgrade")
        assert last["durationMs"] is not None
        await supervised.tell("stop")


async def test_the_start_after_a_crash_says_how_long_nobody_was_answered(configured: Path) -> None:
    async with running(configured, kind="crash", since=0.0) as supervised:
        await supervised.words("ready")
        last = (await supervised.get("/api/status"))["lastRestart"]
        assert (last["kind"], last["reason"]) == ("crash", "a crash")
        assert last["durationMs"] > 0
        await supervised.tell("stop")


async def test_a_configuration_that_forbids_restarts_is_obeyed_but_can_be_reloaded(configured: Path) -> None:
    gateway = {"auth": {"token": TOKEN}, "reload": {"mode": "off"}}
    write(configured, {"gateway": gateway, "commands": {"restart": False}})
    async with running(configured) as supervised:
        await supervised.words("ready")
        await supervised.tell("restart in-process please")
        write(configured, {"gateway": gateway})
        await supervised.tell("restart reload SIGHUP")
        assert await supervised.words("ready") == ["ready 30 0"]
        assert (await supervised.get("/health"))["generation"] == 1
        await supervised.tell("restart in-process now")
        assert await supervised.words("ready") == ["restart in-process now", "ready 30 0"]
        await supervised.tell("stop")


async def test_a_broken_configuration_leaves_the_generation_as_it_is(configured: Path) -> None:
    async with running(configured) as supervised:
        await supervised.words("ready")
        write(configured, {"gateway": {"port": "many"}})
        await supervised.tell("restart in-process broken")
        write_later = {"gateway": {"auth": {"token": TOKEN}}}
        await trio.sleep(0.3)
        assert (await supervised.get("/health"))["generation"] == 1
        write(configured, write_later)
        await supervised.tell("restart in-process mended")
        await supervised.words("ready")
        assert (await supervised.get("/health"))["generation"] == 2
        await supervised.tell("stop")


async def test_other_addresses_are_the_wish_for_a_successor(configured: Path) -> None:
    async with running(configured) as supervised:
        await supervised.words("ready")
        write(configured, {"gateway": {"port": 18999, "auth": {"token": TOKEN}}})
        await supervised.tell("restart in-process now")
        assert "restart respawn now" in await supervised.words("restart respawn now")
        assert (await supervised.get("/health"))["generation"] == 1
        await supervised.tell("stop")


async def test_where_no_process_may_follow_other_addresses_wait_for_the_next_start(configured: Path) -> None:
    async with running(configured, XOPC_NO_RESPAWN="1") as supervised:
        await supervised.words("ready")
        write(configured, {"gateway": {"port": 18999, "auth": {"token": TOKEN}}})
        await supervised.tell("restart reload SIGHUP")
        await supervised.words("ready")
        await supervised.tell("restart in-process all the same")
        await supervised.words("ready")
        status = await supervised.get("/api/status")
        assert (status["health"]["generation"], status["health"]["status"]) == (2, "healthy")
        assert status["problems"][0]["message"] == (
            "These changes wait for a restart: gateway.port. Stop and start the gateway"
        )
        await supervised.tell("stop")


async def test_an_address_that_is_not_there_is_a_problem_from_the_first_answer_on(configured: Path) -> None:
    custom = {"bind": "custom", "customBindHost": "198.51.100.7", "auth": {"token": TOKEN}}
    write(configured, {"gateway": custom})
    async with running(configured) as supervised:
        await supervised.words("ready")
        health = await supervised.get("/health")
        assert (health["status"], health["problems"]) == ("degraded", ["addresses"])
        assert any(node["name"] == "addresses" for node in (await supervised.get("/api/tree"))["children"])
        write(configured, {"gateway": {**custom, "customBindHost": "127.0.0.2"}})
        await supervised.tell("restart reload SIGHUP")
        assert (await supervised.words("SIGHUP"))[-1] == "restart respawn SIGHUP"
        await supervised.tell("stop")


async def test_sockets_that_are_not_for_what_the_configuration_names_are_tried_for_again_by_a_restart(
    configured: Path,
) -> None:
    async with running(configured, bound=(Address("127.0.0.1", 1),), problem="port 18790 is taken") as supervised:
        await supervised.words("ready")
        assert (await supervised.get("/health"))["problems"] == ["addresses"]
        await supervised.tell("restart in-process by hand")
        assert await supervised.words("by hand") == ["restart respawn by hand"]
        await supervised.tell("stop")
