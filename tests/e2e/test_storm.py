"""Reloads, restarts and changes of certificates in a storm: nobody is refused, nothing is lost, nothing half done."""

from __future__ import annotations

import contextlib
import http.client
import itertools
import json
import os
import random
import signal
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

from tests.e2e.harness import TOKEN, Gateway, run_xopc, until, write_config
from tests.e2e.load import Load, connect
from tests.fakes.certificates import Authority

Start = Callable[..., Gateway]
BEARER = {"Authorization": f"Bearer {TOKEN}"}
AUTH = {"token": TOKEN}


class Asking:
    """Threads that do one thing again and again, and count what came of it."""

    def __init__(self, *things: Callable[[], object]) -> None:
        self.outcomes: Counter[object] = Counter()
        self._end = threading.Event()
        self._threads = [threading.Thread(target=self._repeat, args=(thing,), daemon=True) for thing in things]

    def _repeat(self, thing: Callable[[], object]) -> None:
        while not self._end.wait(0.02):
            try:
                outcome = thing()
            except (OSError, http.client.HTTPException) as error:
                outcome = type(error).__name__
            self.outcomes[outcome] += 1

    @contextlib.contextmanager
    def running(self) -> Generator[Asking]:
        for thread in self._threads:
            thread.start()
        try:
            yield self
        finally:
            self._end.set()
            for thread in self._threads:
                thread.join(20)


def ask(port: int, method: str, path: str, body: object = None) -> int:
    """The status of the answer, by a port that is known already: the lock tells none after a stop."""
    with contextlib.closing(connect(port)) as connection:
        headers = {**BEARER, "Content-Type": "application/json"}
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        return connection.getresponse().status


def patch(port: int, **settings: object) -> int:
    return ask(port, "PATCH", "/api/config", {"gateway": settings})


def patching(port: int) -> Callable[[], object]:
    """Sends another change each time."""
    numbers = itertools.cycle(range(10, 1000))
    return lambda: patch(port, maxSseConnections=next(numbers))


def reloading(port: int) -> Callable[[], object]:
    return lambda: ask(port, "POST", "/api/config/reload")


def saved(home: Path) -> dict[str, Any]:
    return json.loads((home / ".xopc" / "xopc.json").read_text())["gateway"]


def is_well(gateway: Gateway) -> bool:
    health = gateway.health()
    return (health["status"], health["problems"]) == ("healthy", [])


def allowed_origin(gateway: Gateway, origin: str) -> str | None:
    """What a page of this origin is told: the origin itself, if it may."""
    return gateway.request("GET", "/api/status", headers={"Origin": origin}).headers["Access-Control-Allow-Origin"]


def test_changes_and_reloads_go_through_each_kind_of_restart(gateway: Gateway) -> None:
    changes = Asking(patching(gateway.port), patching(gateway.port), reloading(gateway.port))
    with Load(gateway.port, "/api/status", BEARER).running() as load, changes.running():
        for how in ("--respawn", "", "--respawn", "", "--respawn"):
            done = gateway.xopc("gateway", "restart", *filter(None, [how]), "--wait", "20s")
            assert done.returncode == 0, done.stdout + done.stderr
            gateway.signal(signal.SIGHUP)
    assert set(changes.outcomes) == {200}
    assert load.failures == []
    until(lambda: is_well(gateway), "all is well")
    assert allowed_origin(gateway, "https://desk.example.com") is None
    assert patch(gateway.port, corsOrigins=["https://desk.example.com"]) == 200
    assert allowed_origin(gateway, "https://desk.example.com") == "https://desk.example.com"


def test_a_certificate_that_is_refused_again_and_again_spoils_no_change_of_others(gateway: Gateway) -> None:
    authority = Authority(gateway.home)
    pair = {"certPath": str(authority.issue().certificate), "keyPath": str(authority.issue("other").key)}
    port = gateway.port
    bad = Asking(*[lambda: patch(port, tls=pair)] * 2)
    good = Asking(patching(port), patching(port))
    with bad.running(), good.running():
        until(lambda: bad.outcomes.total() > 50 and good.outcomes.total() > 50, "both have tried")
    assert set(bad.outcomes) == {400}
    assert set(good.outcomes) == {200}
    assert "tls" not in saved(gateway.home)
    until(lambda: is_well(gateway), "all is well")


