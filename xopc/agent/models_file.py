"""`models.json`: model providers beside the known ones. See docs/reference/models.md."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from attrs import field, frozen

from xopc.config.parse import NotJsonError, parse
from xopc.config.regular import IrregularFileError, read_regular
from xopc.contracts.convert import JsonObject, structure_known
from xopc.contracts.errors import InvalidValueError

API = "openai-completions"
"""The wire that is spoken."""

OTHER_APIS = (
    "openai-responses", "anthropic-messages", "google-generative-ai", "azure-openai-responses",
    "bedrock-converse-stream", "openai-codex-responses", "google-gemini-cli", "google-vertex",
)  # fmt: skip
"""Those that a file may name."""

MAX_BYTES = 1024 * 1024


def _is_api(_: object, __: object, api: str | None) -> None:
    if api is not None and api not in (API, *OTHER_APIS):
        raise ValueError(f'must be "{API}"')


def _is_positive(_: object, __: object, number: int | None) -> None:
    if number is not None and number <= 0:
        raise ValueError("must be above 0")


def _is_not_negative(_: object, __: object, number: float) -> None:
    if number < 0:
        raise ValueError("must not be below 0")


def _is_url(_: object, __: object, url: str | None) -> None:
    if url is not None and not re.fullmatch(r"https?://[^\s/?#]+[^\s?#]*", url):
        raise ValueError('must be a URL, such as "http://localhost:11434/v1"')


def _can_be_sent(_: object, __: object, headers: dict[str, str]) -> None:
    for name, value in headers.items():
        if not re.fullmatch(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", name) or not re.fullmatch(r"[\t\x20-\x7e]*", value):
            raise ValueError("holds a header that cannot be sent: names and values are plain ASCII in one line")


@frozen
class Cost:
    """US dollars per million tokens."""

    input: float = field(default=0.0, validator=_is_not_negative)
    output: float = field(default=0.0, validator=_is_not_negative)
    cache_read: float = field(default=0.0, validator=_is_not_negative)
    cache_write: float = field(default=0.0, validator=_is_not_negative)


@frozen
class Compat:
    """How a server differs from the one that all copied."""

    supports_usage_in_streaming: bool | None = None
    max_tokens_field: str | None = None
    """`max_tokens` or `max_completion_tokens`."""
    requires_tool_result_name: bool | None = None


@frozen
class ModelEntry:
    """One of `models`."""

    id: str
    name: str | None = None
    api: str | None = field(default=None, validator=_is_api)
    reasoning: bool = False
    input: tuple[str, ...] = ("text",)
    context_window: int = field(default=128_000, validator=_is_positive)
    max_tokens: int = field(default=16_384, validator=_is_positive)
    cost: Cost = Cost()
    headers: dict[str, str] = field(factory=dict[str, str], validator=_can_be_sent, repr=False)
    compat: Compat = Compat()


@frozen
class ModelOverride:
    """One of `modelOverrides`: what is not said stays."""

    name: str | None = None
    reasoning: bool | None = None
    context_window: int | None = field(default=None, validator=_is_positive)
    max_tokens: int | None = field(default=None, validator=_is_positive)
    headers: dict[str, str] = field(factory=dict[str, str], validator=_can_be_sent, repr=False)
    compat: Compat = Compat()


@frozen
class ProviderEntry:
    """One of `providers`."""

    base_url: str | None = field(default=None, validator=_is_url)
    api_key: str | None = field(default=None, repr=False)
    api: str | None = field(default=None, validator=_is_api)
    headers: dict[str, str] = field(factory=dict[str, str], validator=_can_be_sent, repr=False)
    auth_header: bool = True
    """Whether the key is sent, as `Authorization: Bearer`."""
    models: tuple[ModelEntry, ...] = ()
    model_overrides: dict[str, ModelOverride] = field(factory=dict[str, ModelOverride])
    compat: Compat = Compat()


def _are_providers(_: object, __: object, providers: dict[str, ProviderEntry]) -> None:
    for provider, entry in providers.items():
        if not re.fullmatch(r"[a-z0-9]([a-z0-9_-]*[a-z0-9])?", provider):
            raise ValueError(f'"{provider[:64]}" is no id: use a-z, 0-9, and _ and - inside')
        if provider == "builtin":
            raise ValueError('"builtin" is the name of what needs no provider: use another id')
        if not (entry.models or entry.base_url or entry.model_overrides or entry.api_key or entry.headers):
            raise ValueError(f'"{provider}" says nothing: give it a baseUrl')
        ids = [model.id for model in entry.models]
        if twice := {model for model in ids if ids.count(model) > 1}:
            raise ValueError(f'"{provider}" has the model "{min(twice)}" twice: keep one')


@frozen
class ModelsFile:
    """The whole file."""

    providers: dict[str, ProviderEntry] = field(factory=dict[str, ProviderEntry], validator=_are_providers)


def _unchanged(values: JsonObject) -> JsonObject:
    return values


def read_models_file(
    path: Path, replace: Callable[[JsonObject], JsonObject] = _unchanged
) -> tuple[ModelsFile, tuple[str, ...]]:
    """The file's content, and what is wrong with it. Nothing of a broken file is used; a missing one is empty.

    `replace` puts values in place of the references in it.
    """
    try:
        values, _ = parse(read_regular(path, MAX_BYTES).decode("utf-8-sig"))
        file, unknown = structure_known(replace(values), ModelsFile)
    except FileNotFoundError:
        return ModelsFile(), ()
    except InvalidValueError as error:
        return ModelsFile(), tuple(f"{path} is not used: {problem}" for problem in error.problems)
    except NotJsonError as error:
        return ModelsFile(), (f"{path} is not used: it {error}",)
    except UnicodeDecodeError:
        return ModelsFile(), (f"{path} is not used: it is not UTF-8",)
    except IrregularFileError as error:
        return ModelsFile(), (f"{path} is not used: {error.strerror}",)
    except OSError as error:
        return ModelsFile(), (f"{path} is not used: it cannot be read ({error.strerror})",)
    return file, tuple(f"{path}: {problem}" for problem in unknown)
