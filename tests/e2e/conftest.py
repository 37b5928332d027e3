"""Fixtures of the end-to-end tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from tests.e2e.harness import TOKEN, Gateway, write_config
from tests.e2e.outside import Outside, outside


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home whose configuration holds `TOKEN`."""
    write_config(tmp_path, {"gateway": {"auth": {"token": TOKEN}}})
    return tmp_path


@pytest.fixture
def start(home: Path) -> Iterator[Callable[..., Gateway]]:
    """Starts gateways, at a port that the kernel picks unless told otherwise; all of them end with the test."""
    started: list[Gateway] = []

    def start(
        *args: str,
        at: Path = home,
        ready: bool = True,
        child: Path | None = None,
        within: Sequence[str] = (),
        **environ: str,
    ) -> Gateway:
        port = () if "--port" in args else ("--port", "0")
        gateway = Gateway(at, *port, *args, child=child, within=within, **environ)
        started.append(gateway)
        return gateway.wait_until_ready() if ready else gateway

    yield start
    for gateway in started:
        gateway.kill()


@pytest.fixture
def gateway(start: Callable[..., Gateway]) -> Gateway:
    """A ready gateway."""
    return start()


@pytest.fixture
def world(home: Path) -> Iterator[Outside]:
    """A Bot API server and a model provider, and a configuration that talks to both."""
    with outside() as servers:
        servers.configure(home)
        yield servers


@pytest.fixture
def talking(world: Outside, start: Callable[..., Gateway]) -> Gateway:
    """A ready gateway between them."""
    return start()
