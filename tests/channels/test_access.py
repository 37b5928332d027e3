from __future__ import annotations

import pytest

from xopc.channels.access import Denial, GroupRule, Policy, check_direct, check_group, normalize
from xopc.contracts.settings.channels import DmPolicy, GroupPolicy

ROBIN = frozenset({"7"})


def test_entries_are_compared_without_prefix_case_and_blanks() -> None:
    entries = (" 7 ", "telegram:8", "TG: 9", "*", "", "  ", "Oc_A")
    assert normalize(entries, ("telegram:", "tg:")) == {"7", "8", "9", "*", "oc_a"}


@pytest.mark.parametrize(
    ("policy", "senders", "denial"),
    [
        (DmPolicy.OPEN, frozenset[str](), None),
        (DmPolicy.ALLOWLIST, ROBIN, None),
        (DmPolicy.ALLOWLIST, frozenset({"*"}), None),
        (DmPolicy.ALLOWLIST, frozenset({"8"}), Denial.UNAUTHORIZED),
        (DmPolicy.ALLOWLIST, frozenset[str](), Denial.UNAUTHORIZED),
        (DmPolicy.PAIRING, ROBIN, None),
        (DmPolicy.PAIRING, frozenset[str](), Denial.UNAUTHORIZED),
        (DmPolicy.DISABLED, frozenset({"*"}), Denial.POLICY_BLOCKED),
    ],
)
def test_who_may_write_in_private(policy: DmPolicy, senders: frozenset[str], denial: Denial | None) -> None:
    assert check_direct(Policy(dm=policy, senders=senders), "7") is denial


def test_ids_are_compared_without_case() -> None:
    assert check_direct(Policy(dm=DmPolicy.ALLOWLIST, senders=frozenset({"ou_a"})), "OU_A") is None


@pytest.mark.parametrize(
    ("policy", "denial"),
    [
        (Policy(), None),
        (Policy(group=GroupPolicy.DISABLED), Denial.POLICY_BLOCKED),
        (Policy(groups={"-1": GroupRule(enabled=False)}), Denial.GROUP_DISABLED),
        (Policy(groups={"*": GroupRule(enabled=False)}), Denial.GROUP_DISABLED),
        (Policy(groups={"*": GroupRule(enabled=False), "-1": GroupRule(enabled=True)}), None),
        (Policy(group=GroupPolicy.ALLOWLIST), Denial.POLICY_BLOCKED),
        (Policy(group=GroupPolicy.ALLOWLIST, groups={"-2": GroupRule()}), Denial.POLICY_BLOCKED),
        (Policy(group=GroupPolicy.ALLOWLIST, groups={"-1": GroupRule()}), None),
        (Policy(group=GroupPolicy.ALLOWLIST, groups={"*": GroupRule()}), None),
        (Policy(group=GroupPolicy.ALLOWLIST, admitted_groups=frozenset({"-1"})), None),
        (Policy(group=GroupPolicy.ALLOWLIST, group_senders=ROBIN), Denial.POLICY_BLOCKED),
        (Policy(group_senders=ROBIN), None),
        (Policy(group_senders=frozenset({"8"})), Denial.UNAUTHORIZED),
        (Policy(group_senders=frozenset({"8"}), groups={"-1": GroupRule(senders=ROBIN)}), None),
        (Policy(group_senders=ROBIN, groups={"-1": GroupRule(senders=frozenset())}), Denial.UNAUTHORIZED),
        (Policy(groups={"*": GroupRule(senders=frozenset({"8"}))}), Denial.UNAUTHORIZED),
    ],
)
def test_who_is_heard_in_a_group(policy: Policy, denial: Denial | None) -> None:
    assert check_group(policy, "-1", "7", mentioned=True) is denial


@pytest.mark.parametrize(
    ("policy", "denial"),
    [
        (Policy(), Denial.NOT_MENTIONED),
        (Policy(require_mention=False), None),
        (Policy(require_mention=False, groups={"*": GroupRule(require_mention=True)}), Denial.NOT_MENTIONED),
        (
            Policy(groups={"*": GroupRule(require_mention=True), "-1": GroupRule(require_mention=False)}),
            None,
        ),
    ],
)
def test_a_message_that_does_not_mention_the_bot(policy: Policy, denial: Denial | None) -> None:
    assert check_group(policy, "-1", "7", mentioned=False) is denial
