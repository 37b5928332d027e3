"""Working on xopc itself: the profile of developers, and a gateway that follows its sources."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import xopc
from tests.e2e.harness import XOPC, Gateway, run_xopc, until
from tests.ports import free_port

CHECKOUT = Path(xopc.__file__).parent.parent
SCRIPT = "import sys; from xopc.cli.main import main; sys.exit(main())"


class DevGateway(Gateway):
    """`xopc --dev gateway`, of the sources in `checkout`."""

    def __init__(self, home: Path, checkout: Path, *args: str) -> None:
        program = ("env", f"PYTHONPATH={checkout}", sys.executable, "-P", "-c", SCRIPT)
        super().__init__(home, *args, program=program, XOPC_PROFILE="dev")
        self.state = home / ".xopc-dev"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Sources that a test may break."""
    checkout = tmp_path / "checkout"
    shutil.copytree(CHECKOUT / "xopc", checkout / "xopc")
    shutil.copytree(CHECKOUT / "supervisor" / "xopc_supervisor", checkout / "xopc_supervisor")
    shutil.copy(CHECKOUT / "pyproject.toml", checkout)
    return checkout


@pytest.fixture
def start_dev(tmp_path: Path, checkout: Path) -> Iterator[Callable[..., DevGateway]]:
    """Starts gateways of the profile in a home of the test."""
    started: list[DevGateway] = []

    def start_dev(*args: str) -> DevGateway:
        gateway = DevGateway(tmp_path, checkout, *args)
        started.append(gateway)
        gateway.wait_until_ready()
        return gateway

    yield start_dev
    for gateway in started:
        gateway.kill()


def test_a_changed_source_is_served_with_and_a_broken_one_leaves_the_gateway_as_it_was(
    checkout: Path, start_dev: Callable[..., DevGateway]
) -> None:
    gateway = start_dev("--watch", "--port", "0")
    first = gateway.boot_id()
    assert first
    source = checkout / "xopc" / "__init__.py"
    source.write_text(source.read_text().replace('__version__ = "', '__version__ = "9.'))
    second = until(lambda: (now := gateway.boot_id()) and now != first and now, "a new process serves the change")
    assert gateway.health()["version"].startswith("9.")

    broken = checkout / "xopc" / "core" / "hub.py"
    text = broken.read_text()
    broken.write_text(text + "\ndef broken(:\n")
    what = f"{broken}, line {len(text.splitlines()) + 2}: invalid syntax. The gateway goes on as it was"
    until(lambda: what in gateway.text, "it says where the source is broken")
    broken.write_text(text + "\nimport nothing_of_this_name\n")
    until(lambda: "A new process could not take over, and the one before goes on" in gateway.text, "it says why not")
    assert "No module named 'nothing_of_this_name'" in gateway.text
    assert gateway.boot_id() == second

    broken.write_text(text)
    until(lambda: gateway.boot_id() not in (None, second), "the mended source is served with")
    assert "changed sources: xopc/core/hub.py" in gateway.text


def test_the_profile_of_developers_has_a_place_of_its_own_and_can_begin_anew(
    tmp_path: Path, start_dev: Callable[..., DevGateway]
) -> None:
    gateway = start_dev("--port", str(port := free_port()))
    assert "   Profile: dev\n" in gateway.text
    done = gateway.xopc("--dev", "gateway", "status")
    assert (done.returncode, done.stderr) == (0, "")
    assert "   Profile: dev (~/.xopc-dev)\n" in done.stdout
    assert f"   Port: {port}\n" in done.stdout
    assert "   xopc --profile dev gateway stop " in done.stdout

    refused = gateway.xopc("gateway", "--dev", "--reset", "--port", "0")
    pid = gateway.process.pid
    assert refused.returncode == 1
    assert f"--reset would take the state away from the gateway that runs (pid {pid})" in refused.stderr
    assert (tmp_path / ".xopc-dev" / "xopc.db").exists()

    (tmp_path / ".xopc-dev" / "workspace" / "HEARTBEAT.md").write_text("Look.")
    assert gateway.xopc("gateway", "stop", "--dev").returncode == 0
    again = start_dev("--reset", "--port", "0")
    assert "🧹 Deleting the state of the profile dev, in ~/.xopc-dev:\n   accepted, credentials, " in again.text
    assert "👋 Welcome to xopc!" in again.text
    assert not (tmp_path / ".xopc-dev" / "workspace" / "HEARTBEAT.md").exists()


def test_without_a_configuration_nothing_is_written_into_one(
    tmp_path: Path, start_dev: Callable[..., DevGateway]
) -> None:
    gateway = start_dev("--allow-unconfigured", "--port", "0")
    token = gateway.text.partition("Token: ")[2].split()[0]
    assert gateway.request("GET", "/api/status", token=token).status == 200
    assert gateway.xopc("--dev", "gateway", "restart", "--respawn", "--wait", "20s").returncode == 0
    assert gateway.request("GET", "/api/status", token=token).status == 200
    assert not (tmp_path / ".xopc-dev" / "xopc.json").exists()


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (["gateway", "--reset"], "--reset deletes the state of the profile dev alone: give --dev, too"),
        (["gateway", "--watch"], "--watch is for developers: give --dev, too"),
        (["--profile", "work", "gateway", "--reset"], "give --dev, too"),
    ],
)
def test_what_only_developers_may_is_refused_to_others(tmp_path: Path, arguments: list[str], what: str) -> None:
    done = run_xopc(*arguments, environ={"PATH": str(XOPC.parent), "HOME": str(tmp_path)}, cwd=tmp_path)
    assert done.returncode == 2
    assert what in done.stderr
    assert not [path.name for path in tmp_path.iterdir() if path.name.startswith(".xopc-")]
