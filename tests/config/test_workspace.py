from __future__ import annotations

from pathlib import Path

import pytest

from xopc.config.findings import Findings
from xopc.config.paths import resolve_paths
from xopc.config.workspace import place_of_workspace, with_workspace
from xopc.contracts.errors import ConfigError

ENVIRON = {"HOME": "/home/ana", "XOPC_CONFIG_PATH": "/etc/xopc/xopc.json"}


def workspace(named: str | None, **environ: str) -> Path:
    findings = Findings()
    paths = with_workspace(resolve_paths(ENVIRON | environ), named, ENVIRON | environ, findings)
    findings.check("xopc.json")
    return paths.workspace


@pytest.mark.parametrize("named", [None, "", "  "])
def test_without_a_word_it_is_in_the_state_directory(named: str | None) -> None:
    assert workspace(named) == Path("/home/ana/.xopc/workspace")


@pytest.mark.parametrize(
    ("named", "path"), [("/srv/work", "/srv/work"), ("work", "/etc/xopc/work"), (" ~/work ", "/home/ana/work")]
)
def test_the_configuration_names_it(named: str, path: str) -> None:
    assert workspace(named) == Path(path)
    assert place_of_workspace(named, ENVIRON) == "$.agents.defaults.workspace"


def test_the_environment_outranks_the_configuration() -> None:
    assert workspace("/srv/work", XOPC_WORKSPACE="/srv/other") == Path("/srv/other")
    assert place_of_workspace("/srv/work", {"XOPC_WORKSPACE": "/srv/other"}) == "XOPC_WORKSPACE"


@pytest.mark.parametrize("named", ["~nobody-of-this-name/work", "/srv/\x00work"])
def test_what_is_no_folder_is_refused_with_its_path(named: str) -> None:
    with pytest.raises(ConfigError) as caught:
        workspace(named)
    assert [problem.path for problem in caught.value.problems] == ["$.agents.defaults.workspace"]
