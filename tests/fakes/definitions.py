"""What a service manager is to run, for tests."""

from __future__ import annotations

from pathlib import Path

from attrs import evolve

from xopc.service.managers.base import SECRETS_FILE_VARIABLE, VERSION_VARIABLE, Definition, label_of

AWKWARD = """/a b/"c" & <d> 'e' %PATH% 100% ^f | !g! $HOME \\h;(i) ä 猫"""
"""What a careless template breaks on."""


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
