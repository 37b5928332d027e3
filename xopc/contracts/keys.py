"""Session keys: `<agent>:<source>:<account>:<kind>:<peer>[:thread:<id>][:scope:<id>]`."""

from __future__ import annotations

import hashlib
import re

from attrs import frozen

MAX_SEGMENT_CHARS = 64
_OUTSIDE = re.compile(r"[^a-z0-9_-]")


@frozen
class SessionKey:
    """Names a session. Its segments are clean already: make them with `segment`, or the whole with `parse`."""

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
        """The key that `text` spells, or None where it is none. An `agent:` before it is left out."""
        parts = text.lower().removeprefix("agent:").split(":")
        if len(parts) not in (5, 7, 9) or not all(parts) or any(segment(part, "") != part for part in parts):
            return None
        if parts[5::2] not in ([], ["thread"], ["scope"], ["thread", "scope"]):
            return None
        extra = dict(zip(parts[5::2], parts[6::2], strict=True))
        return cls(*parts[:5], thread=extra.get("thread"), scope=extra.get("scope"))


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
