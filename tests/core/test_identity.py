from __future__ import annotations

import pytest

from xopc.contracts.settings.routing import SessionSettings
from xopc.core.identity import Identity, identify
from xopc.storage.path.forget import Person

SETTINGS = SessionSettings(identity_links={"Robin Hood": ("telegram:1", " Feishu:OU_x ", "77"), "4": ()})


@pytest.mark.parametrize(
    ("text", "identity"),
    [
        ("telegram:5", Identity((Person("5", "telegram"),))),
        (" Telegram: OU_5 ", Identity((Person("ou_5", "telegram"),))),
        ("telegram:1", Identity((Person("1", "telegram"),))),
        ("feishu:a:b", Identity((Person("a:b", "feishu"),))),
        (
            "robin hood",
            Identity((Person("1", "telegram"), Person("ou_x", "feishu"), Person("77")), ("robin-hood-59c5b2f8",)),
        ),
        ("4", Identity((), ("4",))),
    ],
)
def test_an_id_is_one_person_and_a_name_all_of_its_ids(text: str, identity: Identity) -> None:
    found = identify(text, SETTINGS)
    assert found is not None
    assert found.people == identity.people
    assert [name[:5] for name in found.names] == [name[:5] for name in identity.names]


@pytest.mark.parametrize("text", ["", "robin", "77", "telegram:", ":5", " : "])
def test_what_is_neither_is_nobody(text: str) -> None:
    assert identify(text, SETTINGS) is None
