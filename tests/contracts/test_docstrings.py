from __future__ import annotations

from enum import Enum

from attrs import field, frozen

from xopc.contracts.docstrings import attribute_docs


@frozen
class Leaf:
    """A class."""

    name: str
    """What it is called."""
    size: int = field(default=1)
    """In metres.

    Not in feet.
    """
    colour: str = "green"

    @property
    def shown(self) -> str:
        """No attribute."""
        return self.name


@frozen
class Needle(Leaf):
    size: int = 2
    """In millimetres."""
    sharp: bool = True
    """Whether it stings."""


def test_a_text_below_an_attribute_is_its_own() -> None:
    assert attribute_docs(Leaf) == {"name": "What it is called.", "size": "In metres.\n\nNot in feet."}


def test_what_a_class_inherits_it_may_say_anew() -> None:
    assert attribute_docs(Needle) == {
        "name": "What it is called.",
        "size": "In millimetres.",
        "sharp": "Whether it stings.",
    }


def test_a_class_without_a_source_says_nothing() -> None:
    assert attribute_docs(Enum("Made", ["A"])) == {}
    assert attribute_docs(int) == {}
