"""Under a real service manager: its restarts and its kills refuse nobody, and it is told what it needs to know.

Not among the tests of `make test`, because it needs root and a machine that lets it make namespaces; `.ci/run` runs it
where that is so. With XOPC_CHAOS=long it restarts and kills more often.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.harness import TOKEN, is_refused, until, write_config
from tests.e2e.load import Load
from tests.e2e.systemd import Service, UserManager, user_manager
from tests.ports import free_port

RESTARTS, KILLS = (20, 5) if os.environ.get("XOPC_CHAOS") == "long" else (3, 2)
STATUS, AUTH = "/api/status", {"Authorization": f"Bearer {TOKEN}"}

pytestmark = pytest.mark.timeout(300)  # each restart waits for a whole start


@pytest.fixture
def manager() -> Iterator[UserManager]:
    with user_manager() as manager:
        yield manager


@pytest.fixture
def port() -> int:
    return free_port()


def configure(home: Path, port: int, **gateway: object) -> Path:
    return write_config(home, {"gateway": {"port": port, "auth": {"token": TOKEN}, **gateway}})


def refused(load: Load) -> list[str]:
    return [failure for failure in load.failures if failure.startswith("ConnectionRefusedError")]


@pytest.fixture
def service(manager: UserManager, tmp_path: Path, port: int) -> Service:
    """A ready gateway."""
    configure(tmp_path, port)
    service = Service(manager, tmp_path)
    service.start()
    return service


def test_restarts_by_the_manager_refuse_nobody(service: Service, port: int) -> None:
    with Load(port, STATUS, AUTH).running() as load:
        for _ in range(RESTARTS):
            before = service.show("MainPID")
            service.restart()
            assert service.is_another_than(before)
    assert load.failures == []
    assert load.answered > RESTARTS * 10


def test_a_killed_supervisor_refuses_nobody(service: Service, port: int) -> None:
    with Load(port, STATUS, AUTH).running() as load:
        for _ in range(KILLS):
            service.kill_supervisor()
            time.sleep(0.5)
    assert refused(load) == []
    # What it was answering at that moment is torn; each client has one request in flight.
    assert len(load.failures) <= KILLS * 4
    assert load.answered > KILLS * 10
    assert service.show("NRestarts") == str(KILLS)


def test_a_hung_supervisor_is_ended_and_started_again_and_refuses_nobody(
    manager: UserManager, tmp_path: Path, port: int
) -> None:
    configure(tmp_path, port)
    service = Service(manager, tmp_path, watchdog="2s")
    service.start()
    pid = service.show("MainPID")
    time.sleep(3)
    assert service.show("MainPID") == pid, "it shows that it lives"
    with Load(port, "/health", {}).running() as load:
        service.kill_supervisor(signal.SIGSTOP)
        time.sleep(0.5)
    assert refused(load) == []
    assert load.answered > 10


def test_the_manager_keeps_what_is_listened_at_and_nothing_else(service: Service, tmp_path: Path, port: int) -> None:
    assert service.show("NFileDescriptorStore") == "2"  # 127.0.0.1 and ::1
    other = free_port()
    configure(tmp_path, other, bind="lan")
    service.restart()
    until(lambda: not is_refused(other), "it listens at the other port")
    assert is_refused(port)
    until(lambda: service.show("NFileDescriptorStore") == "1", "what is no longer wanted has left the store")


def test_from_one_address_to_all_and_back_at_the_same_port_refuses_nobody(
    service: Service, tmp_path: Path, port: int
) -> None:
    with Load(port, "/health", {}).running() as load:
        for bind in ("lan", "loopback"):
            configure(tmp_path, port, bind=bind)
            service.restart()
            time.sleep(0.5)
    assert refused(load) == []
    assert load.answered > 10


def test_a_running_supervisor_moves_to_other_addresses_and_the_manager_keeps_those(
    service: Service, tmp_path: Path, port: int
) -> None:
    supervisor = service.show("MainPID")
    with Load(port, "/health", {}).running() as load:
        for bind, count in (("lan", "1"), ("loopback", "2")):
            configure(tmp_path, port, bind=bind)
            service.manager.kill(service.unit, signal.SIGUSR1)
            until(lambda n=count: service.show("NFileDescriptorStore") == n, "the manager has the new sockets")
            until(lambda: service.show("SubState") == "running", "it is ready")
    assert load.failures == []
    assert load.answered > 10
    assert service.show("MainPID") == supervisor


def test_a_second_gateway_on_one_configuration_stays_down(service: Service, tmp_path: Path) -> None:
    second = Service(service.manager, tmp_path, unit="xopc-second")
    second.manager.systemctl("start", "--no-block", second.unit)
    until(lambda: second.show("ActiveState") == "failed", "the second one has ended")
    assert second.show("ExecMainStatus") == "78"
    assert "Gateway already running" in second.output
    time.sleep(0.5)  # RestartSec is 100 ms
    assert (second.show("ActiveState"), second.show("NRestarts")) == ("failed", "0")
    assert service.show("ActiveState") == "active"


def test_a_configuration_that_is_refused_stays_down(manager: UserManager, tmp_path: Path) -> None:
    write_config(tmp_path, {"gateway": {"port": "high"}})
    service = Service(manager, tmp_path)
    manager.systemctl("start", "--no-block", service.unit)
    until(lambda: service.show("ActiveState") == "failed", "it has ended")
    assert (service.show("ExecMainStatus"), service.show("NRestarts")) == ("78", "0")


def test_a_socket_unit_may_listen_for_it(manager: UserManager, tmp_path: Path, port: int) -> None:
    configure(tmp_path, port)
    service = Service(manager, tmp_path)
    manager.install("xopc-gateway.socket", f"[Socket]\nListenStream=127.0.0.1:{port}\nListenStream=[::1]:{port}\n")
    manager.systemctl("start", "xopc-gateway.socket")
    with Load(port, STATUS, AUTH).running() as load:  # the first of them starts it
        until(lambda: service.show("ActiveState") == "active", "it is ready")
        service.restart()
    assert load.failures == []
    manager.systemctl("stop", service.unit)
    assert not is_refused(port), "the manager still listens"


def test_a_credential_of_the_unit_opens_the_door(manager: UserManager, home: Path, port: int) -> None:
    kept = home / "kept"
    kept.write_text(f"{TOKEN}\n")
    kept.chmod(0o600)
    write_config(home, {"gateway": {"port": port, "auth": {"token": "${credential:token}"}}})
    service = Service(manager, home, more=f"LoadCredential=token:{kept}")
    service.start()
    assert status_of(port) == 200
    service.manager.systemctl("reload-or-restart", service.unit)
    assert status_of(port) == 200
    assert TOKEN not in service.output


def test_a_unit_without_its_credential_is_told_what_to_write_and_stays_down(
    manager: UserManager, home: Path, port: int
) -> None:
    write_config(home, {"gateway": {"port": port, "auth": {"token": "${credential:token}"}}})
    service = Service(manager, home)
    with pytest.raises(AssertionError):
        service.start()
    until(lambda: service.show("ExecMainStatus") == "78", "it has ended with 78")
    assert "LoadCredential=token:PATH" in service.output
    assert service.show("ActiveState") == "failed"


def status_of(port: int) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    with contextlib.closing(connection):
        connection.request("GET", STATUS, headers=AUTH)
        return connection.getresponse().status