def test_a_file_that_is_edited_in_all_ways_disturbs_nobody(home: Path, start: Start) -> None:
    file, settings = home / ".xopc" / "xopc.json", {"auth": AUTH, "reload": {"debounceMs": 20}}
    write_config(home, {"gateway": settings})
    gateway = start()
    before, numbers, choose = gateway.health(), itertools.count(10), random.Random(7)  # noqa: S311  the same storm each time

    def edit() -> str:
        text = json.dumps({"gateway": {**settings, "maxSseConnections": next(numbers)}})
        match way := choose.choice(["in place", "moved", "empty", "broken", "gone", "link"]):
            case "moved":
                (home / "new.json").write_text(text)
                (home / "new.json").rename(file)
            case "gone":
                file.unlink(missing_ok=True)
            case "link":
                (home / "real.json").write_text(text)
                (home / "link").symlink_to("../real.json")
                (home / "link").rename(file)
            case _:
                file.write_text({"in place": text, "empty": "", "broken": text[:30]}[way])
        return way

    edits, changes = Asking(edit), Asking(patching(gateway.port), reloading(gateway.port))
    with Load(gateway.port, "/api/status", BEARER).running() as load, changes.running(), edits.running():
        until(lambda: edits.outcomes.total() > 150, "it was edited often")
    assert set(changes.outcomes) <= {200, 400, 409}
    assert load.failures == []
    file.unlink(missing_ok=True)
    write_config(home, {"gateway": {**settings, "corsOrigins": ["https://desk.example.com"]}})
    until(lambda: allowed_origin(gateway, "https://desk.example.com"), "the last edit is in force")
    assert is_well(gateway)
    assert (gateway.health()["generation"], gateway.child_pid) == (1, before["gatewayPid"])


def test_in_mode_off_a_change_that_the_old_process_answers_while_it_hands_over_is_in_force_afterwards(
    home: Path, start: Start
) -> None:
    write_config(home, {"gateway": {"auth": AUTH, "reload": {"mode": "off"}}})
    gateway = start()
    before = gateway.boot_id()
    body = json.dumps({"gateway": {"corsOrigins": ["https://desk.example.com"]}}).encode()
    head = f"Host: localhost\r\nAuthorization: Bearer {TOKEN}\r\nContent-Type: application/json\r\n"
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=20) as asking:
        asking.sendall(f"PATCH /api/config HTTP/1.1\r\n{head}Content-Length: {len(body)}\r\n\r\n".encode() + body[:9])
        assert gateway.xopc("gateway", "restart", "--respawn").returncode == 0
        until(lambda: "Handing over to a new process." in gateway.text, "the new process stands by")
        asking.sendall(body[9:])
        assert asking.recv(12) == b"HTTP/1.1 200"
    until(lambda: gateway.boot_id() not in (before, None), "the new process serves")
    until(lambda: allowed_origin(gateway, "https://desk.example.com"), "the change is in force")


def test_a_stop_in_the_midst_of_everything_ends_it_in_order(start: Start) -> None:
    gateway = start()
    port = gateway.port
    everything = Asking(
        patching(port),
        reloading(port),
        lambda: ask(port, "POST", "/api/restart"),
        lambda: gateway.signal(signal.SIGHUP),
        lambda: gateway.signal(signal.SIGUSR1),
        lambda: gateway.xopc("gateway", "restart", "--respawn").returncode,
    )
    with everything.running():
        until(lambda: everything.outcomes.total() > 100, "all of it was done")
        began = time.monotonic()
        gateway.signal(signal.SIGTERM)
        assert gateway.wait_until_ended() == 0
        assert time.monotonic() - began < 5
    assert 500 not in everything.outcomes
    assert is_well(start())


def test_a_certificate_that_is_broken_when_the_gateway_crashes_is_waited_for(home: Path, start: Start) -> None:
    authority = Authority(home)
    pair = authority.issue()
    write_config(home, {"gateway": {"auth": AUTH, "tls": pair.settings()}})
    gateway = start()
    key = pair.key.read_bytes()
    pair.key.write_bytes(authority.issue("other").key.read_bytes())
    os.kill(gateway.child_pid, signal.SIGKILL)
    until(lambda: (info := gateway.lock()) and info.state == "crash-looping", "it tries again and again")
    pair.key.write_bytes(key)
    environ = {**gateway.environ, "SSL_CERT_FILE": str(authority.file())}

    def status() -> int:
        return run_xopc("gateway", "status", environ=environ, cwd=home).returncode

    until(lambda: status() == 0, "it serves again")
    info = gateway.lock()
    assert info is not None
    assert info.state == "serving", "the file was valid the whole time"
