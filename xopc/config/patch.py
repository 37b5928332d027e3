"""Merges a partial configuration, as the API takes it, into the values of the file: objects by member, lists whole.

`null` deletes a key. What is sent as it was shown is no change, be it a mask or a value: so all that was shown may be
sent back, and the file keeps its `${…}`, its unknown keys, and what it leaves out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from attrs import define, field, frozen

from xopc.config.lists import Counterparts
from xopc.config.parse import MAX_DEPTH, is_deeper
from xopc.config.secrets.references import Keys
from xopc.config.sent import is_same, wrong_key, wrong_value
from xopc.config.shape import Member, item_kind, members_of, value_kind
from xopc.config.substitute import is_secret
from xopc.config.view import MASKS, MODELS, MODELS_AT, split_model
from xopc.contracts.convert import MAX_UNKNOWN_KEYS, JsonObject, closest, join
from xopc.contracts.errors import InvalidValueError, Problem
from xopc.contracts.settings.file import Settings


def patched(raw: JsonObject, shown: JsonObject, patch: JsonObject) -> JsonObject:
    """`raw`, the file's own values, with a patch; equal to `raw` where it changes nothing.

    `shown` is what is in effect with `raw`, secrets in clear: see `view.effective`.

    Raises:
        InvalidValueError: with the path of each key that is not known, and of each value that no file can hold.
    """
    if is_deeper(patch, MAX_DEPTH):
        raise InvalidValueError(Problem("$", f"is nested deeper than {MAX_DEPTH} levels"))
    merge = _Merge()
    result = merge.into(_Place((), "$", Settings), raw, shown, patch)
    if merge.problems:
        raise InvalidValueError(*merge.problems)
    return result


@frozen
class _Place:
    """Where in the configuration something stands."""

    keys: Keys
    path: str
    kind: object
    whole: bool = False
    """Whether it is below a list: then what is sent replaces what is there, and leaves nothing of it."""

    def below(self, key: str | int, kind: object, *, whole: bool = False) -> _Place:
        return _Place((*self.keys, key), join(self.path, key), kind, self.whole or whole)


@define
class _Merge:
    """One patch on its way, and what is wrong with it."""

    problems: list[Problem] = field(factory=list[Problem])

    def into(self, place: _Place, raw: object, shown: object, patch: JsonObject) -> JsonObject:
        """The members of an object after the patch. `raw` and `shown` are what is there, whatever it is."""
        before, seen = _as_object(raw), _as_object(shown)
        members = members_of(place.kind)
        result = _named_in(before, patch, members) if place.whole else dict(before)
        models: Mapping[str, str] = MODELS if place.keys == MODELS_AT else {}
        for key, value in patch.items():
            if key in models or key in models.values():
                continue
            if members is None or key not in members:
                self._free(place, result, seen, key, value)
                continue
            member = members[key]
            if twice := [other for other in member.spellings if other in patch and other != key]:
                self._refuse(place.below(key, None), f"{twice[0]} is another spelling of {key}; send one of them")
                continue
            self._set(
                place.below(member.key, member.kind), result, member.found_in(before), seen.get(member.key), value
            )
        for key in models:
            self._set_model(place, result, seen, patch, key)
        return result

    def _free(self, place: _Place, result: JsonObject, seen: JsonObject, key: str, value: object) -> None:
        """A key that no class declares: of a map, or one that the file has already, or one below such a key."""
        below, members = place.below(key, value_kind(place.kind)), members_of(place.kind)
        if key not in result and value is None:
            return  # to be deleted, and gone already: whoever sends a patch again gets the same answer
        if key not in result and members is not None:
            known = [*members, *(MODELS.values() if place.keys == MODELS_AT else ())]
            self._refuse(below, f"unknown key{closest(key, known)}")
        elif key not in result and (what := wrong_key(key)):
            self._refuse(below, what)
        else:
            self._set(below, result, key, seen.get(key), value)
            if isinstance(value, dict):
                result.setdefault(key, {})  # that there is an entry says something

    def _set(self, place: _Place, result: JsonObject, name: str, shown: object, value: object) -> None:
        """Give the member `name` of `result` its value."""
        empties = value == "" and is_secret(place.keys)
        if _is_mask(value):
            if place.whole and name not in result:
                self._refuse(place, _NO_SECRET)
        elif is_same(value, shown) or (empties and not str(shown or "").strip()):
            pass
        elif value is None or empties:
            result.pop(name, None)
        elif isinstance(value, dict):
            merged = self.into(place, result.get(name), shown, cast("JsonObject", value))
            if merged or isinstance(result.get(name), dict) or members_of(place.kind) is None:
                result[name] = merged
        elif isinstance(value, list):
            result[name] = self._list(place, result.get(name), shown, cast("list[object]", value))
        else:
            result[name] = self._leaf(place, value)

    def _list(self, place: _Place, raw: object, shown: object, items: list[object]) -> list[object]:
        """A list, with what is in it of the one that is there as it stands in the file."""
        inner = item_kind(place.kind)
        counterparts = Counterparts(_as_list(raw), _as_list(shown), items)
        return [
            self._item(place.below(index, inner, whole=True), item, counterparts.of(index))
            for index, item in enumerate(items)
        ]

    def _item(self, place: _Place, item: object, counterpart: tuple[object, object] | None) -> object:
        raw, shown = counterpart or (None, None)
        if counterpart and (is_same(item, shown) or _is_mask(item)):
            return raw
        if _is_mask(item):
            self._refuse(place, _NO_SECRET)
        if isinstance(item, dict):
            return self.into(place, raw, shown, cast("JsonObject", item))
        if isinstance(item, list):
            return self._list(place, raw, shown, cast("list[object]", item))
        return self._leaf(place, item)

    def _leaf(self, place: _Place, value: object) -> object:
        if what := wrong_value(value):
            self._refuse(place, what)
        return value

    def _set_model(self, place: _Place, result: JsonObject, seen: JsonObject, patch: JsonObject, key: str) -> None:
        """A model and its fallbacks, which are two keys for clients and one in the file."""
        fallbacks_key = MODELS[key]
        model_now, fallbacks_now = seen.get(key), _as_list(seen.get(fallbacks_key))
        at, listed_at = place.below(key, None), place.below(fallbacks_key, None)
        model, fallbacks = patch.get(key, model_now), _or_none(patch.get(fallbacks_key, fallbacks_now))
        if isinstance(model, dict):
            choice = cast("JsonObject", model)
            self._check_choice(at, choice)
            model = choice.get("primary")
            if is_same(fallbacks, fallbacks_now):
                fallbacks, listed_at = _or_none(choice.get("fallbacks")), at.below("fallbacks", None)
        model = model_now if _is_mask(model) else None if model == "" else model
        if is_same(model, model_now) and is_same(fallbacks, fallbacks_now):
            return
        if not isinstance(fallbacks, list):
            self._refuse(listed_at, "must be a list")
            return
        listed = cast("list[object]", fallbacks)
        if model is None:
            if listed and not is_same(listed, fallbacks_now):
                self._refuse(listed_at, f"there is no model that they could stand in for: send {key}, too")
            result.pop(key, None)
        else:
            raw = result.get(key)
            primary, texts = split_model(raw)
            texts = self._list(listed_at, texts, fallbacks_now, listed)
            primary = primary if is_same(model, model_now) else self._leaf(at, model)
            result[key] = {**_as_object(raw), "primary": primary, "fallbacks": texts} if texts else primary

    def _check_choice(self, place: _Place, choice: JsonObject) -> None:
        for key in [key for key in choice if key not in _CHOICE]:
            self._refuse(place.below(key, None), f"unknown key{closest(key, _CHOICE)}")
        if "primary" not in choice:
            self._refuse(place.below("primary", None), "is missing")

    def _refuse(self, place: _Place, what: str) -> None:
        self.problems.append(Problem(place.path, what))
        if len(self.problems) == MAX_UNKNOWN_KEYS:
            raise InvalidValueError(*self.problems)


_CHOICE = ("primary", "fallbacks")
_NO_SECRET = "stands for a secret that is not there: send the secret itself"  # noqa: S105  a message


def _named_in(before: JsonObject, patch: JsonObject, members: Mapping[str, Member] | None) -> JsonObject:
    """Of what is there, only what a patch speaks of, in whichever spelling."""
    named = {
        spelling for key in patch for spelling in (members[key].spellings if members and key in members else (key,))
    }
    return {key: value for key, value in before.items() if key in named}


def _is_mask(value: object) -> bool:
    return isinstance(value, str) and value in MASKS


def _or_none(fallbacks: object) -> object:
    none: list[object] = []
    return none if fallbacks is None else fallbacks


def _as_object(value: object) -> dict[str, Any]:
    return cast("JsonObject", value) if isinstance(value, dict) else {}


def _as_list(value: object) -> list[Any]:
    return cast("list[Any]", value) if isinstance(value, list) else []
