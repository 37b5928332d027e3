"""Who may come in because Tailscale says who he is, and when that would be anybody."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

from xopc.config.findings import Findings
from xopc.contracts.auth import Auth, AuthMode
from xopc.contracts.settings.access import AuthSettings
from xopc.contracts.settings.file import GatewaySettings

_KEY = "$.gateway.auth.allowTailscale"
_LOOPBACK = (ip_address("127.0.0.1"), ip_address("::1"))


def users_of(settings: AuthSettings) -> frozenset[str]:
    """Logins of those who may, in lower case."""
    return frozenset(login.lower() for login in settings.tailscale_users) if settings.allow_tailscale else frozenset()


def check_tailscale(settings: GatewaySettings, auth: Auth, findings: Findings) -> None:
    """See that `gateway.auth.allowTailscale` lets in whom it names, and nobody else."""
    given = settings.auth
    if not given.allow_tailscale:
        if given.tailscale_users:
            findings.warn("$.gateway.auth.tailscaleUsers", "is not used, because allowTailscale is not true")
        return
    if auth.mode is AuthMode.NONE:
        findings.warn(_KEY, "is not used, because the mode is none: everybody may come in")
        return
    if not given.tailscale_users:
        what = "lets in nobody, because gateway.auth.tailscaleUsers names nobody"
        findings.refuse(_KEY, f'{what}: name who may, such as ["amy@example.com"]')
    networks = [ip_network(text, strict=False) for text in settings.trusted_proxies]
    if any(address in network for address in _LOOPBACK for network in networks):
        # Such a proxy connects from where Tailscale does, and passes on what strangers write.
        what = "does not go together with a proxy at this machine in gateway.trustedProxies"
        findings.refuse(_KEY, f"{what}, which could pass on anybody's claim: remove one of the two")
