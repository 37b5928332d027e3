"""Where a job's text goes, and where its answer does: a pure function of the job and what channels there are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from attrs import frozen

from xopc.contracts.cron import DeliveryMode, Job, PayloadKind, SessionTarget
from xopc.contracts.keys import SessionKey, cron_key
from xopc.contracts.messages import Address, Inbound, PeerKind

DEFAULT_CHANNEL = "cli"
DEFAULT_CHAT = "cron"
DEFAULT_ACCOUNT = "default"

Accounts: TypeAlias = Callable[[str], Sequence[str]]
"""The enabled accounts of a channel; none where it is off."""
Kind: TypeAlias = Callable[[str, str], PeerKind]
"""What a chat of a channel is."""
Route: TypeAlias = Callable[[Inbound], SessionKey]
"""The session that a message from a channel belongs to."""


@frozen
class Place:
    """Where one attempt of a job goes."""

    inbound: Inbound
    session_key: str
    answer_to: Address | None
    """None: the answer stays in its session."""


def place(job: Job, dedupe_key: str, accounts: Accounts, kind: Kind, route: Route) -> Place:
    """Where an attempt of a job goes, whose message has this dedupe key."""
    address = answer_address(job, accounts)
    if job.session_target is SessionTarget.ISOLATED:
        key = cron_key(job.id)
        own = Address(key.source, key.account, job.id)
        return Place(_inbound(job, own, PeerKind.DIRECT, dedupe_key), str(key), address)
    chat = address or _unsent(job)
    inbound = _inbound(job, chat, kind(chat.channel, chat.chat), dedupe_key)
    return Place(inbound, str(route(inbound)), address)


def answer_address(job: Job, accounts: Accounts) -> Address | None:
    """The chat that a job's answer is sent to; None where it is sent nowhere."""
    delivery = job.delivery
    if delivery is None or delivery.mode is DeliveryMode.NONE or not delivery.channel or not delivery.to:
        return None
    if delivery.channel == DEFAULT_CHANNEL:
        return None  # the command line is where people ask, and nothing can be sent there
    names = accounts(delivery.channel)
    default = DEFAULT_ACCOUNT if DEFAULT_ACCOUNT in names or not names else names[0]
    return Address(delivery.channel, delivery.account or default, delivery.to)


def _unsent(job: Job) -> Address:
    """The chat whose session a job belongs to that sends nothing."""
    delivery = job.delivery
    channel = (delivery and delivery.channel) or DEFAULT_CHANNEL
    account = (delivery and delivery.account) or DEFAULT_ACCOUNT
    return Address(channel, account, (delivery and delivery.to) or DEFAULT_CHAT)


def _inbound(job: Job, address: Address, kind: PeerKind, dedupe_key: str) -> Inbound:
    text = job.payload.text
    if job.payload.kind is PayloadKind.SYSTEM_EVENT:
        # Or the agent would take for the words of a person what a clock says.
        text = f"[Scheduled: {job.name or job.id}] {text}"
    return Inbound(address, kind, address.chat, text, dedupe_key)
