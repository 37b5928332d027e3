"""Which channels connect only when the gateway listens, and the two log records that tell how the start went."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import Enum

from attrs import frozen

from xopc.contracts.settings.channels import DeferMode
from xopc.contracts.settings.file import GatewaySettings

PHASE = "gateway.channel_startup"
PHASE_1_MESSAGE = "Gateway channel startup phase-1 complete"
PHASE_2_MESSAGE = "Gateway channel startup phase-2 complete (HTTP listening)"


class DeferSource(Enum):
    """Where the plan comes from."""

    META = "meta"
    """What the channels say of themselves."""
    OFF = "off"
    EXPLICIT = "explicit"


@frozen
class Startable:
    """What the plan needs to know of a channel."""

    id: str
    enabled: bool
    is_deferred: bool


@frozen
class DeferPlan:
    """Which channels connect late, and why."""

    mode: DeferMode
    source: DeferSource
    deferred: tuple[str, ...]
    warnings: tuple[str, ...] = ()


@frozen
class Phase1Times:
    """How long the steps before listening took, in milliseconds."""

    init: int
    plan: int
    start: int
    replay: int | None
    """None where the replay is left to phase 2."""
    total: int


@frozen
class Phase2Times:
    """How long the steps after listening took, in milliseconds; zeros where nothing was deferred."""

    deferred: int = 0
    replay: int = 0
    total: int = 0


def plan_deferral(settings: GatewaySettings, channels: Sequence[Startable]) -> DeferPlan:
    """Which of the channels wait until the gateway listens. Ids that name none are ignored, with a warning."""
    mode = settings.channel_connect_defer_mode or DeferMode.AUTO
    known = {channel.id for channel in channels}
    skip, skip_warnings = _known(settings.channel_connect_defer_skip_ids, known, "channelConnectDeferSkipIds")
    ids, warnings = _known(settings.channel_connect_defer_ids, known, "channelConnectDeferIds")
    enabled = [channel for channel in channels if channel.enabled and channel.id not in skip]
    match mode:
        case DeferMode.AUTO:
            source, deferred = DeferSource.META, [channel.id for channel in enabled if channel.is_deferred]
        case DeferMode.OFF:
            source, deferred = DeferSource.OFF, []
        case DeferMode.EXPLICIT:
            source, deferred = DeferSource.EXPLICIT, [channel.id for channel in enabled if channel.id in ids]
    return DeferPlan(mode, source, tuple(deferred), (*warnings, *skip_warnings))


def phase1_record(plan: DeferPlan, times: Phase1Times) -> dict[str, object]:
    """The fields of the record at the end of phase 1."""
    return {
        "phase": PHASE,
        "stage": "phase1",
        **_plan_fields(plan),
        "deferredChannelCount": len(plan.deferred),
        "deferChannelConnectUntilAfterHttp": bool(plan.deferred),
        "channelInitMs": times.init,
        "deferPlanMs": times.plan,
        "channelPhase1StartMs": times.start,
        "replayOutboundMs": times.replay,
        "channelStartupPhase1TotalMs": times.total,
    }


def phase2_record(plan: DeferPlan, times: Phase2Times) -> dict[str, object]:
    """The fields of the record at the end of phase 2."""
    return {
        "phase": PHASE,
        "stage": "phase2",
        **_plan_fields(plan),
        "channelPhase2DeferredMs": times.deferred,
        "replayOutboundMs": times.replay,
        "onHttpListeningTotalMs": times.total,
    }


def phase2_failure_record(plan: DeferPlan, times: Phase2Times, error: Exception) -> dict[str, object]:
    """The fields of the record, at level error, of a phase 2 that failed; `times.total` is when."""
    return {
        **phase2_record(plan, times),
        "err": type(error).__name__,
        "errorMessage": str(error),
        "elapsedMs": times.total,
    }


def _plan_fields(plan: DeferPlan) -> dict[str, object]:
    return {
        "channelConnectDeferMode": plan.mode.value,
        "channelConnectDeferSource": plan.source.value,
        "deferredChannelIds": list(plan.deferred),
    }


def _known(ids: Iterable[str], known: set[str], key: str) -> tuple[frozenset[str], tuple[str, ...]]:
    """The ids that name channels, trimmed, and a warning for each of the others."""
    trimmed = dict.fromkeys(text for raw in ids if (text := raw.strip()))
    unknown = [text for text in trimmed if text not in known]
    warnings = tuple(
        f'$.gateway.{key}: there is no channel "{text[:64]}"; it is ignored. There are {", ".join(sorted(known))}.'
        for text in unknown
    )
    return frozenset(trimmed) - frozenset(unknown), warnings
