"""What a service manager is to run, for tests."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from attrs import evolve

import xopc
from tests.fakes.gateway import TOKEN
from tests.fakes.service_managers import FakeManagers
from xopc.service.managers.base import SECRETS_FILE_VARIABLE, VERSION_VARIABLE, Definition, label_of
from xopc.service.managers.define import search_path
from xopc.service.managers.find import find_manager

AWKWARD = """/a b/"c" & <d> 'e' %PATH% 100% ^f | !g! $HOME \\h;(i) ä 猫"""
"""What a careless template breaks on."""


XOPC = Path(sys.executable).with_name("xopc")


def a_definition(home: Path, marker: str = "launchd", profile: str = "", **changes: object) -> Definition:
    """A gateway at port 8080, whose files are below `home`."""
    label = label_of(marker, profile)
    state = home / ".xopc"
    secrets_path = state / "service" / f"{label}.env"
    definition = Definition(
        label=label,
        description="xopc Gateway (v1.2.3)",
        arguments=("/opt/xopc/bin/xopc", "gateway", "--foreground", "--port", "8080"),
        working_directory=state,
        environment={
            SECRETS_FILE_VARIABLE: str(secrets_path),
            VERSION_VARIABLE: "1.2.3",
            "XOPC_SERVICE_MARKER": marker,
            "XOPC_CONFIG_PATH": str(state / "xopc.json"),
        },
        secrets={"XOPC_GATEWAY_TOKEN": "a-secret-token"},
        secrets_path=secrets_path,
        log_dir=state / "logs",
    )
    return evolve(definition, **changes)


def definition(home: Path) -> Definition:
    """What fits this installation, and the configuration below `home` at port 18790 in all."""
    return Definition(
        "xopc-gateway",
        f"xopc Gateway (v{xopc.__version__})",
        (str(XOPC), "gateway", "--foreground", "--port", "18790"),
        home / ".xopc",
        {
            "HOME": str(home),
            "PATH": os.pathsep.join(search_path({"HOME": str(home)}, str(XOPC))),
            "XOPC_CONFIG_PATH": str(home / ".xopc" / "xopc.json"),
            "XOPC_SERVICE_VERSION": xopc.__version__,
            "XOPC_SERVICE_SECRETS": str(home / ".xopc" / "service" / "xopc-gateway.env"),
        },
        {"XOPC_GATEWAY_TOKEN": TOKEN},
        home / ".xopc" / "service" / "xopc-gateway.env",
        home / ".xopc" / "logs",
    )


def install(home: Path, managers: FakeManagers, **changes: object) -> Path:
    """Have it installed, with changes; where its definition stands."""
    manager = find_manager(managers.environ)
    assert manager is not None
    manager.install(evolve(definition(home), **changes))
    return manager.source_path
