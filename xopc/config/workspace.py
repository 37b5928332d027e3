"""Where the workspace is: what the environment says, or else the configuration file."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import evolve

from xopc.config.findings import Findings
from xopc.config.paths import Paths, configured_path
from xopc.contracts.errors import ConfigError

WORKSPACE_PATH = "$.agents.defaults.workspace"
WORKSPACE_VARIABLE = "XOPC_WORKSPACE"


def with_workspace(paths: Paths, named: str | None, environ: Mapping[str, str], findings: Findings) -> Paths:
    """The paths with the workspace that is `named`, unless the environment has one."""
    text = (named or "").strip()
    if place_of_workspace(named, environ) == WORKSPACE_VARIABLE:
        return paths
    if not text.isprintable():
        findings.refuse(WORKSPACE_PATH, "must be the path of a folder")
        return paths
    try:
        return evolve(paths, workspace=configured_path(text, paths, environ))
    except ConfigError as error:
        findings.refuse(WORKSPACE_PATH, error.problems[0].what)
        return paths


def place_of_workspace(named: str | None, environ: Mapping[str, str]) -> str:
    """Where another workspace is to be set: in the configuration where that decides, or else in the environment."""
    is_outranked = bool(environ.get(WORKSPACE_VARIABLE, "").strip())
    return WORKSPACE_PATH if (named or "").strip() and not is_outranked else WORKSPACE_VARIABLE
