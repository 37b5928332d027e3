"""What `xopc gateway status` tells a person."""

from __future__ import annotations

from typing import cast

from xopc.cli.gateway.issues import LOCALHOST, told
from xopc.cli.gateway.report import Report, since
from xopc.cli.output import duration, hints_about_sudo, preview, seconds_since, size, without_controls
from xopc.client.http import JsonObject
from xopc.config.paths import from_home
from xopc.config.profile import DEFAULT, profile_of
from xopc.service.health import HANDING_OVER

LOCAL_HOSTS = {"127.0.0.1", "::1"}
_WAITING = {"inboxWaiting": "to be answered", "outboxWaiting": "to be sent", "deadLetters": "given up"}
_MEANINGS = {HANDING_OVER: "a new process prepares; this one serves until it stands by"}


def text_of(report: Report) -> list[str]:
    """Its lines, what is wrong at the end."""
    if report.running:
        return _running_text(report)
    return _another_text(report) if report.is_another else _not_running_text(report)


def _running_text(report: Report) -> list[str]:
    silent = report.answer is not None and (not report.answer.reachable or report.is_another)
    return [
        "⚠️  Gateway is running, and does not answer" if silent else "✅ Gateway is running",
        "",
        *_profile(report),
        f"   Port: {report.port or 'not known yet'}",
        *_vitals(report),
        *_parked(report),
        *_service(report),
        *_depths(report),
        "",
        "🌐 Access:",
        f"   URL: {_shown_url(report)}",
        *_who_may_enter(report),
        "",
        "📝 Management:",
        "   xopc gateway stop      # Stop gateway",
        "   xopc gateway restart   # Restart gateway",
        *told(report.issues),
    ]


def _another_text(report: Report) -> list[str]:
    """Of a gateway that answers and is not this configuration's: no command for this one stops or restarts it."""
    return [
        "⚠️  Another gateway is running, and not that of this configuration",
        "",
        *_profile(report),
        f"   Port: {report.port}",
        *_vitals(report),
        *_service(report),
        *_depths(report),
        "",
        "🌐 Access:",
        f"   URL: {_shown_url(report)}",
        *told(report.issues),
    ]


def _not_running_text(report: Report) -> list[str]:
    lines = [
        "⚠️  Gateway is not running",
        "",
        *_profile(report),
        *_service(report),
        *_depths(report),
        *_last_error(report),
    ]
    lines += ["", "💡 Start with: xopc gateway"] if lines[2:] else ["💡 Start with: xopc gateway"]
    if report.service is not None:
        is_installed = report.service.installed is not None
        lines.append(
            f"💡 Or start its service: {report.service.start}"
            if is_installed
            else "💡 Or install service: xopc gateway service install"
        )
    lines += [f"💡 {hint}" for hint in hints_about_sudo()]
    return [*lines, *told(report.issues)]


def _service(report: Report) -> list[str]:
    """What keeps it running, and which configuration that has where it is another one."""
    service = report.service
    if service is None or service.installed is None:
        return []
    runs = service.runtime.status.value
    pid = f" (pid {service.runtime.pid})" if service.runtime.pid else ""
    lines = [f"   Service: {service.manager.label}, {service.loaded_text}, {runs}{pid}"]
    if report.is_mismatch:
        lines.append(
            f"   Config of the service: {report.service_config}, and of this command: {report.target.paths.config_path}"
        )
    return lines


def _depths(report: Report) -> list[str]:
    """What a deep look has seen, well or not."""
    depths = report.depths
    if depths is None:
        return []
    others = [one for one in depths.starters if not one.is_of(report.target.paths)]
    lines = [f"   Also starts a gateway: {one.kind} {one.name} ({one.config_path or 'of no place'})" for one in others]
    if depths.program_version is not None:
        lines.append(f"   Program of the service: version {depths.program_version}")
    if depths.disk is not None:
        lines.append(f"   Disk: {size(depths.disk.free_bytes)} of {size(depths.disk.bytes)} free")
    return lines


