import pytest

from xopc_supervisor.contract import is_off, is_on


@pytest.mark.parametrize(
    ("value", "on", "off"),
    [
        ("1", True, False),
        ("TRUE", True, False),
        (" yes ", True, False),
        ("on", True, False),
        ("0", False, True),
        ("False", False, True),
        ("no", False, True),
        ("off", False, True),
        ("", False, False),
        ("maybe", False, False),
        (None, False, False),
    ],
)
def test_a_switch_reads_as_the_documents_say(value: str | None, on: bool, off: bool) -> None:
    assert (is_on(value), is_off(value)) == (on, off)
