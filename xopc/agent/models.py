"""Which models there are, where they are, and which of them answers. A model is named `provider/model`."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

from attrs import field, frozen

from xopc.agent.keys import Key, find_key, variable_of
from xopc.agent.models_file import API, Compat, ModelEntry, ModelOverride, ProviderEntry, read_models_file
from xopc.agent.models_secrets import Replaced, replace_references
from xopc.agent.providers.openai_wire import Dialect, Endpoint
from xopc.config.secrets.references import NO_SECRETS, Secrets
from xopc.contracts.convert import JsonObject, closest
from xopc.contracts.settings.file import ModelChoice, Settings

OFFLINE = "builtin/offline"
"""The model that needs no provider."""


@frozen
class _Known:
    base_url: str
    default: str
    """The model where none is named; their names live for about a year."""
    dialect: Dialect = field(factory=Dialect)


KNOWN: Mapping[str, _Known] = {
    "openai": _Known("https://api.openai.com/v1", "gpt-6-luna", Dialect("max_completion_tokens")),
    "openrouter": _Known("https://openrouter.ai/api/v1", "openrouter/auto"),
    "deepseek": _Known("https://api.deepseek.com/v1", "deepseek-flash"),
    "groq": _Known("https://api.groq.com/openai/v1", "openai/gpt-oss-120b"),
    "mistral": _Known("https://api.mistral.ai/v1", "mistral-small-latest"),
    "xai": _Known("https://api.x.ai/v1", "grok-4.3"),
    "cerebras": _Known("https://api.cerebras.ai/v1", "gpt-oss-120b"),
}
"""The providers whose address is known, in the order in which the first with a key is taken."""


@frozen
class Model:
    """A model that can be asked."""

    ref: str
    id: str
    """As its provider spells it."""
    name: str
    endpoint: Endpoint | None
    """None for the one that is built in."""
    context_window: int = 128_000
    """Tokens."""
    max_tokens: int | None = None
    """The longest answer; None where it is not known."""


class UnknownModelError(Exception):
    """There is no such model. The message says why, and what there is."""


@frozen
class _Provider:
    id: str
    endpoint: Endpoint
    default: str | None
    models: Mapping[str, ModelEntry]
    overrides: Mapping[str, ModelOverride]
    is_closed: bool
    """Whether it has the listed models alone."""


class Models:
    """The models of one configuration."""

    def __init__(self, providers: Iterable[_Provider]) -> None:
        """Made by `load_models`."""
        self._providers = {provider.id: provider for provider in providers}
        self.warnings: tuple[str, ...] = ()
        """What is wrong with `models.json` and with the keys, a sentence each."""
        self.error: str | None = None
        """Why nothing of `models.json` is used, where that is so; for clients, so without its path."""
        self.secrets: Secrets = NO_SECRETS
        """What `models.json` refers to."""

    @property
    def default(self) -> str:
        """That of the first configured provider; the built-in one where there is none."""
        return next((f"{p.id}/{p.default}" for p in self._providers.values() if p.default), OFFLINE)

    def listed(self) -> tuple[str, ...]:
        """The references that are known by name. A provider may have more models than it lists."""
        refs = [
            f"{p.id}/{model}"
            for p in self._providers.values()
            for model in dict.fromkeys([*([p.default] if p.default else []), *p.models])
        ]
        return (*refs, OFFLINE)

    def find(self, ref: str) -> Model:
        """The model of a reference.

        Raises:
            UnknownModelError: nothing has that name, or its provider is not configured.
        """
        if ref == OFFLINE:
            return Model(OFFLINE, "offline", "Offline", None)
        provider_id, _, model_id = ref.partition("/")
        provider = self._providers.get(provider_id)
        if provider is None or not model_id or (provider.is_closed and model_id not in provider.models):
            raise UnknownModelError(self._why_not(ref, provider_id, provider))
        return _model(provider, model_id)

    def choose(self, *wishes: str | ModelChoice | None) -> tuple[str, ...]:
        """The references to try, of the first of `wishes` that says something: the strongest comes first."""
        wish = next((wish for wish in wishes if wish), None) or self.default
        refs = (wish.primary, *wish.fallbacks) if isinstance(wish, ModelChoice) else (wish,)
        return tuple(dict.fromkeys(refs))

    def _why_not(self, ref: str, provider_id: str, provider: _Provider | None) -> str:
        if "/" not in ref:
            why = 'a model is named "provider/model"'
        elif provider is not None:
            why = f"models.json does not list it{closest(ref, self.listed())}"
        elif provider_id in KNOWN:
            why = f"there is no key for {provider_id}: set {variable_of(provider_id)}"
        else:
            why = f'no provider "{provider_id}" is configured{closest(provider_id, [*self._providers, *KNOWN])}'
        end = "" if why.endswith("?") else "."
        return f'There is no model "{ref}": {why}{end} There is: {", ".join(self.listed())}.'


def load_models(path: Path, settings: Settings, environ: Mapping[str, str], known: Secrets = NO_SECRETS) -> Models:
    """The models of a configuration and its `models.json` at `path`. Reads the file: call it in a thread.

    No program is asked again for a secret that is `known`.
    """
    replaced = Replaced({})

    def replace(values: JsonObject) -> JsonObject:
        nonlocal replaced
        replaced = replace_references(values, settings.secrets, path.parent, environ, known)
        return replaced.values

    file, problems = read_models_file(path, replace)
    warnings = [*problems, *replaced.warnings]
    entries = {**file.providers, **{known_id: ProviderEntry() for known_id in KNOWN if known_id not in file.providers}}
    configured = settings.providers
    found = (
        _provider(
            provider_id,
            entry,
            find_key(
                provider_id, environ, configured, entry.api_key, warnings, is_literal=provider_id in replaced.literal
            ),
            warnings,
        )
        for provider_id, entry in entries.items()
        if provider_id not in replaced.left_out
    )
    models = Models(provider for provider in found if provider is not None)
    models.secrets = replaced.secrets
    models.warnings = (*warnings, *_of_settings(settings, {*entries, *replaced.left_out}, models))
    if problems and not file.providers:
        models.error = "; ".join(problems).replace(str(path), path.name)
    return models


def _provider(provider_id: str, entry: ProviderEntry, key: Key | None, warnings: list[str]) -> _Provider | None:
    """None for one that cannot be asked."""
    known = KNOWN.get(provider_id)
    base_url = entry.base_url or (known.base_url if known else None)
    if base_url is None:
        warnings.append(f"models.json, providers.{provider_id}: has no baseUrl, so nobody knows where it is")
        return None
    needs_key = entry.base_url is None or entry.api_key is not None
    if key is None and needs_key:
        return None
    spoken = {model.id: model for model in entry.models if (model.api or entry.api or API) == API}
    if other := {model.api or entry.api for model in entry.models if model.id not in spoken} or (
        {entry.api} - {None, API} if not entry.models else set()
    ):
        what = f"speaks {', '.join(sorted(filter(None, other)))}, which is not supported: what works is {API}"
        warnings.append(f"models.json, providers.{provider_id}: {what}")
        if not spoken:
            return None
    return _Provider(
        provider_id,
        Endpoint(
            provider_id,
            base_url.rstrip("/"),
            key if entry.auth_header else None,
            entry.headers,
            _dialect(known.dialect if known else Dialect(), entry.compat),
        ),
        next(iter(spoken), known.default if known else None),
        spoken,
        entry.model_overrides,
        is_closed=bool(spoken) and known is None,
    )


def _model(provider: _Provider, model_id: str) -> Model:
    entry = provider.models.get(model_id)
    changes = provider.overrides.get(model_id, ModelOverride())
    base = provider.endpoint
    dialect = _dialect(_dialect(base.dialect, entry.compat if entry else Compat()), changes.compat)
    headers = {**base.headers, **(entry.headers if entry else {}), **changes.headers}
    return Model(
        ref=f"{provider.id}/{model_id}",
        id=model_id,
        name=changes.name or (entry and entry.name) or model_id,
        endpoint=Endpoint(base.provider, base.base_url, base.key, headers, dialect),
        context_window=changes.context_window or (entry.context_window if entry else 128_000),
        max_tokens=changes.max_tokens or (entry.max_tokens if entry else None),
    )


def _dialect(base: Dialect, compat: Compat) -> Dialect:
    def said(value: bool | None, otherwise: bool) -> bool:
        return otherwise if value is None else value

    return Dialect(
        compat.max_tokens_field or base.max_tokens_field,
        said(compat.supports_usage_in_streaming, base.usage_in_streaming),
        said(compat.requires_tool_result_name, base.tool_result_name),
    )


def _of_settings(settings: Settings, entries: Collection[str], models: Models) -> Iterable[str]:
    """What the configuration says of models and providers that there are not."""
    for provider_id in settings.providers:
        if provider_id not in entries:
            yield f"providers.{provider_id}: nobody knows where this provider is: give it a baseUrl in models.json"
    wishes = [("agents.defaults.model", settings.agents.defaults.model)]
    wishes += [(f"agents.list ({entry.id}).model", entry.model) for entry in settings.agents.list if entry.enabled]
    for where, wish in wishes:
        for ref in models.choose(wish) if wish else ():
            try:
                models.find(ref)
            except UnknownModelError as error:
                yield f"{where}: {error}"
