"""The step that makes the gateway a service, and how that is done."""

from __future__ import annotations

import json
import subprocess  # noqa: TID251 - a command waits for another; no event loop does
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, cast

from xopc.cli.gateway.service.place import why_unavailable
from xopc.cli.onboard.guide import Guide
from xopc.cli.onboard.wishes import Wishes
from xopc.contracts.errors import Failure, XopcError
from xopc.service.managers.base import ServiceManager

if TYPE_CHECKING:
    from xopc.cli.onboard.present import Present
    from xopc.contracts.convert import JsonObject

VERB_SECONDS = 120.0
"""The manager is given 30 s a tool, and several are run."""


def choose_service(guide: Guide, present: Present, wishes: Wishes, manager: ServiceManager | None) -> bool:
    """Whether it shall be a service.

    Raises:
        XopcError: that was asked for, and this machine has nothing that could do it.
    """
    if wishes.service is False:
        guide.say("No service is installed, so you run the gateway yourself.")
        return False
    if manager is None or not manager.is_available():
        hints = why_unavailable(manager, present.environ, system=False)
        if wishes.service:
            raise XopcError(Failure.UNAVAILABLE, f"There can be no service here, so leave --service out. {hints[0]}")
        guide.say("There can be no service here, so you run the gateway yourself.")
        for hint in hints:
            guide.say(f"💡 {hint}")
        return False
    if wishes.service:
        return True
    if not guide.is_attended:
        return manager.is_loaded()
    if manager.is_loaded():
        guide.say(f"The service is installed ({manager.platform}), and is brought up to date.")
        return True
    guide.say("As a service it starts with the machine, and again after a crash.")
    if present.running_pid is not None:
        guide.say(f"The gateway that runs now (pid {present.running_pid}) ends, and the service takes over.")
    return guide.confirm(f"Install it as a service ({manager.platform})", default=True)


def install_and_start(environ: Mapping[str, str], manager: ServiceManager, running_pid: int | None) -> list[str]:
    """Have the service defined by the configuration as it is now, and running. Returns warnings.

    Raises:
        XopcError: one of the commands that do it fails.
    """
    # One that runs outside the service has the lock.
    if running_pid is not None and not _runs(manager, running_pid):
        run_verb(environ, "stop")
    installed = run_verb(environ, "service", "install", "--force")
    started = run_verb(environ, "service", "start")
    warnings = (*_texts(installed, "warnings"), *_texts(started, "warnings"))
    return list(warnings)


def _runs(manager: ServiceManager, pid: int) -> bool:
    return manager.runtime().pid == pid


def run_verb(environ: Mapping[str, str], *verb: str) -> JsonObject:
    """What `xopc gateway …` answers.

    Raises:
        XopcError: it fails; with its own words.
    """
    shown = f"xopc gateway {' '.join(verb)}"
    try:
        done = subprocess.run(  # noqa: S603 - ourselves
            [sys.executable, "-P", "-m", "xopc", "gateway", *verb, "--json"],
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=VERB_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise XopcError(Failure.UNAVAILABLE, f"`{shown}` did not end within {VERB_SECONDS:g} s.") from None
    try:
        answer = cast("object", json.loads(done.stdout))
    except ValueError:
        answer = None
    told = cast("JsonObject", answer) if isinstance(answer, dict) else {}
    if done.returncode != 0 or told.get("ok") is not True:
        why = str(told.get("error") or told.get("message") or done.stderr.strip() or "it did not say why")
        hints = " ".join(_texts(told, "hints"))
        raise XopcError(Failure.UNAVAILABLE, f"`{shown}` failed: {why} {hints}".rstrip())
    return told


def _texts(answer: JsonObject, key: str) -> tuple[str, ...]:
    listed: object = answer.get(key)
    return tuple(str(one) for one in cast("list[object]", listed)) if isinstance(listed, list) else ()
