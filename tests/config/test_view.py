from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import attrs
import pytest

from xopc.config.secrets.references import Keys
from xopc.config.shape import item_kind, members_of, value_kind
from xopc.config.substitute import is_secret
from xopc.config.view import effective, masked
from xopc.contracts.convert import JsonObject, unstructure
from xopc.contracts.settings.file import Settings

SECRET = "an-invented-secret-0123456789"


def hides(name: str, text: str) -> bool:
    return "secret" in name.lower() or text.startswith("sk-")


def shown(values: JsonObject) -> Any:  # noqa: ANN401 - JSON
    return masked(effective(values), hides)


def test_nothing_in_the_file_shows_every_default() -> None:
    view = shown({})
    plain = unstructure(Settings())
    for model in ("model", "imageModel", "imageGenerationModel"):
        assert view["agents"]["defaults"].pop(f"{model}Fallbacks") == []
    assert view["gateway"].pop("bind") == "loopback"
    assert view["gateway"].pop("channelConnectDeferMode") == "auto"
    auth: JsonObject = {"mode": "token", "token": "", "password": "", "tokens": []}
    auth |= {"allowTailscale": False, "tailscaleUsers": []}
    limiter = {"enabled": True, "maxAttempts": 5, "windowMs": 900000, "blockDurationMs": 300000}
    assert view["gateway"].pop("auth") == {**auth, "rateLimit": {**limiter, "exemptLoopback": False}}
    assert view["channels"]["telegram"].pop("botToken") == ""
    assert view["gateway"]["tls"].pop("keyPassword") == ""
    del plain["gateway"]["tls"]["keyPassword"]
    del plain["gateway"]["bind"], plain["gateway"]["channelConnectDeferMode"], plain["gateway"]["auth"]
    del plain["channels"]["telegram"]["botToken"]
    assert view == plain


def test_what_the_file_says_is_shown_beside_the_defaults() -> None:
    view = shown({"gateway": {"port": 1234, "auth": {"mode": None}}, "agents": {"list": [{"id": "ann"}]}})
    assert view["gateway"]["port"] == 1234
    assert view["gateway"]["auth"]["mode"] == "token"
    assert view["agents"]["list"][0]["id"] == "ann"
    assert view["agents"]["list"][0]["enabled"] is True
    assert view["agents"]["list"][0]["tools"] == {"disable": []}


def test_where_the_older_host_decides_no_bind_is_shown() -> None:
    assert shown({"gateway": {"host": "0.0.0.0"}})["gateway"]["bind"] is None


def test_another_spelling_is_shown_as_the_first() -> None:
    limiter = shown({"gateway": {"auth": {"rateLimit": {"lockoutMs": 5000}}}})["gateway"]["auth"]["rateLimit"]
    assert limiter["blockDurationMs"] == 5000
    assert "lockoutMs" not in limiter


@pytest.mark.parametrize(
    ("choice", "model", "fallbacks"),
    [
        (None, None, []),
        ("", None, []),
        ("a/b", "a/b", []),
        ({"primary": "a/b"}, "a/b", []),
        ({"primary": "a/b", "fallbacks": ["c/d", "e/f"]}, "a/b", ["c/d", "e/f"]),
    ],
)
@pytest.mark.parametrize("key", ["model", "imageModel", "imageGenerationModel"])
def test_a_model_is_shown_as_a_text_and_its_fallbacks(
    key: str, choice: object, model: str | None, fallbacks: list[str]
) -> None:
    defaults = shown({"agents": {"defaults": {key: choice, "modelFallbacks": "not of the file"}}})["agents"]["defaults"]
    assert (defaults[key], defaults[f"{key}Fallbacks"]) == (model, fallbacks)


def test_each_secret_is_masked_where_it_is_set_and_empty_where_it_is_not() -> None:
    values = {
        "gateway": {
            "auth": {
                "token": SECRET,
                "password": " ",
                "tokens": [{"name": "ci", "sha256": SECRET, "scopes": ["operator.read"]}],
            },
            "tls": {"keyPassword": SECRET, "certPath": "a.pem"},
        },
        "providers": {"openai": SECRET, "groq": ""},
        "channels": {"telegram": {"botToken": SECRET, "accounts": {"work": {"botToken": SECRET}}}},
    }
    view = shown(values)
    assert SECRET not in json.dumps(view)
    auth = view["gateway"]["auth"]
    assert (auth["token"], auth["password"]) == ("***", "")
    assert auth["tokens"] == [{"name": "ci", "sha256": "***", "scopes": ["operator.read"]}]
    tls = view["gateway"]["tls"]
    assert (tls["keyPassword"], tls["certPath"], tls["keyPath"]) == ("***", "a.pem", None)
    assert view["providers"] == {"openai": "***", "groq": ""}
    assert view["channels"]["telegram"]["botToken"] == "***"
    assert view["channels"]["telegram"]["accounts"]["work"]["botToken"] == "***"


def test_unknown_keys_are_shown_unless_they_look_secret() -> None:
    values = {
        "extensions": {
            "weather": {"city": "Oslo", "apiSecret": "abc", "days": 3, "key": "sk-abc"},
            "secretSauce": {"a": ["b", 5, True, None, ""]},
        },
        "gateway": {"colour": "red"},
    }
    view = shown(values)
    assert view["extensions"]["weather"] == {"city": "Oslo", "apiSecret": "***", "days": 3, "key": "***"}
    assert view["extensions"]["secretSauce"] == {"a": ["***", "***", True, None, ""]}
    assert view["gateway"]["colour"] == "red"


def test_what_looks_secret_under_a_known_key_is_shown() -> None:
    prompt = "sk-ating is a sport"
    view = shown({"agents": {"list": [{"id": "ann", "systemPromptOverride": prompt}]}})
    assert view["agents"]["list"][0]["systemPromptOverride"] == prompt


def test_a_number_that_json_has_not_is_shown_as_a_text() -> None:
    assert json.dumps(shown({"ext": [float("inf")]})["ext"], allow_nan=False) == '["inf"]'


ODD: list[object] = [None, 5, "a", [], [[{}]], {"auth": 5}, {"auth": {"tokens": {"a": 1}}}]


@pytest.mark.parametrize("section", ODD)
def test_a_file_that_does_not_validate_is_shown_all_the_same(section: object) -> None:
    shown({"gateway": section, "agents": {"defaults": section, "list": section}, "providers": section})


def hidden(kind: object, keys: Keys = ()) -> Iterator[Keys]:
    """Where attributes stand that do not show in their class's `repr`."""
    members = members_of(kind)
    if members is None:
        for inner in (value_kind(kind), item_kind(kind)):
            if inner is not None:
                yield from hidden(inner, (*keys, "any"))
        return
    cls = next(cls for cls in (kind, *getattr(kind, "__args__", ())) if isinstance(cls, type) and attrs.has(cls))
    for attribute in attrs.fields(cls):
        key = next(member.key for member in members.values() if _attribute(member.key) == attribute.name)
        if attribute.repr is False:
            yield (*keys, key)
        else:
            yield from hidden(attribute.type, (*keys, key))


def _attribute(key: str) -> str:
    return "".join(f"_{character.lower()}" if character.isupper() else character for character in key)


def test_whatever_the_settings_keep_out_of_their_repr_is_declared_a_secret() -> None:
    found = list(hidden(Settings))
    assert ("gateway", "auth", "tokens", "any", "sha256") in found
    assert ("channels", "telegram", "accounts", "any", "botToken") in found
    assert [keys for keys in found if not is_secret(keys)] == []
