"""What `xopc gateway status` finds wrong, each with its cure."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from typing import TYPE_CHECKING, cast

from attrs import frozen

import xopc
from xopc.cli.gateway.target import Target
from xopc.cli.output import duration, seconds_since
from xopc.client.http import NOT_TRUSTED, JsonObject
from xopc.service.health import Answer
from xopc_supervisor.contract import LockInfo, is_suspended

if TYPE_CHECKING:
    from xopc.service.audit.finding import Finding
    from xopc.service.ports import Listener, PortUse

LEGACY_PID_FILE = "gateway.pid"
LOCALHOST = "localhost"
"""Code of the issue that `localhost` may lead to another program."""
NO_ANSWER = "no-answer"
"""Code of the issue that it does not answer, and nothing tells why."""
OTHER = "other-configuration"
"""Code of the issue that who answers is another gateway than that of this configuration."""
_TRUST = "Name a file that holds it, or whoever issued it: SSL_CERT_FILE=gateway.pem xopc …; or look at the URL's name."
_ELSEWHERE = "The configuration's token is not shown to another URL"
LOGS = "See: xopc gateway logs"
TREE = "See what has failed, and why: xopc gateway tree"
_NOT_ANSWERING = {
    "starting": ("starting", "is starting and does not answer yet"),
    "restarting": ("restarting", "is being replaced by a new process"),
    "respawning": ("restarting", "is being replaced by a new process"),
    "handing-over": ("restarting", "is being replaced by a new process"),
    "backing-off": ("crash-looping", "crashed, and is started again after a pause"),
    "crash-looping": ("crash-looping", "crashes again and again, and is started again after a pause"),
    "degraded": ("degraded", "cannot start for now, and tries again"),
    "stopping": ("stopping", "is stopping"),
}
_CRASHING = {"backing-off", "crash-looping"}
_TOLD_BY_BOTH = {"hand-over", "configuration"}
"""Problems that the supervisor's own sentence in the lock file is about, too."""
_CURES = {
    "storage": "It goes on by itself once the disk does. See: xopc gateway logs",
    "disk": "Delete what you no longer need, or give the disk more room.",
    "log": "It goes on by itself once the disk does.",
    "configuration": "Mend the file: it takes effect by itself. If gateway.reload.mode is off: xopc gateway restart",
    "hand-over": "Mend what it says, then: xopc gateway restart --wait 30s",
}


@frozen
class Issue:
    """One thing that is not as it should be."""

    code: str
    message: str
    hint: str
    detail: str = ""
    level: str = "recommended"
    """`required`: it does not serve like this. `recommended`: it does. `aggressive`: it may be so on purpose."""
    headline: str = ""
    """What a terminal says instead of the message; empty: the message."""

    def to_json(self) -> JsonObject:
        return {
            "code": self.code,
            "message": self.message,
            "detail": self.detail,
            "hint": self.hint,
            "level": self.level,
        }


def find_issues(
    target: Target,
    answer: Answer | None,
    use: PortUse | None = None,
    *,
    elsewhere: bool,
    findings: Iterable[Finding] = (),
) -> tuple[Issue, ...]:
    """All that is wrong with one gateway, at whose port `use` was found; `elsewhere`: it was asked for by its URL.

    `findings` are those of its service.
    """
    if elsewhere:
        return tuple(_of_gateway_elsewhere(answer)) if answer is not None else ()
    issues = [*_of_lock(target, answer, use), *_of_configuration(target, answer)]
    if answer is not None and answer.reachable:
        issues += _of_answer(answer, _why_unasked(target))
    if target.owner is not None and not _TOLD_BY_BOTH.intersection(issue.code for issue in issues):
        issues += _of_supervisor(target.owner, answer)
    if target.owner is not None:
        issues += _of_suspended(target.owner)
    pid_file = target.paths.state_dir / LEGACY_PID_FILE
    if pid_file.exists():
        what = f"{pid_file} is left from an old version, and does no harm."
        issues.append(Issue("legacy-pid-file", what, f"Remove it: rm {pid_file}"))
    return (*issues, *map(of_finding, findings))


def told(issues: Iterable[Issue]) -> list[str]:
    """The lines that a terminal gets, below one that is empty; none without issues."""
    lines: list[str] = []
    for issue in issues:
        # The sentences of the contract have one blank behind the sign.
        said = f"⚠️ {issue.headline}" if issue.headline else f"⚠️  {issue.message}"
        lines += [said, *(f"   {row}" for row in issue.detail.splitlines()), f"💡 {issue.hint}"]
    return ["", *lines] if lines else []


def of_finding(finding: Finding) -> Issue:
    """What was found out about the service, as an issue of the gateway."""
    return Issue(finding.code, finding.message, finding.hint, finding.detail, finding.level, finding.headline)


