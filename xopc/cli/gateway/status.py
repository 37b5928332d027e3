"""`xopc gateway status`."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Annotated, cast

from attrs import frozen
from cyclopts import Parameter

from xopc.cli.gateway.issues import LOCALHOST, Issue, find_issues
from xopc.cli.gateway.target import Target, find_target
from xopc.cli.options import ConfigOption, CredentialOption, Duration, DurationOption, JsonOption, UrlOption
from xopc.cli.output import as_typed, duration, preview, print_json, seconds_since, size
from xopc.client.http import Client, JsonObject, split_base_url
from xopc.config.paths import from_home
from xopc.config.profile import DEFAULT, profile_of
from xopc.service.health import HANDING_OVER, Answer, ask
from xopc_supervisor.contract import EXIT_FAILURE, EXIT_OK

if TYPE_CHECKING:
    from xopc.service.ports import PortUse

DEFAULT_TIMEOUT = Duration(5)
LOCAL_HOSTS = {"127.0.0.1", "::1"}
CONNECT_SECONDS = 0.5
_WAITING = {"inboxWaiting": "to be answered", "outboxWaiting": "to be sent", "deadLetters": "given up"}
_MEANINGS = {HANDING_OVER: "a new process prepares; this one serves until it stands by"}


@frozen
class Report:
    """What was found out about one gateway."""

    target: Target
    running: bool
    url: str | None
    port: int | None
    answer: Answer | None
    """None where it was not asked."""
    issues: tuple[Issue, ...]
    credential: str | None

    @property
    def last_restart(self) -> JsonObject | None:
        found: object = self.answer.details.get("lastRestart") if self.answer else None
        return cast("JsonObject", found) if isinstance(found, dict) else None


def status(
    *,
    as_json: JsonOption = False,
    no_probe: Annotated[bool, Parameter(help="Do not ask it; look at the lock alone.")] = False,
    url: UrlOption = None,
    token: CredentialOption = None,
    timeout: Annotated[DurationOption, Parameter(help="How long an answer may take (default: 5s).")] = DEFAULT_TIMEOUT,
    config: ConfigOption = None,
) -> int:
    """Tell whether the gateway runs, where, and what is wrong.

    The exit code is 0 when it runs, and 1 when it does not.
    """
    target = find_target(config)
    # A stranger at the port must not see the configuration's secret, only whoever holds its lock.
    credential = token or (target.credential if target.owner and url is None else None)
    asked = url or target.url
    local_key = target.local_key if target.owner and url is None else None
    certificates = target.certificates if url is None else None
    client = Client(asked or "", credential, timeout, certificates=certificates, local_key=local_key)
    answer = None if no_probe or asked is None else ask(client)
    use = _look_at_port(target, answer) if url is None else None
    report = Report(
        target=target,
        running=(url is None and target.lock.is_alive) or (answer is not None and answer.reachable),
        url=asked,
        port=split_base_url(url)[2] if url else target.port,
        answer=answer,
        issues=find_issues(target, answer, use, elsewhere=url is not None),
        credential=token or target.credential,
    )
    if as_json:
        print_json(_to_json(report))
    else:
        lines = _running_text(report) if report.running else _not_running_text(report)
        print(as_typed("\n".join(lines)))
    return EXIT_OK if report.running else EXIT_FAILURE


def _look_at_port(target: Target, answer: Answer | None) -> PortUse | None:
    """Who listens, where that has to be known: it takes as long as all the rest."""
    if target.port is None or (target.owner is not None and _has_localhost(target, answer, target.port)):
        return None
    from xopc.service.ports import inspect

    return inspect(target.port)


def _has_localhost(target: Target, answer: Answer | None, port: int) -> bool:
    """Whether all that `localhost` may lead to is the gateway's, or nobody's."""
    told: object = answer.details.get("addresses") if answer else None
    addresses = cast("list[object]", told) if isinstance(told, list) else []
    if target.host not in LOCAL_HOSTS or any(str(one).startswith(("[::1]:", "[::]:")) for one in addresses):
        return True
    try:
        socket.create_connection(("::1", port), CONNECT_SECONDS).close()
    except TimeoutError:
        return False
    except OSError:
        return True
    return False


def _to_json(report: Report) -> JsonObject:
    lock, info = report.target.lock, report.target.lock.info
    return {
        "running": report.running,
        "profile": profile_of(report.target.environ),
        "service": None,
        "lock": {
            "alive": lock.is_alive,
            "pid": info.pid if info else None,
            "childPid": info.child_pid if info else None,
            "bootId": info.boot_id if info else None,
            "state": info.state if info else None,
            "since": _since(report),
            "problem": info.problem if info else None,
            "path": str(lock.path),
        },
        "probe": report.answer.to_json() if report.answer else None,
        "url": report.url,
        "port": report.port,
        "lastRestart": report.last_restart,
        "issues": [issue.to_json() for issue in report.issues],
    }


def _running_text(report: Report) -> list[str]:
    silent = report.answer is not None and not report.answer.reachable
    return [
        "⚠️  Gateway is running, and does not answer" if silent else "✅ Gateway is running",
        "",
        *_profile(report),
        f"   Port: {report.port or 'not known yet'}",
        *_vitals(report),
        *_parked(report),
        "",
        "🌐 Access:",
        f"   URL: {_shown_url(report)}",
        *_who_may_enter(report),
        "",
        "📝 Management:",
        "   xopc gateway stop      # Stop gateway",
        "   xopc gateway restart   # Restart gateway",
        *_issues(report),
    ]


def _not_running_text(report: Report) -> list[str]:
    profile = [*_profile(report), ""] if _profile(report) else []
    return ["⚠️  Gateway is not running", "", *profile, "💡 Start with: xopc gateway", *_issues(report)]


def _profile(report: Report) -> list[str]:
    profile = profile_of(report.target.environ)
    return [] if profile == DEFAULT else [f"   Profile: {profile} ({from_home(report.target.paths.state_dir)})"]


def _vitals(report: Report) -> list[str]:
    lines: list[str] = []
    health = report.answer.health if report.answer else None
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
    return [*lines, *_room(report)]


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


def _since(report: Report) -> str | None:
    at = report.target.lock.written_at
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z") if at else None


def _for_how_long(report: Report) -> str:
    seconds = seconds_since(_since(report))
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


def _issues(report: Report) -> list[str]:
    lines = [""] if report.issues else []
    for issue in report.issues:
        lines += [f"⚠️  {issue.message}", *(f"   {row}" for row in issue.detail.splitlines()), f"💡 {issue.hint}"]
    return lines
