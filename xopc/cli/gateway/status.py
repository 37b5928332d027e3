"""`xopc gateway status`."""

from __future__ import annotations

import os
import socket
import sys
from typing import TYPE_CHECKING, Annotated, cast

from cyclopts import Parameter

from xopc.cli.gateway.asking import ask_target
from xopc.cli.gateway.issues import LOCALHOST, OTHER, find_issues, of_finding
from xopc.cli.gateway.report import SCHEMA, Report, last_error, since
from xopc.cli.gateway.target import Target, find_target
from xopc.cli.options import ConfigOption, CredentialOption, Duration, DurationOption, JsonOption, UrlOption
from xopc.cli.output import as_typed, duration, preview, print_json, seconds_since, size, without_controls
from xopc.client.http import Client, JsonObject, split_base_url
from xopc.config.paths import from_home
from xopc.config.profile import DEFAULT, profile_of
from xopc.service.health import HANDING_OVER, Answer, ask
from xopc_supervisor.contract import EXIT_FAILURE, EXIT_OK, EXIT_USAGE

if TYPE_CHECKING:
    from xopc.service.audit.survey import Service, Survey
    from xopc.service.ports import PortUse

DEFAULT_TIMEOUT = Duration(5)
LOCAL_HOSTS = {"127.0.0.1", "::1"}
CONNECT_SECONDS = 0.5
_WAITING = {"inboxWaiting": "to be answered", "outboxWaiting": "to be sent", "deadLetters": "given up"}
_MEANINGS = {HANDING_OVER: "a new process prepares; this one serves until it stands by"}


def status(
    *,
    as_json: JsonOption = False,
    deep: Annotated[
        bool, Parameter(help="Look further: other starters, unit files, the installed program, the disk.")
    ] = False,
    no_probe: Annotated[bool, Parameter(help="Do not ask it; look at the lock alone.")] = False,
    require_probe: Annotated[bool, Parameter(help="Fail where it runs, and does not answer.")] = False,
    url: UrlOption = None,
    token: CredentialOption = None,
    timeout: Annotated[DurationOption, Parameter(help="How long an answer may take (default: 5s).")] = DEFAULT_TIMEOUT,
    schema: Annotated[
        bool, Parameter(help="Print the JSON Schema of what --json prints, and do nothing else.")
    ] = False,
    config: ConfigOption = None,
) -> int:
    """Tell whether the gateway runs, where, and what is wrong.

    The exit code is 0 when it runs, and 1 when it does not.
    """
    if schema:
        print(SCHEMA.read_text("utf-8"), end="")
        return EXIT_OK
    if no_probe and require_probe:
        print("xopc gateway status: --no-probe and --require-probe exclude each other.", file=sys.stderr)
        return EXIT_USAGE
    target = find_target(config)
    survey = _begin_survey(target) if url is None else None
    answer = None
    if not no_probe:
        answer = ask(Client(url, token, timeout)) if url else ask_target(target, timeout, token=token)
    use = _look_at_port(target, answer) if url is None else None
    service = survey.result() if survey else None
    issues = find_issues(target, answer, use, elsewhere=url is not None, findings=survey.findings if survey else ())
    reachable = answer is not None and answer.reachable and not any(issue.code == OTHER for issue in issues)
    running = (url is None and target.lock.is_alive) or reachable or _runs_here(target, service)
    depths = None
    if deep and url is None:
        from xopc.cli.gateway.deep import look_deeper

        depths = look_deeper(target, service)
        issues = (*issues, *map(of_finding, depths.findings))
    report = Report(
        target=target,
        running=running,
        url=url or target.url,
        port=split_base_url(url)[2] if url else target.port,
        answer=answer,
        issues=issues,
        credential=token or target.credential,
        service=service,
        use=use,
        last_error=last_error(target.paths.log_dir) if _should_answer(target, service, answer) else None,
        depths=depths,
    )
    if as_json:
        print_json(report.to_json())
    else:
        print(as_typed("\n".join(_text(report))))
    return EXIT_OK if report.running and (reachable or not require_probe) else EXIT_FAILURE


def _begin_survey(target: Target) -> Survey:
    """Look at the service while the gateway is asked."""
    from xopc.service.audit.survey import Survey, survey

    owner = target.owner
    return Survey(lambda tell: survey(target.environ, target.paths, owner.pid if owner else None, tell))


def _runs_here(target: Target, service: Service | None) -> bool:
    """Whether the manager says that it runs a gateway of this configuration."""
    if service is None or service.runtime.status.value != "running" or service.paths is None:
        return False
    return os.path.realpath(service.paths.config_path) == os.path.realpath(target.paths.config_path)


def _should_answer(target: Target, service: Service | None, answer: Answer | None) -> bool:
    """Whether somebody expects an answer of it, and there is none."""
    is_expected = target.owner is not None or (service is not None and service.is_loaded)
    return is_expected and answer is not None and not answer.reachable


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


def _text(report: Report) -> list[str]:
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
        *_issues(report),
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
        *_issues(report),
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
    return [*lines, *_issues(report)]


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


def _issues(report: Report) -> list[str]:
    lines = [""] if report.issues else []
    for issue in report.issues:
        # The sentences of the contract have one blank behind the sign.
        told = f"⚠️ {issue.headline}" if issue.headline else f"⚠️  {issue.message}"
        lines += [told, *(f"   {row}" for row in issue.detail.splitlines()), f"💡 {issue.hint}"]
    return lines
