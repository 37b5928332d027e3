"""Which item of a list that is there an item of a list that is sent speaks of.

The same item at its place, or moved; one of the same id or name, changed; or, in a list of the same length, the object
at its place, and whatever a mask stands for there. Any other item is new.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Any, cast

from xopc.config.sent import is_same, spelled_out
from xopc.config.view import MASKS
from xopc.contracts.convert import JsonObject

_NAMES = ("id", "name")


class Counterparts:
    """Finds for each item of a list its counterpart, and gives none of them twice."""

    def __init__(self, raw: list[Any], shown: list[Any], sent: list[Any]) -> None:
        """`raw` and `shown` are one list: as it stands in the file, and as it is in effect."""
        self._raw = raw
        self._shown = shown
        self._by_item: dict[int, int] = {}
        if len(raw) != len(shown):
            return
        taken: set[int] = set()
        for index, item in enumerate(sent[: len(shown)]):
            if is_same(item, shown[index]):
                self._pair(taken, index, index)
        self._match(taken, sent, spelled_out)
        self._match(taken, sent, _name_of)
        for index, item in enumerate(sent if len(shown) == len(sent) else ()):
            if index not in taken and (isinstance(item, dict) or _holds_mask(item)):
                self._pair(taken, index, index)

    def of(self, index: int) -> tuple[Any, Any] | None:
        """What the item sent at `index` speaks of, as in the file and as in effect; None where it is new."""
        found = self._by_item.get(index)
        return None if found is None else (self._raw[found], self._shown[found])

    def _match(self, taken: set[int], sent: list[Any], feature_of: Callable[[object], str | None]) -> None:
        """Pair what is left by a feature, in order."""
        places: defaultdict[str, list[int]] = defaultdict(list)
        for index in reversed(range(len(self._shown))):
            feature = feature_of(self._shown[index])
            if index not in taken and feature is not None:
                places[feature].append(index)
        for index, item in enumerate(sent):
            feature = feature_of(item)
            if index not in self._by_item and feature is not None and places[feature]:
                self._pair(taken, index, places[feature].pop())

    def _pair(self, taken: set[int], index: int, there: int) -> None:
        if index not in self._by_item:
            self._by_item[index] = there
            taken.add(there)


def _name_of(item: object) -> str | None:
    """`id "main"`; None of an item without such a thing."""
    if not isinstance(item, dict):
        return None
    values = cast("JsonObject", item)
    return next((f"{key} {values[key]!r}" for key in _NAMES if isinstance(values.get(key), str)), None)


def _holds_mask(value: object) -> bool:
    if isinstance(value, dict):
        return any(map(_holds_mask, cast("JsonObject", value).values()))
    if isinstance(value, list):
        return any(map(_holds_mask, cast("list[object]", value)))
    return isinstance(value, str) and value in MASKS
