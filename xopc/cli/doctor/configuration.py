"""Does the configuration validate, and is it safe?"""

from __future__ import annotations

import re

from xopc.cli.doctor.check import Check, Fault, Result, Sight
from xopc.config.audit import Severity
from xopc.contracts.errors import ConfigError

_PATH = re.compile(r"(\$\S*|--[a-z-]+|[A-Z][A-Z_]+): (.+)", re.DOTALL)
"""A warning that begins with its place: a key, an option or a variable."""


def look_at_file(sight: Sight) -> Result:
    """Does it validate?"""
    target = sight.target
    if target.config_error is not None:
        return Result("", of_refusal(target.config_error))
    path = str(target.paths.config_path)
    warnings = tuple(_of_warning(warning, path) for warning in target.resolved.warnings) if target.resolved else ()
    if not target.paths.config_path.exists():
        return Result.of(warnings, f"There is no {path}: the defaults are in force, and the first start writes it")
    return Result.of(warnings, f"{path} validates")


def look_at_security(sight: Sight) -> Result:
    """What does the security audit say?"""
    resolved = sight.target.resolved
    if resolved is None:
        return Result("the configuration does not validate", skipped=True)
    faults = (
        Fault(
            finding.check_id.value,
            finding.severity,
            finding.title,
            finding.check_id.place,
            finding.detail,
            finding.remediation,
        )
        for finding in resolved.audit
    )
    return Result.of(faults, "The security audit finds nothing")


def of_refusal(error: ConfigError) -> tuple[Fault, ...]:
    """A fault for each problem of a configuration that does not validate."""
    cure = "Mend it. A gateway that runs goes on as it is, but the next start is refused."
    return tuple(
        Fault(
            "config.invalid",
            Severity.CRITICAL,
            "The configuration does not validate",
            error.source if problem.path == error.source else f"{problem.path} ({error.source})",
            problem.what,
            cure,
        )
        for problem in error.problems
    )


def _of_warning(warning: str, path: str) -> Fault:
    match = _PATH.fullmatch(warning)
    where, what = (match[1], match[2]) if match else (path, warning)
    cure = f"Look at {path}." if where.startswith("$") or where == path else f"Look at {where}."
    return Fault("config.warning", Severity.WARN, "Something in the configuration is odd", where, what, cure)


CHECKS = (Check("config.file", "configuration", look_at_file), Check("security.audit", "security", look_at_security))