def _of_gateway_elsewhere(answer: Answer) -> list[Issue]:
    if answer.reachable:
        return _of_answer(answer, _ELSEWHERE)
    what = _ended(f"Nobody answers as a gateway: {answer.error}")
    cure = _TRUST if NOT_TRUSTED in answer.error else "Look at the URL."
    return [Issue(NO_ANSWER, what, cure, "", "required")]


def _of_lock(target: Target, answer: Answer | None, use: PortUse | None) -> list[Issue]:
    owner = target.owner
    if owner is None:
        return _without_owner(target, answer, use)
    if answer is None or answer.reachable:
        return _of_neighbour(target, owner, use)
    code, what = _NOT_ANSWERING.get(owner.state or "starting", (NO_ANSWER, "does not answer"))
    detail = owner.problem or (answer.error if code == NO_ANSWER else "")
    silent = Issue(code, f"The gateway (pid {owner.pid}) {what}.", LOGS, _ended(detail), "required")
    return [silent, *([_of_another(target, use)] if answer.is_another else [])]


def _of_suspended(owner: LockInfo) -> list[Issue]:
    """Somebody stopped one of its processes for the time being, as Ctrl-Z does."""
    supervisor = f"The supervisor (pid {owner.pid}) is suspended: it starts nothing again until it goes on."
    child = f"The gateway's process (pid {owner.child_pid}) is suspended, and answers nobody until it goes on."
    return [
        Issue("suspended", what, f"Let it go on: kill -CONT {pid}", level="required")
        for pid, what in ((owner.child_pid, child), (owner.pid, supervisor))
        if pid is not None and is_suspended(pid)
    ]


def _of_supervisor(owner: LockInfo, answer: Answer | None) -> list[Issue]:
    """What the supervisor of a gateway has to say that answers, or was not asked."""
    if answer is not None and not answer.reachable:
        return []
    if owner.state in _CRASHING:
        code, what = _NOT_ANSWERING[owner.state]
        what = f"The gateway (pid {owner.pid}) {what}."
        return [Issue(code, what, LOGS, _ended(owner.problem or ""), "required")]
    if owner.problem:
        code = "degraded" if owner.state == "degraded" else "hand-over"
        return [Issue(code, _ended(f"Supervisor: {owner.problem}"), _CURES.get(code, LOGS))]
    return []


def _of_neighbour(target: Target, owner: LockInfo, use: PortUse | None) -> list[Issue]:
    """Somebody else listens where `localhost` may lead to."""
    neighbour = use.neighbour({owner.pid, *(pid for pid, _ in owner.family())}) if use else None
    if use is None or neighbour is None:
        return []
    who = f"pid {neighbour.pid}" if neighbour.pid else "of another user"
    what = f"Another program ({who}) listens at {neighbour.address}, where localhost may lead to."
    cure = (
        f"Use {target.scheme}://127.0.0.1:{use.port}; or stop that program, then: xopc gateway stop, and xopc gateway"
    )
    return [Issue(LOCALHOST, what, cure, f"It runs: {neighbour.command}" if neighbour.command else "")]


def _without_owner(target: Target, answer: Answer | None, use: PortUse | None) -> list[Issue]:
    """No supervisor has the lock."""
    if target.lock.is_irregular:
        path = target.lock.path
        cure = f"Move it away: mv {shlex.quote(str(path))} {shlex.quote(f'{path}.before')}"
        return [Issue("lock-no-file", f"{path} is no file, and so no gateway can start.", cure, level="required")]
    orphans = target.orphans(use)
    if orphans:
        what = f"The supervisor of this gateway has ended, and left a process (pid {', '.join(map(str, orphans))})."
        cure = "It ends by itself in some seconds. If it does not: xopc gateway --force"
        return [Issue("orphaned", what, cure, _who_listens(use), "required")]
    if answer is not None and answer.reachable:
        return [_without_lock(target, use)]
    listeners = _who_listens(use)
    if not listeners or (use is not None and use.listeners and all(_is_ours(target, one) for one in use.listeners)):
        return []
    what = f"Port {target.port} is in use, and not by this gateway."
    return [Issue("port-in-use", what, "Stop that process, or set another gateway.port.", listeners, "required")]


def _is_ours(target: Target, listener: Listener) -> bool:
    """Whether it is this gateway as it starts, or the service manager that keeps its socket until then."""
    from xopc.service.identity import launch_of

    launch = launch_of(listener.gateway_pid) if listener.gateway_pid else None
    is_own = launch is not None and launch.lock_path == str(target.paths.lock_path)
    return is_own or listener.only_keeps_it


def _without_lock(target: Target, use: PortUse | None) -> Issue:
    """A gateway answers at the port, and has not got this configuration's lock."""
    from xopc.service.identity import launch_of

    for pid in use.gateways if use else ():
        launch = launch_of(pid)
        if launch is not None and launch.lock_path == str(target.paths.lock_path):
            what = f"The gateway (pid {pid}) lost its lock: somebody removed {launch.lock_path}."
            return Issue("lock-removed", what, "Start it anew: xopc gateway stop, then xopc gateway", level="required")
    return _of_another(target, use)


