from __future__ import annotations

from xopc.service.audit.finding import AGGRESSIVE, Finding


def test_what_programs_get_has_no_headline() -> None:
    finding = Finding("a-code", "It is so.", "Mend it.", "Because.", AGGRESSIVE, headline="So!")
    assert finding.to_json() == {
        "code": "a-code",
        "message": "It is so.",
        "detail": "Because.",
        "hint": "Mend it.",
        "level": "aggressive",
    }