def _last_error(report: Report) -> list[str]:
    return [f"   Last error: {without_controls(report.last_error)}"] if report.last_error else []


def _profile(report: Report) -> list[str]:
    profile = profile_of(report.target.environ)
    return [] if profile == DEFAULT else [f"   Profile: {profile} ({from_home(report.target.paths.state_dir)})"]


def _vitals(report: Report) -> list[str]:
    lines: list[str] = []
    health = report.answer.health if report.answer else None
    if report.url == report.target.url and not report.is_another:
        lines.append(f"   Config: {from_home(report.target.paths.config_path)}")
    if health is not None:
        uptime = health.get("uptime")
        up = f", up {duration(uptime)}" if isinstance(uptime, int | float) else ""
        lines.append(f"   Version: {health.get('version')} (pid {health.get('pid')}{up})")
    owner = report.target.owner
    if owner is not None and report.url == report.target.url and owner.state not in (None, "serving"):
        lines.append(f"   State: {owner.state}{_for_how_long(report)}")
        lines += [f"      {_MEANINGS[owner.state]}"] if owner.state in _MEANINGS else []
    restart = report.last_restart
    if restart is not None and restart.get("kind") != "start":
        ago, took = seconds_since(restart.get("at")), restart.get("durationMs")
        cause = restart.get("reason")
        parts = [f"crash ({cause})" if restart.get("kind") == "crash" else str(cause)]
        parts += [f"{duration(ago)} ago"] if ago is not None else []
        parts += [f"{took} ms"] if took is not None else []
        lines.append(f"   Last restart: {', '.join(parts)}")
    return [*lines, *_room(report), *_last_error(report)]


def _room(report: Report) -> list[str]:
    """How much the gateway takes, and what waits in it."""
    told: object = report.answer.details.get("storage") if report.answer else None
    if not isinstance(told, dict):
        return []
    figures = cast("JsonObject", told)
    holds = ", ".join(_counted(figures.get(key), key) for key in ("sessions", "messages"))
    parts = [
        f"{size(figures.get('databaseBytes'))} ({holds})",
        f"log {size(figures.get('logBytes'))}",
        f"{size(figures.get('diskFreeBytes'))} free",
    ]
    waiting = [f"{figures.get(key)} {what}" for key, what in _WAITING.items() if figures.get(key)]
    return [f"   Storage: {', '.join(parts)}", *([f"   Waiting: {', '.join(waiting)}"] if waiting else [])]


def _counted(count: object, things: str) -> str:
    return f"{count} {things.removesuffix('s') if count == 1 else things}"


def _parked(report: Report) -> list[str]:
    inbox: object = report.answer.details.get("inbox") if report.answer else None
    parked = cast("dict[str, object]", inbox).get("parked") if isinstance(inbox, dict) else None
    return [f"   Parked messages: {parked} (see: xopc inbox list)"] if parked else []


def _for_how_long(report: Report) -> str:
    seconds = seconds_since(since(report.target))
    return "" if seconds is None else f", for {duration(seconds)}"


def _shown_url(report: Report) -> str:
    target = report.target
    if report.url is None:
        return "not known yet"
    if report.url == target.url and target.host in LOCAL_HOSTS and not _leads_astray(report):
        return f"{target.scheme}://localhost:{target.port}"
    return report.url


def _leads_astray(report: Report) -> bool:
    """Whether `localhost` may be somebody else."""
    return any(issue.code == LOCALHOST for issue in report.issues)


def _who_may_enter(report: Report) -> list[str]:
    if report.answer is not None and report.answer.is_unauthorized:
        return []
    if report.credential is None:
        mode = report.target.effective.auth.mode.value if report.target.effective else None
        return ["   Auth: none"] if mode == "none" else []
    mode = report.answer.details.get("authMode") if report.answer else None
    if mode is None and report.target.effective is not None:
        mode = report.target.effective.auth.mode.value
    return ["   Auth: password"] if mode == "password" else [f"   Token: {preview(report.credential)}"]
