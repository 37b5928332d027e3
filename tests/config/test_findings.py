from __future__ import annotations

import pytest

from xopc.config.findings import Findings
from xopc.contracts.errors import ConfigError, Problem


def test_warnings_alone_refuse_nothing() -> None:
    findings = Findings()
    findings.warn("$.gateway.host", "is ignored")
    findings.check("xopc.json")
    assert findings.warnings == ["$.gateway.host: is ignored"]


def test_all_problems_are_told_at_once() -> None:
    findings = Findings()
    findings.refuse("$.gateway.port", "must be 1 to 65535")
    findings.refuse("--bind", "is no mode")
    with pytest.raises(ConfigError) as caught:
        findings.check("xopc.json")
    assert caught.value.problems == (Problem("$.gateway.port", "must be 1 to 65535"), Problem("--bind", "is no mode"))


@pytest.mark.parametrize(
    ("paths", "source"),
    [
        (["$.gateway.port"], "xopc.json"),
        (["XOPC_GATEWAY_TOKEN", "$.gateway.port"], "xopc.json"),
        (["XOPC_GATEWAY_TOKEN"], "environment"),
        (["XOPC_GATEWAY_PASSWORD", "--token"], "--token"),
    ],
)
def test_the_source_is_where_the_problems_are(paths: list[str], source: str) -> None:
    findings = Findings()
    for path in paths:
        findings.refuse(path, "is wrong")
    with pytest.raises(ConfigError) as caught:
        findings.check("xopc.json")
    assert caught.value.source == source
