from __future__ import annotations

import pytest

from xopc.channels.startup import (
    DeferPlan,
    DeferSource,
    Phase1Times,
    Phase2Times,
    Startable,
    phase1_record,
    phase2_failure_record,
    phase2_record,
    plan_deferral,
)
from xopc.contracts.settings.channels import DeferMode
from xopc.contracts.settings.file import GatewaySettings

CHANNELS = (
    Startable("webchat", enabled=True, is_deferred=False),
    Startable("telegram", enabled=True, is_deferred=True),
    Startable("feishu", enabled=True, is_deferred=True),
    Startable("weixin", enabled=False, is_deferred=True),
)
PLAN = DeferPlan(DeferMode.AUTO, DeferSource.META, ("telegram",))


def plan(mode: DeferMode | None = None, ids: tuple[str, ...] = (), skip: tuple[str, ...] = ()) -> DeferPlan:
    settings = GatewaySettings(
        channel_connect_defer_mode=mode, channel_connect_defer_ids=ids, channel_connect_defer_skip_ids=skip
    )
    return plan_deferral(settings, CHANNELS)


@pytest.mark.parametrize("mode", [None, DeferMode.AUTO])
def test_by_default_those_that_connect_outwards_wait(mode: DeferMode | None) -> None:
    assert plan(mode) == DeferPlan(DeferMode.AUTO, DeferSource.META, ("telegram", "feishu"))


def test_off_defers_nothing() -> None:
    assert plan(DeferMode.OFF, ids=("telegram",)) == DeferPlan(DeferMode.OFF, DeferSource.OFF, ())


def test_explicit_defers_what_is_listed_and_enabled() -> None:
    chosen = plan(DeferMode.EXPLICIT, ids=(" webchat ", "weixin", "webchat"))
    assert chosen == DeferPlan(DeferMode.EXPLICIT, DeferSource.EXPLICIT, ("webchat",))


def test_explicit_without_a_list_defers_nothing() -> None:
    assert plan(DeferMode.EXPLICIT).deferred == ()


@pytest.mark.parametrize("mode", [DeferMode.AUTO, DeferMode.EXPLICIT])
def test_what_is_skipped_never_waits(mode: DeferMode) -> None:
    assert plan(mode, ids=("telegram", "feishu"), skip=("telegram",)).deferred == ("feishu",)


def test_an_id_that_names_no_channel_is_a_warning() -> None:
    chosen = plan(DeferMode.EXPLICIT, ids=("telegramm", "telegram"), skip=("", "x"))
    assert chosen.deferred == ("telegram",)
    assert [warning.split(";")[0] for warning in chosen.warnings] == [
        '$.gateway.channelConnectDeferIds: there is no channel "telegramm"',
        '$.gateway.channelConnectDeferSkipIds: there is no channel "x"',
    ]


def test_the_record_of_phase_1_has_the_fields_of_the_contract() -> None:
    assert phase1_record(PLAN, Phase1Times(init=1, plan=2, start=3, replay=None, total=7)) == {
        "phase": "gateway.channel_startup",
        "stage": "phase1",
        "channelConnectDeferMode": "auto",
        "channelConnectDeferSource": "meta",
        "deferredChannelIds": ["telegram"],
        "deferredChannelCount": 1,
        "deferChannelConnectUntilAfterHttp": True,
        "channelInitMs": 1,
        "deferPlanMs": 2,
        "channelPhase1StartMs": 3,
        "replayOutboundMs": None,
        "channelStartupPhase1TotalMs": 7,
    }


def test_the_record_of_phase_2_has_the_fields_of_the_contract() -> None:
    assert phase2_record(PLAN, Phase2Times(deferred=5, replay=6, total=12)) == {
        "phase": "gateway.channel_startup",
        "stage": "phase2",
        "channelConnectDeferMode": "auto",
        "channelConnectDeferSource": "meta",
        "deferredChannelIds": ["telegram"],
        "channelPhase2DeferredMs": 5,
        "replayOutboundMs": 6,
        "onHttpListeningTotalMs": 12,
    }


def test_a_phase_2_without_deferred_channels_has_zeros() -> None:
    record = phase2_record(plan(DeferMode.OFF), Phase2Times())
    assert [record[key] for key in ("channelPhase2DeferredMs", "replayOutboundMs", "onHttpListeningTotalMs")] == [0] * 3


def test_a_failed_phase_2_says_why_and_when() -> None:
    record = phase2_failure_record(PLAN, Phase2Times(total=9), OSError("no disk"))
    assert (record["err"], record["errorMessage"], record["elapsedMs"]) == ("OSError", "no disk", 9)
    assert record["stage"] == "phase2"
