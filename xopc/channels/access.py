"""Who is heard: the access rules that all channels share, as pure functions.

`pairing` has no codes yet, and until then is a strict allow list: a stranger never reaches an agent.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import Enum

from attrs import field, frozen

from xopc.contracts.settings.channels import DmPolicy, GroupPolicy

EVERYBODY = "*"


class Denial(Enum):
    """Why a message is not heard."""

    POLICY_BLOCKED = "policy-blocked"
    """Nobody is heard in private, or in this group."""
    GROUP_DISABLED = "group-disabled"
    UNAUTHORIZED = "unauthorized"
    """Others are heard, but not this sender."""
    NOT_MENTIONED = "not-mentioned"


@frozen
class GroupRule:
    """What is set for one group; None leaves it to the rule of `*`, then to the policy."""

    enabled: bool | None = None
    require_mention: bool | None = None
    senders: frozenset[str] | None = None


@frozen
class Policy:
    """The rules of one account. All ids are as `normalize` gives them."""

    dm: DmPolicy = DmPolicy.PAIRING
    senders: frozenset[str] = frozenset()
    """Who may write in private."""
    group: GroupPolicy = GroupPolicy.OPEN
    group_senders: frozenset[str] = frozenset()
    """Who is heard in groups; all where it is empty."""
    admitted_groups: frozenset[str] = frozenset()
    """For `allowlist`: groups beside those of `groups`."""
    groups: Mapping[str, GroupRule] = field(factory=dict[str, GroupRule])
    require_mention: bool = True


def check_direct(policy: Policy, sender: str) -> Denial | None:
    """Why a private message is not heard, or None."""
    if policy.dm is DmPolicy.DISABLED:
        return Denial.POLICY_BLOCKED
    if policy.dm is DmPolicy.OPEN or _names(policy.senders, sender):
        return None
    return Denial.UNAUTHORIZED


def check_group(policy: Policy, group: str, sender: str, *, mentioned: bool) -> Denial | None:
    """Why a message in a group is not heard, or None."""
    if policy.group is GroupPolicy.DISABLED:
        return Denial.POLICY_BLOCKED
    rule = _rule(policy, group)
    if rule.enabled is False:
        return Denial.GROUP_DISABLED
    if policy.group is GroupPolicy.ALLOWLIST and not _is_listed(policy, group):
        return Denial.POLICY_BLOCKED
    senders = policy.group_senders or frozenset((EVERYBODY,)) if rule.senders is None else rule.senders
    if not _names(senders, sender):
        return Denial.UNAUTHORIZED
    return Denial.NOT_MENTIONED if rule.require_mention and not mentioned else None


def normalize(entries: Iterable[str], prefixes: tuple[str, ...]) -> frozenset[str]:
    """The entries of an allow list as they are compared: trimmed, in lower case, without the channel's prefixes."""
    return frozenset(clean for entry in entries if (clean := _clean(entry, prefixes)))


def _clean(entry: str, prefixes: tuple[str, ...]) -> str:
    clean = entry.strip().lower()
    for prefix in prefixes:
        clean = clean.removeprefix(prefix)
    return clean.strip()


def _names(ids: frozenset[str], sender: str) -> bool:
    return EVERYBODY in ids or sender.lower() in ids


def _is_listed(policy: Policy, group: str) -> bool:
    return _names(policy.admitted_groups | policy.groups.keys(), group)


def _rule(policy: Policy, group: str) -> GroupRule:
    """What holds for a group: its own rule, filled up from that of `*`, and from the policy."""
    nothing = GroupRule()
    own, common = policy.groups.get(group.lower(), nothing), policy.groups.get(EVERYBODY, nothing)
    mention = common.require_mention if own.require_mention is None else own.require_mention
    return GroupRule(
        enabled=common.enabled if own.enabled is None else own.enabled,
        require_mention=policy.require_mention if mention is None else mention,
        senders=common.senders if own.senders is None else own.senders,
    )
