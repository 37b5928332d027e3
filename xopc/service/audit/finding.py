"""One thing that does not fit about an installed service."""

from __future__ import annotations

from attrs import frozen

RECOMMENDED = "recommended"
AGGRESSIVE = "aggressive"


@frozen
class Finding:
    """What, how to mend it, and whether it may be on purpose. None of its texts holds a secret."""

    code: str
    """Stable: programs may count on it."""
    message: str
    hint: str
    detail: str = ""
    level: str = RECOMMENDED
    """`aggressive`: somebody may have wanted it so, and nothing mends it unasked."""
    headline: str = ""
    """What a terminal says instead of the message; empty: the message."""
    where: str = ""
    """The file, or what shows it, where that is not the service's definition."""

    def to_json(self) -> dict[str, object]:
        return {
            "code": self.code,
            "message": self.message,
            "detail": self.detail,
            "hint": self.hint,
            "level": self.level,
        }
