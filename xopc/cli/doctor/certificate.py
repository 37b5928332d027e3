"""Where HTTPS is spoken: do the certificate and its key serve, and for how long?"""

from __future__ import annotations

from datetime import UTC, datetime

from xopc.cli.doctor.check import Check, Fault, Result, Sight
from xopc.config.audit import Severity
from xopc.contracts.errors import ConfigError

_RENEW = "Renew it: docs/how-to/serve-https.md. The gateway takes the new one by itself."


def look_at_certificate(sight: Sight) -> Result:
    """Does a client accept it today, and in two weeks?"""
    from xopc.config.certificate import EXPIRES_SOON, load_certificate

    resolved = sight.target.resolved
    if resolved is None:
        return Result("the configuration does not validate", skipped=True)
    if resolved.tls is None:
        return Result("The port speaks plain HTTP: there is no certificate to look at")
    where = str(resolved.tls.certificate)
    try:
        certificate = load_certificate(resolved.tls, str(resolved.paths.config_path))
    except ConfigError as error:
        faults = (
            Fault("tls.unusable", Severity.CRITICAL, "The certificate does not serve", one.path, one.what, _RENEW)
            for one in error.problems
        )
        return Result("", tuple(faults))
    now = datetime.now(UTC)
    when = f"{certificate.expires:%Y-%m-%d %H:%M} UTC"
    if certificate.expires <= now:
        what = f"The certificate expired on {when}"
        return Result("", (Fault("tls.expired", Severity.CRITICAL, what, where, "Clients refuse it.", _RENEW),))
    if certificate.expires <= now + EXPIRES_SOON:
        what = f"The certificate expires on {when}"
        return Result("", (Fault("tls.expires-soon", Severity.WARN, what, where, "Then clients refuse it.", _RENEW),))
    return Result(f"The certificate is good until {when}")


CHECKS = (Check("tls.certificate", "security", look_at_certificate),)
