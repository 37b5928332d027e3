"""What `xopc gateway status` finds wrong, each with its cure."""

from __future__ import annotations

from typing import cast

from attrs import frozen

import xopc
from xopc.cli.gateway.target import Target
from xopc.client.http import JsonObject
from xopc.service.health import Answer

LEGACY_PID_FILE = "gateway.pid"
_NOT_ANSWERING = {
    "starting": ("starting", "is starting and does not answer yet"),
    "respawning": ("restarting", "is being replaced by a new process"),
    "backing-off": ("crash-looping", "crashed, and is started again after a pause"),
    "stopping": ("stopping", "is stopping"),
}


@frozen
class Issue:
    """One thing that is not as it should be."""

    code: str
    message: str
    hint: str
    detail: str = ""
    level: str = "recommended"
    """`required`: it does not serve like this. `recommended`: it does."""

    def to_json(self) -> JsonObject:
        return {
            "code": self.code,
            "message": self.message,
            "detail": self.detail,
            "hint": self.hint,
            "level": self.level,
        }


def find_issues(target: Target, answer: Answer | None, *, elsewhere: bool) -> tuple[Issue, ...]:
    """All that is wrong with one gateway; `elsewhere` means that it was asked for by its URL."""
    if elsewhere:
        return tuple(_of_answer(answer)) if answer is not None else ()
    issues = [*_of_lock(target, answer), *_of_configuration(target, answer)]
    if answer is not None and answer.reachable:
        issues += _of_answer(answer)
    pid_file = target.paths.state_dir / LEGACY_PID_FILE
    if pid_file.exists():
        issues.append(Issue("legacy-pid-file", f"{pid_file} is left from an old version.", f"Remove it: rm {pid_file}"))
    return tuple(issues)


def _of_lock(target: Target, answer: Answer | None) -> list[Issue]:
    owner = target.owner
    if owner is None:
        if answer is not None and answer.reachable:
            what = f"The gateway that answers at port {target.port} has another configuration."
            return [Issue("other-configuration", what, "Name its file with --config.", detail=_who_listens(target))]
        listeners = _who_listens(target)
        if listeners:
            what = f"Port {target.port} is in use, and not by this gateway."
            return [
                Issue("port-in-use", what, "Stop that process, or set another gateway.port.", listeners, "required")
            ]
        return []
    if answer is None or answer.reachable:
        return []
    code, what = _NOT_ANSWERING.get(owner.state or "starting", ("no-answer", "does not answer"))
    detail = answer.error if code == "no-answer" else ""
    return [Issue(code, f"The gateway (pid {owner.pid}) {what}.", "See: xopc gateway logs", detail, "required")]


def _who_listens(target: Target) -> str:
    from xopc.service.ports import inspect

    use = inspect(target.port) if target.port else None
    return "\n".join(use.to_text()[1:]) if use else ""


def _of_configuration(target: Target, answer: Answer | None) -> list[Issue]:
    if target.config_error is not None:
        what, cure = "The configuration does not validate here.", "Mend it: the next start will refuse it."
        return [Issue("config-invalid", what, cure, detail=target.config_error.message, level="required")]
    told: object = answer.details.get("warnings") if answer else None
    own = target.resolved.warnings if target.resolved else ()
    warnings = cast("list[object]", told) if isinstance(told, list) else own
    return [
        Issue("config-warning", _ended(str(warning)), f"Look at {target.paths.config_path}.") for warning in warnings
    ]


def _ended(sentence: str) -> str:
    return sentence if sentence.endswith((".", "?")) else f"{sentence}."


def _of_answer(answer: Answer) -> list[Issue]:
    issues: list[Issue] = []
    if answer.is_unauthorized:
        what = "The running gateway refuses this token."
        issues.append(
            Issue("unauthorized", what, "Give the one that it was started with: --token, or XOPC_GATEWAY_TOKEN.")
        )
    if answer.health is None:
        return issues
    condition = answer.health.get("status")
    if condition != "healthy":
        issues.append(Issue(str(condition), f"The gateway is {condition}.", "See: xopc gateway logs"))
    version = answer.health.get("version")
    if version != xopc.__version__:
        what = f"Version {version} is running, and {xopc.__version__} is installed."
        issues.append(Issue("version-differs", what, "Run: xopc gateway restart"))
    return issues
