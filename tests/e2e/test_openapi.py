"""The running gateway against its own description: every operation of `/openapi.json`, asked by schemathesis.

All checks are on, in all phases. Whatever route is added is asked without further work here.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.harness import TOKEN, XOPC, Gateway, write_config
from tests.e2e.outside import Outside, outside

ROOT = Path(__file__).parents[2]
SCHEMATHESIS = XOPC.with_name("schemathesis")
EXAMPLES = int(os.environ.get("XOPC_FUZZ", "0"))
"""Of each operation, and at random: `make fuzz`. 0 is the short form, which is the same each time."""
SHORT = ["--max-examples", "8", "--generation-deterministic", "--seed", "1"]
LONG = ["--max-examples", str(EXAMPLES)]

# The short form asks some 2,000 times, and takes a minute of a processor.
pytestmark = pytest.mark.timeout(6 * 3600 if EXAMPLES else 600)


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory, no_real_home: None) -> Iterator[Gateway]:
    """One with channels and a model, whose door and address no request can change: flags and environment win."""
    home = tmp_path_factory.mktemp("fuzz")
    with outside() as world:
        _configure(home, world)
        gateway = Gateway(
            home,
            "--port",
            "0",
            "--bind",
            "loopback",
            XOPC_GATEWAY_AUTH_MODE="token",
            XOPC_GATEWAY_TOKEN=TOKEN,
        )
        try:
            yield gateway.wait_until_ready()
        finally:
            gateway.kill()


def _configure(home: Path, world: Outside) -> None:
    """A check asks with wrong credentials, hundreds of times from one address: what is meant to slow such a caller
    down would answer all that follows, so it is off."""
    world.configure(home)
    path = home / ".xopc" / "xopc.json"
    write_config(home, path.read_text().replace('"auth": {', '"auth": {"rateLimit": {"enabled": false}, ', 1))


def fuzz(gateway: Gateway, *options: str) -> str:
    """What schemathesis has to say; fails where it found anything."""
    document = gateway.home / "openapi.json"  # a file: what is loaded from the API is left out of the questions
    document.write_bytes(gateway.request("GET", "/openapi.json", token=None).body)
    address = ["--url", f"http://127.0.0.1:{gateway.port}"]
    settings = ["--config-file", str(ROOT / "tests" / "e2e" / "fuzz.toml")]
    amount = LONG if EXAMPLES else SHORT
    done = subprocess.run(
        [SCHEMATHESIS, *settings, "run", document, *address, "--checks", "all", "--no-color", *amount, *options],
        env={**os.environ, "SCHEMATHESIS_HOOKS": "tests.e2e.fuzz_hooks", "PYTHONPATH": str(ROOT)},
        cwd=gateway.home,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def failures(gateway: Gateway) -> list[str]:
    """Lines of the log that tell of something unforeseen."""
    lines = [line for path in (gateway.state / "logs").glob("*.log") for line in path.read_text().splitlines()]
    return [line for line in lines if '"level":"error"' in line]


@pytest.mark.shows_secrets("the other program gets the token with its command")
def test_every_operation_does_what_its_description_says(gateway: Gateway) -> None:
    before = gateway.boot_id()
    told = fuzz(gateway, "--header", f"Authorization: Bearer {TOKEN}")
    asked = re.search(r"Tested: (\d+)", told)
    paths = gateway.request("GET", "/openapi.json").json["paths"]
    assert asked is not None
    assert int(asked[1]) == sum(map(len, paths.values()))
    for phase in ("Examples", "Coverage", "Fuzzing", "Stateful"):
        assert f"✅ {phase}" in told
    assert gateway.boot_id() == before, "a request has ended the process"
    assert failures(gateway) == []


def test_without_a_credential_nothing_is_told_and_all_else_holds(gateway: Gateway) -> None:
    fuzz(gateway, "--phases", "examples,coverage,fuzzing")
    assert failures(gateway) == []
