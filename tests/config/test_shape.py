from __future__ import annotations

from attrs import field, frozen

from xopc.config.shape import distinct, item_kind, members_of, value_kind
from xopc.contracts.convert import spelled
from xopc.contracts.settings.file import Settings


@frozen
class Roof:
    colour: str = "red"


@frozen
class House:
    number: int
    roof: Roof = Roof()
    rooms: tuple[Roof, ...] = ()
    doors: dict[str, Roof] | None = None
    chimney: Roof | None = None
    built: int = field(default=1900, metadata=spelled("builtIn", "year"))


def test_the_members_of_an_object_are_known_by_each_of_their_spellings() -> None:
    members = members_of(House)
    assert members is not None
    assert list(members) == ["number", "roof", "rooms", "doors", "chimney", "builtIn", "year"]
    assert members["year"] is members["builtIn"]
    assert [member.key for member in distinct(members)] == list(members)[:-1]


def test_a_default_is_json_or_the_class_that_has_its_own() -> None:
    members = members_of(House) or {}
    assert {member.key: member.default for member in distinct(members)} == {
        "number": None,
        "roof": Roof,
        "rooms": [],
        "doors": None,
        "chimney": None,
        "builtIn": 1900,
    }


def test_a_member_is_found_as_it_is_spelled() -> None:
    member = (members_of(House) or {})["builtIn"]
    assert member.found_in({"year": 1}) == "year"
    assert member.found_in({"builtIn": 1}) == member.found_in({}) == "builtIn"


def test_kinds_are_found_behind_null_and_other_choices() -> None:
    members = members_of(House) or {}
    assert members_of(members["chimney"].kind) == members_of(Roof)
    assert value_kind(members["doors"].kind) is Roof
    assert item_kind(members["rooms"].kind) is Roof
    assert item_kind(members["doors"].kind) is value_kind(members["rooms"].kind) is None
    assert members_of(members["doors"].kind) is members_of(None) is members_of(str) is None


def test_the_settings_are_understood_whole() -> None:
    assert list(members_of(Settings) or ()) == [
        "gateway", "commands", "agents", "providers", "channels", "session", "bindings", "outbox", "cron",
            "secrets",
    ]  # fmt: skip
