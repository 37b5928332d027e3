"""Tells the log what the security audit finds: once, until that changes."""

from __future__ import annotations

from collections.abc import Iterable

import structlog

from xopc.config.audit import AuditFinding, CheckId, Severity

log = structlog.get_logger("xopc.security")


class AuditLog:
    """What one process has told of its configurations. A restart that changes nothing tells nothing again."""

    def __init__(self) -> None:
        self._told: dict[CheckId, AuditFinding] = {}

    def tell(self, findings: Iterable[AuditFinding]) -> None:
        """Log each finding that is new or has changed, at the level of its severity, and each that is over."""
        now = {finding.check_id: finding for finding in findings}
        for finding in now.values():
            if self._told.get(finding.check_id) != finding:
                _log(finding)
        for check_id in self._told.keys() - now.keys():
            log.info("A finding of the security audit is over.", check_id=check_id.value)
        self._told = now


def _log(finding: AuditFinding) -> None:
    message = f"Security audit: {finding.title}. {finding.detail} {finding.remediation}"
    match finding.severity:
        case Severity.CRITICAL:
            log.error(message, check_id=finding.check_id.value)
        case Severity.WARN:
            log.warn(message, check_id=finding.check_id.value)
        case Severity.INFO:
            log.info(message, check_id=finding.check_id.value)
