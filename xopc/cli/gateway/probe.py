"""`xopc gateway probe`: can it be reached, and does it take the token?"""

from __future__ import annotations

import sys
from enum import Enum
from typing import TYPE_CHECKING, Annotated

from attrs import frozen
from cyclopts import Parameter

from xopc.cli.gateway.asking import ask_gateway
from xopc.cli.gateway.issues import NO_ANSWER, find_issues, told
from xopc.cli.gateway.target import find_target
from xopc.cli.options import ConfigOption, CredentialOption, Duration, DurationOption, JsonOption, UrlOption
from xopc.cli.output import as_typed, duration, fitted, print_json
from xopc.contracts.errors import Failure, XopcError
from xopc.service.health import Answer
from xopc_supervisor.contract import EXIT_FAILURE, EXIT_OK

if TYPE_CHECKING:
    from xopc.cli.gateway.issues import Issue
    from xopc.client.http import JsonObject

DEFAULT_TIMEOUT = Duration(5)
START = "Start it with: xopc gateway"


class Door(Enum):
    """What became of the token or password."""

    ACCEPTED = "accepted"
    LIMITED = "limited"
    """Accepted, and it may not read the status."""
    NOT_NEEDED = "not-needed"
    REFUSED = "refused"
    MISSING = "missing"
    """It was shown none."""
    UNKNOWN = "unknown"
    """It did not answer, or lets nobody in for now."""

    @property
    def is_open(self) -> bool:
        return self in {Door.ACCEPTED, Door.LIMITED, Door.NOT_NEEDED}


_SAID = {
    Door.ACCEPTED: "accepted",
    Door.LIMITED: "accepted, and it may not read the status",
    Door.NOT_NEEDED: "none is needed",
    Door.REFUSED: "refused",
    Door.MISSING: "none was shown",
    Door.UNKNOWN: "not tried",
}


def probe(
    *,
    url: UrlOption = None,
    token: CredentialOption = None,
    timeout: Annotated[DurationOption, Parameter(help="How long an answer may take (default: 5s).")] = DEFAULT_TIMEOUT,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> int:
    """Tell whether the gateway can be reached, takes the token, and which version and configuration it has.

    The exit code is 0 where it lets this command in, and 1 where it does not.
    """
    target = find_target(config)
    asked = url or target.url
    answer = ask_gateway(target, timeout, url=url, token=token)
    if asked is None or answer is None:
        raise target.config_error or XopcError(Failure.NOT_FOUND, "No gateway runs, and gateway.port is not known.")
    found = Found(asked, answer, find_issues(target, answer, elsewhere=url is not None))
    if as_json:
        print_json(found.to_json())
    else:
        print(fitted(as_typed("\n".join(found.to_text())), sys.stdout))
    return EXIT_OK if found.door.is_open else EXIT_FAILURE


@frozen
class Found:
    """What came of asking the gateway at a URL."""

    url: str
    answer: Answer
    issues: tuple[Issue, ...]

    @property
    def door(self) -> Door:
        answer = self.answer
        if answer.details:
            return Door.NOT_NEEDED if answer.details.get("authMode") == "none" else Door.ACCEPTED
        if answer.is_unauthorized:
            return Door.REFUSED if answer.has_credential else Door.MISSING
        return Door.LIMITED if answer.is_forbidden else Door.UNKNOWN

    def to_json(self) -> JsonObject:
        health = self.answer.health or {}
        return {
            "ok": self.door.is_open,
            "degraded": health.get("status") == "degraded",
            "url": self.url,
            "reachable": self.answer.reachable,
            "durationMs": self.answer.duration_ms,
            "auth": self.door.value,
            "version": health.get("version"),
            "status": health.get("status"),
            "configPath": self.answer.details.get("configPath"),
            "error": self.answer.error or None,
            "issues": [issue.to_json() for issue in self.issues],
        }

    def to_text(self) -> list[str]:
        answer = self.answer
        if answer.health is None:
            # What the error says already needs its cure alone.
            more = [issue for issue in self.issues if issue.code != NO_ANSWER]
            cures = [issue.hint for issue in self.issues if issue.code == NO_ANSWER] or ([] if more else [START])
            return [f"❌ {answer.error}", *(f"💡 {cure}" for cure in cures), *told(more)]
        sign, but = ("✅", "") if self.door.is_open else ("❌", ", and does not let this command in")
        uptime = answer.health.get("uptime")
        up = f", up {duration(uptime)}" if isinstance(uptime, int | float) else ""
        secret = "Password" if answer.details.get("authMode") == "password" else "Token"
        why = f": {answer.error}" if self.door is Door.UNKNOWN else ""
        lines = [
            f"{sign} {self.url} answers, in {answer.duration_ms} ms{but}",
            f"   Version: {answer.health.get('version')} (pid {answer.health.get('pid')}{up})",
            f"   State: {answer.health.get('status')}",
            f"   {secret}: {_SAID[self.door]}{why}",
        ]
        if config := answer.details.get("configPath"):
            lines.append(f"   Config: {config}")
        return [*lines, *told(self.issues)]
