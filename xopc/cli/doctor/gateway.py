"""Does the gateway run, does it let its owner in, and is its port its own?"""

from __future__ import annotations

from attrs import evolve

from xopc.cli.doctor.check import Check, Fault, Result, Sight, of_issues
from xopc.cli.gateway.issues import LEGACY_PID_FILE, LOCALHOST
from xopc.config.audit import Severity
from xopc.service.ports import PortStatus

_OF_CONFIGURATION = {"config-invalid", "config-warning"}
_OF_AUTH = {"unauthorized"}
_OF_PORT = {"port-in-use", "other-configuration", LOCALHOST}
_LEFTOVER = "gateway.legacy-pid-file"
_RESTART = "xopc gateway restart"


def look_at_gateway(sight: Sight) -> Result:
    """Does it run, does it answer, and what does it say of itself?"""
    target, answer = sight.target, sight.answer
    elsewhere = _OF_CONFIGURATION | _OF_AUTH | _OF_PORT
    where = target.url or str(target.lock.path)
    faults = of_issues("gateway", where, (issue for issue in sight.issues if issue.code not in elsewhere))
    left = str(target.paths.state_dir / LEGACY_PID_FILE)
    faults = tuple(evolve(one, where=left) if one.check_id == _LEFTOVER else one for one in faults)
    owner = target.owner
    if owner is None:
        service = sight.service
        start = service.start if service is not None and service.installed is not None else "xopc gateway"
        return Result(f"It does not run. Start it with: {start}", faults)
    summary = f"It runs (pid {owner.pid})"
    if answer is None or not answer.reachable:
        return Result(summary, faults)
    if not answer.details and answer.error and not answer.is_unauthorized:
        told = Fault(
            "gateway.status-refused",
            Severity.WARN,
            "It tells no more than its health",
            where,
            answer.error,
            "See: xopc gateway logs",
        )
        faults = (*faults, told)
    return Result(f"{summary}, and answers at {target.url} in {answer.duration_ms} ms", faults)


def look_at_credential(sight: Sight) -> Result:
    """Does the configuration say what the running gateway goes by?"""
    target, answer = sight.target, sight.answer
    if target.owner is None or answer is None or not answer.reachable:
        return Result("no gateway answers", skipped=True)
    if target.resolved is None:
        return Result("the configuration does not validate", skipped=True)
    if answer.is_unauthorized:
        what, cure = "The running gateway refuses the credential of the configuration", _cure_of_drift(sight)
        detail = "It was started with another one: from a flag, from its environment, or before the file changed."
        if target.credential is None:
            what = "The running gateway asks for a credential, and none is known here"
        cure = f"{cure}; or set XOPC_GATEWAY_TOKEN here to the one that it was started with"
        return Result("", (_drift(what, "$.gateway.auth", detail, cure),))
    wanted, running = target.resolved.auth.mode.value, answer.details.get("authMode")
    if running is not None and running != wanted:
        what = f"The running gateway has the auth mode {running}, and the configuration says {wanted}"
        return Result("", (_drift(what, "$.gateway.auth.mode", "It was started with another one.", _RESTART),))
    return Result("The running gateway goes by the credential of the configuration")


def look_at_port(sight: Sight) -> Result:
    """Is it free, or the gateway's?"""
    target, use = sight.target, sight.use
    if use is None:
        return Result("the port is not known, because the configuration does not validate", skipped=True)
    faults = of_issues("port", f"port {use.port}", (issue for issue in sight.issues if issue.code in _OF_PORT))
    if target.owner is not None and (sight.answer is None or not sight.answer.is_another):
        return Result(f"Port {use.port} is the gateway's", faults)
    match use.status:
        case PortStatus.FREE:
            return Result(f"Port {use.port} is free", faults)
        case PortStatus.BUSY:
            return Result(f"Port {use.port} is in use", faults)
        case PortStatus.UNKNOWN:
            return Result(f"the system does not tell who has port {use.port}", faults, skipped=True)


def _cure_of_drift(sight: Sight) -> str:
    """A service brings the token that it was installed with, however often it is restarted."""
    service = sight.service
    if service is None or not any(finding.code == "token-drift" for finding in service.findings):
        return _RESTART
    return f"{service.reinstall}, then: {service.start if service.is_system else _RESTART}"


def _drift(title: str, where: str, detail: str, cure: str) -> Fault:
    return Fault("gateway.auth-drift", Severity.WARN, title, where, detail, cure)


CHECKS = (
    Check("gateway.running", "gateway", look_at_gateway),
    Check("gateway.credential", "gateway", look_at_credential),
    Check("port.listeners", "port", look_at_port),
)
