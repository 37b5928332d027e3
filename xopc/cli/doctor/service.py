"""Does the service fit the configuration, and is it the only one that starts the gateway?"""

from __future__ import annotations

from xopc.cli.doctor.check import Check, Fault, Result, Sight
from xopc.config.audit import Severity
from xopc.service.audit.finding import AGGRESSIVE, Finding
from xopc.service.managers.base import SECRETS_FILE_VARIABLE

_CRITICAL = {"missing-program", "interpreter-gone", "secrets-file-missing", "service-failed", "would-refuse"}
"""The service does not start like this, or has not."""


def look_at_service(sight: Sight) -> Result:
    """Is what is installed what would be installed now?"""
    service = sight.service
    if service is None and sight.survey.findings:
        return Result("", tuple(of_finding(finding, "the service manager") for finding in sight.survey.findings))
    if service is None:
        return Result("No service manager answers here: whoever starts the gateway keeps it")
    if service.installed is None:
        return Result("None is installed. To have the gateway always: xopc gateway service install")
    path = str(service.installed.source_path)
    secrets = service.installed.environment.get(SECRETS_FILE_VARIABLE, path)
    faults = [
        of_finding(finding, secrets if finding.code.startswith("secrets-file") else path)
        for finding in sight.survey.findings
    ]
    return Result.of(faults, f"{service.manager.label} fits this configuration ({path})")


def look_at_starters(sight: Sight) -> Result:
    """Does anything else start this gateway, too?"""
    from xopc.cli.gateway.deep import all_starters
    from xopc.service.starters.starter import findings_of

    own, paths = sight.service.installed if sight.service else None, sight.target.paths
    found = findings_of(all_starters(sight.target), own, paths, sight.target.port)
    faults = [of_finding(finding, finding.where) for finding in found]
    return Result.of(faults, "Nothing else starts this gateway")


def of_finding(finding: Finding, where: str) -> Fault:
    """What was found out about the service, as a fault."""
    severity = Severity.INFO if finding.level == AGGRESSIVE else Severity.WARN
    if finding.code in _CRITICAL:
        severity = Severity.CRITICAL
    title = finding.message.rstrip(".")
    return Fault(f"service.{finding.code}", severity, title, where, finding.detail, finding.hint)


CHECKS = (
    Check("service.definition", "service", look_at_service),
    Check("service.starters", "service", look_at_starters),
)
