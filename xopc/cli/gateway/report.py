"""What `xopc gateway status` has found out, and what programs get of it: `status.schema.json` describes that."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, cast

from attrs import frozen

from xopc.cli.gateway.issues import OTHER, Issue
from xopc.cli.gateway.target import Target
from xopc.client.http import JsonObject
from xopc.config.profile import profile_of
from xopc.service.health import Answer

if TYPE_CHECKING:
    from xopc.cli.gateway.deep import Depths
    from xopc.service.audit.survey import Service
    from xopc.service.ports import PortUse

SCHEMA = Path(__file__).with_name("status.schema.json")
ERROR_LINES = 500
"""How many of the last lines of the log are looked through."""
_ERRORS = {"error", "fatal"}


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
    service: Service | None = None
    """None where no service manager is there, or another machine's gateway was asked."""
    use: PortUse | None = None
    """Who listens at the port; None where that did not have to be looked for."""
    last_error: str | None = None
    """What the log says last of what failed, where it should answer and does not."""
    depths: Depths | None = None
    """None without `--deep`."""

    @property
    def last_restart(self) -> JsonObject | None:
        found: object = self.answer.details.get("lastRestart") if self.answer else None
        return cast("JsonObject", found) if isinstance(found, dict) else None

    @property
    def is_another(self) -> bool:
        """Whether who answers is the gateway of another configuration."""
        return any(issue.code == OTHER for issue in self.issues)

    @property
    def service_config(self) -> Path | None:
        """The configuration file that the service reads."""
        paths = self.service.paths if self.service else None
        return paths.config_path if paths else None

    @property
    def is_mismatch(self) -> bool:
        """Whether the service reads another configuration file than this command."""
        theirs, ours = self.service_config, self.target.paths.config_path
        return theirs is not None and os.path.realpath(theirs) != os.path.realpath(ours)

    def to_json(self) -> JsonObject:
        lock, info = self.target.lock, self.target.lock.info
        return {
            "running": self.running,
            "profile": profile_of(self.target.environ),
            "service": self.service.to_json() if self.service else None,
            "lock": {
                "alive": lock.is_alive,
                "pid": info.pid if info else None,
                "childPid": info.child_pid if info else None,
                "bootId": info.boot_id if info else None,
                "state": info.state if info else None,
                "since": since(self.target),
                "problem": info.problem if info else None,
                "path": str(lock.path),
            },
            "probe": self.answer.to_json() if self.answer else None,
            "url": self.url,
            "port": self.port,
            "portUsage": self.use.to_json() if self.use else None,
            "config": self._config(),
            "lastRestart": self.last_restart,
            "lastError": self.last_error,
            "issues": [issue.to_json() for issue in self.issues],
            **({"deep": self.depths.to_json()} if self.depths else {}),
        }

    def _config(self) -> JsonObject:
        path, theirs = self.target.paths.config_path, self.service_config
        return {
            "cli": {"path": str(path), "exists": path.exists(), "valid": self.target.config_error is None},
            "service": {"path": str(theirs), "exists": theirs.exists()} if theirs else None,
            "mismatch": self.is_mismatch,
        }


def since(target: Target) -> str | None:
    """Since when the supervisor is at what its lock says."""
    at = target.lock.written_at
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z") if at else None


def last_error(log_dir: Path) -> str | None:
    """The last thing that failed, as the log has it, with its time; None where there is none, or no log."""
    from xopc.service.log_tail import last_lines

    try:
        lines = last_lines(log_dir, ERROR_LINES)
    except OSError:
        return None
    for line in reversed(lines):
        try:
            fields = json.loads(line)
            if fields["level"] in _ERRORS:
                return " ".join(f"{fields['timestamp']} {fields['message']}".split())
        except (ValueError, TypeError, KeyError):
            continue  # not a line of the gateway
    return None