def _of_another(target: Target, use: PortUse | None) -> Issue:
    """The gateway of another configuration answers at the port of this one."""
    from xopc.cli.gateway.naming import command_for
    from xopc.service.identity import launch_of

    what = f"The gateway that answers at port {target.port} has another configuration."
    launches = filter(None, map(launch_of, use.gateways if use else ()))
    looks = dict.fromkeys(command_for(launch, "gateway status", target.environ) for launch in launches)
    look = " and ".join(looks) or "name its file with --config"
    cure = f"To look at that one: {look}. For this one, stop that, or set another gateway.port."
    return Issue(OTHER, what, cure, _who_listens(use), "required")


def _who_listens(use: PortUse | None) -> str:
    return "\n".join(use.to_text()[1:]) if use else ""


def _of_configuration(target: Target, answer: Answer | None) -> list[Issue]:
    if target.config_error is not None:
        what, cure = "The configuration does not validate here.", "Mend it: the next start will refuse it."
        error = target.config_error.message
        is_told = answer is not None and any(error in problem.message for problem in _problems(answer))
        return [Issue("config-invalid", what, cure, detail="" if is_told else error, level="required")]
    told: object = answer.details.get("warnings") if answer else None
    own = target.resolved.warnings if target.resolved else ()
    warnings = cast("list[object]", told) if isinstance(told, list) else own
    return [
        Issue("config-warning", _ended(str(warning)), f"Look at {target.paths.config_path}.") for warning in warnings
    ]


def _ended(sentence: str) -> str:
    return sentence if not sentence or sentence.endswith((".", "?", "!")) else f"{sentence}."


def _why_unasked(target: Target) -> str:
    """Why the gateway was not shown a credential, where it was shown none."""
    if target.credential is None:
        return "No token is known here"
    return "The configuration's token is not shown to a gateway without its lock"


def _of_answer(answer: Answer, why_unasked: str) -> list[Issue]:
    issues: list[Issue] = []
    if answer.is_unauthorized and not answer.has_credential:
        what = f"{why_unasked}, and without one the gateway tells no more than its health."
        issues.append(Issue("unauthorized", what, "Give the token that it was started with: --token"))
    elif answer.is_unauthorized:
        what = "The running gateway refuses this token."
        issues.append(
            Issue("unauthorized", what, "Give the one that it was started with: --token, or XOPC_GATEWAY_TOKEN.")
        )
    if answer.health is None:
        return issues
    problems = _problems(answer)
    condition = answer.health.get("status")
    if condition != "healthy" and not (condition == "degraded" and problems):
        told = _codes(answer.health)
        cure = TREE if condition == "degraded" and not told else LOGS
        issues.append(Issue(str(condition), f"The gateway is {condition}{told}.", cure))
    issues += [*problems, *_blocked(answer)]
    version = answer.health.get("version")
    if version != xopc.__version__:
        what = f"Version {version} is running, and {xopc.__version__} is installed."
        issues.append(Issue("version-differs", what, "Run: xopc gateway restart"))
    return issues


def _problems(answer: Answer) -> list[Issue]:
    """What the gateway says is wrong, to whoever has a credential."""
    told: object = answer.details.get("problems")
    problems = cast("list[JsonObject]", told) if isinstance(told, list) else []
    issues: list[Issue] = []
    for problem in problems:
        code, since = str(problem.get("code")), seconds_since(problem.get("since"))
        detail = "" if since is None else f"For {duration(since)} now."
        issues.append(Issue(code, _ended(str(problem.get("message"))), _CURES.get(code, LOGS), detail))
    return issues


def _blocked(answer: Answer) -> list[Issue]:
    """Who presented too many wrong credentials."""
    limiter: object = answer.details.get("limiter")
    blocked: object = cast("JsonObject", limiter).get("blocked") if isinstance(limiter, dict) else None
    if not isinstance(blocked, list) or not blocked:
        return []
    clients = sorted({str(client.get("client")) for client in cast("list[JsonObject]", blocked)})
    who = ", ".join(clients[:3]) + (f" and {len(clients) - 3} more" if len(clients) > 3 else "")
    what = f"Wrong credentials came from {who}, and so nothing from there is let in for now."
    return [Issue("blocked-clients", what, "If that is one of yours, mend its token, then: xopc gateway unlock")]


def _codes(health: JsonObject) -> str:
    """What it says to everybody: `: storage, log`."""
    codes: object = health.get("problems")
    names = [str(code) for code in cast("list[object]", codes)] if isinstance(codes, list) else []
    return f": {', '.join(names)}" if names else ""
