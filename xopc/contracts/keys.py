"""Session keys: `<agent>:<source>:<account>:<kind>:<peer>[:thread:<id>][:scope:<id>]`, and those of what is no chat.

| Key | The session of |
|---|---|
| `cron:<job>` | a job's runs |
| `heartbeat:main`, `heartbeat:isolated:<ms>` | the beats, or one beat |
| `subagent:<parent's key>:<id>` | an agent that another one asked |
| `<agent>:acp:<uuid>` | an agent over the external agent protocol |
"""

from __future__ import annotations

import hashlib
import re
from enum import Enum
from typing import ClassVar, TypeAlias

from attrs import frozen

MAX_SEGMENT_CHARS = 64
MAX_KEY_CHARS = 1024
"""What a parameter of a path may have, so that each session can be asked for."""
MAIN_AGENT = "main"
_OUTSIDE = re.compile(r"[^a-z0-9_-]")
_BEAT = re.compile(r"main|isolated:[0-9]{1,19}")


class SessionType(Enum):
    """What a session is for."""

    CHAT = "chat"
    CRON = "cron"
    HEARTBEAT = "heartbeat"
    SUBAGENT = "subagent"
    ACP = "acp"


@frozen
class SessionKey:
    """Names a chat's session. Its segments are clean already: make them with `segment`, or the whole with `parse`."""

    type: ClassVar[SessionType] = SessionType.CHAT

    agent: str
    source: str
    account: str
    kind: str
    peer: str
    thread: str | None = None
    scope: str | None = None

    def __str__(self) -> str:
        parts = [self.agent, self.source, self.account, self.kind, self.peer]
        if self.thread is not None:
            parts += ["thread", self.thread]
        if self.scope is not None:
            parts += ["scope", self.scope]
        return ":".join(parts)

    @classmethod
    def parse(cls, text: str) -> SessionKey | None:
        """The chat's key that `text` spells, or None where it is none. `parse_key` takes the keys of all sessions."""
        parts = text.lower().split(":")
        if len(parts) not in (5, 7, 9) or not all(map(_is_segment, parts)):
            return None
        if parts[5::2] not in ([], ["thread"], ["scope"], ["thread", "scope"]):
            return None
        extra = dict(zip(parts[5::2], parts[6::2], strict=True))
        return cls(*parts[:5], thread=extra.get("thread"), scope=extra.get("scope"))


@frozen
class SpecialKey:
    """Names a session that is no chat. Made by `parse_key`, or by the functions below."""

    kind: ClassVar[str] = "direct"
    account: ClassVar[str] = "default"
    thread: ClassVar[None] = None

    type: SessionType
    peer: str
    """What the key says beside its type and its agent."""
    agent: str | None = None
    """None leaves it to the default agent."""

    @property
    def source(self) -> str:
        return self.type.value

    def __str__(self) -> str:
        text = f"{self.source}:{self.peer}"
        return f"{self.agent}:{text}" if self.type is SessionType.ACP else text


AnyKey: TypeAlias = SessionKey | SpecialKey


def parse_key(text: str) -> AnyKey | None:
    """The key that `text` spells, or None where it is none. An `agent:` before it is left out."""
    lowered = text.lower()
    if len(lowered) > MAX_KEY_CHARS:
        return None
    # An agent may be called `agent`: then it stands where the prefix would.
    bare = lowered.removeprefix("agent:")
    return _parse(bare) or (_parse(lowered) if bare != lowered else None)


def cron_key(job_id: str) -> SpecialKey:
    """The session of a job's runs."""
    return SpecialKey(SessionType.CRON, segment(job_id, "unknown"))


def heartbeat_key(isolated_ms: int | None = None) -> SpecialKey:
    """The session of the heartbeat, or that of the one beat of this moment."""
    return SpecialKey(SessionType.HEARTBEAT, MAIN_AGENT if isolated_ms is None else f"isolated:{isolated_ms}")


def segment(raw: str, empty: str) -> str:
    """`raw` as a segment of a key: lower case, at most 64 characters of `a-z 0-9 _ -`; `empty` where nothing is left.

    Where something other than case is lost, eight digits of a hash keep two peers from sharing a session.
    """
    lowered = raw.strip().lower()
    clean = _OUTSIDE.sub("-", lowered).strip("-")
    # Groups of Telegram have negative ids, and the sign is part of them.
    clean = f"-{clean}" if lowered.startswith("-") and clean else clean
    if not clean and not lowered:
        return empty
    if clean == lowered and len(clean) <= MAX_SEGMENT_CHARS:
        return clean
    digest = hashlib.sha256(lowered.encode(errors="surrogatepass")).hexdigest()[:8]
    return f"{clean[: MAX_SEGMENT_CHARS - 9]}-{digest}" if clean else digest


def _parse(text: str) -> AnyKey | None:
    """A special form goes first: of an agent that is called `subagent`, no chat counts where it could be one."""
    return _parse_special(text) or SessionKey.parse(text)


def _parse_special(text: str) -> SpecialKey | None:
    first, _, rest = text.partition(":")
    if first == "cron" and _is_segment(rest):
        return SpecialKey(SessionType.CRON, rest)
    if first == "heartbeat" and _BEAT.fullmatch(rest):
        return SpecialKey(SessionType.HEARTBEAT, rest)
    if first == "subagent":
        parent_text, _, child = rest.rpartition(":")
        parent = _parse(parent_text) if _is_segment(child) else None
        if parent is not None:
            return SpecialKey(SessionType.SUBAGENT, rest, parent.agent)
    uuid = rest.removeprefix("acp:")
    if uuid != rest and _is_segment(first) and _is_segment(uuid):
        return SpecialKey(SessionType.ACP, uuid, first)
    return None


def _is_segment(text: str) -> bool:
    return bool(text) and segment(text, "") == text
