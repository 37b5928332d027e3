from __future__ import annotations

import pytest

from xopc.config.findings import Findings
from xopc.contracts.errors import ConfigError, LostSecretError, Problem


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


def test_only_where_all_problems_are_lost_secrets_it_may_be_right_in_a_minute() -> None:
    findings = Findings()
    findings.lose("$.providers.openai", "there is no file /x")
    with pytest.raises(LostSecretError) as caught:
        findings.check("xopc.json")
    (problem,) = caught.value.problems
    assert str(problem) == "$.providers.openai: there is no file /x"
    assert "/x" not in problem.for_clients
    findings.refuse("$.gateway.port", "must be 1 to 65535")
    with pytest.raises(ConfigError) as both:
        findings.check("xopc.json")
    assert type(both.value) is ConfigError
