"""What is done to a gateway, and what must hold right after it. What holds for the clients is the ledger's to tell."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from tests.e2e.chaos.ledger import Disturbance, Kind
from tests.e2e.chaos.site import Health, Site
from tests.e2e.harness import until
from xopc_supervisor.contract import RESPAWN, RestartIntent

Act = Callable[[Site], Disturbance]
HANG_PATH = "/hang/600"


def restart_by_signal(site: Site) -> Disturbance:
    return _in_process(site, "SIGUSR1", lambda: site.gateway.signal(signal.SIGUSR1))


def restart_by_command(site: Site) -> Disturbance:
    def command() -> None:
        _succeed(site, "gateway", "restart", "--wait", "30s")

    return _in_process(site, "xopc gateway restart", command)


def restart_by_request(site: Site) -> Disturbance:
    def request() -> None:
        headers = {"Content-Type": "application/json"}
        reply = site.gateway.request("POST", "/api/restart", body='{"reason": "chaos"}', headers=headers)
        assert reply.status == 202, reply.body

    return _in_process(site, "POST /api/restart", request)


def respawn_by_command(site: Site) -> Disturbance:
    def command() -> None:
        _succeed(site, "gateway", "restart", "--respawn", "--wait", "30s", "--reason", "chaos")

    return _respawn(site, "xopc gateway restart --respawn", command)


def respawn_by_signal(site: Site) -> Disturbance:
    return _respawn(site, "SIGUSR1 with an intent", lambda: _ask_for_respawn(site))


def kill_child(site: Site) -> Disturbance:
    site.until_steady()
    before, began = _well(site), time.monotonic()
    os.kill(before["gatewayPid"], signal.SIGKILL)
    cut_at = time.monotonic()
    after = site.until_another_process(before)
    assert after["pid"] == before["pid"], "the supervisor is another one"
    return Disturbance(Kind.CRASH, "kill -9", began, time.monotonic(), cut_at)


def kill_supervisor(site: Site) -> Disturbance:
    killed, before, began = site.gateway, _well(site), time.monotonic()
    killed.process.kill()
    killed.process.wait()
    site.start()
    assert killed.process.stdout is not None
    killed.wait_until_ended()
    killed.process.stdout.close()
    after = _well(site)
    assert (after["pid"], after["gatewayPid"]) != (before["pid"], before["gatewayPid"])
    return Disturbance(Kind.ORPHANED, "kill -9 and a new start", began, time.monotonic(), is_refusing=True)


def hang_by_stopping(site: Site) -> Disturbance:
    return _hang(site, "SIGSTOP", lambda before: os.kill(before["gatewayPid"], signal.SIGSTOP))


def hang_by_blocking(site: Site) -> Disturbance:
    def block(_before: Health) -> None:
        threading.Thread(target=_ask_to_hang, args=(site,), daemon=True).start()
        time.sleep(0.1)

    return _hang(site, "a handler that blocks the loop", block)


def respawn_into_a_bad_configuration(site: Site) -> Disturbance:
    good = site.config_path.read_text()

    def spoil() -> None:
        site.config_path.write_text('{"gateway": {"port": "none"}}')

    def mend() -> None:
        site.config_path.write_text(good)

    return _fail_to_start(site, "a configuration that does not validate", "port", spoil, mend)


def respawn_into_a_broken_program(site: Site) -> Disturbance:
    install = site.installation
    return _fail_to_start(site, "a program that ends at once", "exit code 1", install.break_child, install.mend_child)


def upgrade_with_a_failing_migration(site: Site) -> Disturbance:
    _clear_problems(site)
    before, began = _well(site), time.monotonic()
    migration = site.installation.upgrade()
    done = site.gateway.xopc("gateway", "restart", "--wait", "10s")
    assert done.returncode != 0, done.stdout + done.stderr
    _serves_as_before(site, before, migration)
    site.installation.mend_migration()
    _succeed(site, "gateway", "restart", "--wait", "30s")
    after = site.until_another_process(before)
    assert after["version"] != before["version"]
    assert after["pid"] == before["pid"], "the supervisor is another process"
    return Disturbance(Kind.UPGRADE, "a migration that fails, and is mended", began, time.monotonic())


VARIANTS: Mapping[Kind, tuple[Act, ...]] = {
    Kind.IN_PROCESS: (restart_by_signal, restart_by_command, restart_by_signal, restart_by_request),
    Kind.RESPAWN: (respawn_by_command, respawn_by_signal),
    Kind.CRASH: (kill_child,),
    Kind.ORPHANED: (kill_supervisor,),
    Kind.HUNG: (hang_by_stopping, hang_by_blocking),
    Kind.CANNOT_START: (respawn_into_a_bad_configuration, respawn_into_a_broken_program),
    Kind.UPGRADE: (upgrade_with_a_failing_migration,),
}
"""The ways to do each kind, which take turns."""

# -------------------------------------------------------------------- helpers


def _well(site: Site) -> Health:
    return site.until_well("the gateway is well", lambda _health: True)


def _in_process(site: Site, how: str, ask: Callable[[], None]) -> Disturbance:
    before, began = _well(site), time.monotonic()
    ask()
    after = site.until_well("the next generation serves", lambda now: now["generation"] == before["generation"] + 1)
    assert (after["bootId"], after["gatewayPid"]) == (before["bootId"], before["gatewayPid"])
    return Disturbance(Kind.IN_PROCESS, how, began, time.monotonic())


def _respawn(site: Site, how: str, ask: Callable[[], None]) -> Disturbance:
    before, began = _well(site), time.monotonic()
    ask()
    after = site.until_another_process(before)
    assert after["pid"] == before["pid"], "the supervisor is another one"
    return Disturbance(Kind.RESPAWN, how, began, time.monotonic())


def _hang(site: Site, how: str, hang: Callable[[Health], None]) -> Disturbance:
    site.until_steady()
    before, began = _well(site), time.monotonic()
    hang(before)
    cut_at = time.monotonic()
    after = site.until_another_process(before)
    assert after["pid"] == before["pid"], "the supervisor is another one"
    return Disturbance(Kind.HUNG, how, began, time.monotonic(), cut_at)


def _fail_to_start(site: Site, how: str, told: str, spoil: Callable[[], None], mend: Callable[[], None]) -> Disturbance:
    _clear_problems(site)
    before, began = _well(site), time.monotonic()
    spoil()
    try:
        _ask_for_respawn(site)
        _serves_as_before(site, before, told)
    finally:
        mend()
    return Disturbance(Kind.CANNOT_START, how, began, time.monotonic())


def _serves_as_before(site: Site, before: Health, told: str) -> None:
    """The old process serves, and its status tells why no other one does."""

    def why() -> list[Any]:
        return [problem for problem in site.problems() if problem["code"] == "hand-over"]

    (problem,) = until(why, "the status tells that the hand-over failed", 30)
    assert told in problem["message"], problem
    after = _well(site)
    assert [after[name] for name in ("pid", "gatewayPid", "bootId", "version")] == [
        before[name] for name in ("pid", "gatewayPid", "bootId", "version")
    ]


def _clear_problems(site: Site) -> None:
    """A restart that succeeds, where one that did not is still told."""
    if site.problems():
        site.renew()
    assert site.problems() == []


def _ask_for_respawn(site: Site) -> None:
    info = site.gateway.lock()
    assert info is not None
    intent = RestartIntent(info.pid, info.boot_id, RESPAWN, "chaos", int(time.time() * 1000))
    path = site.gateway.state / "gateway-restart-intent.json"
    path.write_text(intent.to_json())
    site.gateway.signal(signal.SIGUSR1)
    until(lambda: not path.exists(), "the intent is read")


def _ask_to_hang(site: Site) -> None:
    with suppress(Exception):  # its answer never comes: the process is killed
        site.gateway.request("GET", HANG_PATH)


def _succeed(site: Site, *words: str) -> None:
    done = site.gateway.xopc(*words)
    assert done.returncode == 0, done.stdout + done.stderr
