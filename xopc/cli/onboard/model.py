"""The step that ends with a model that has answered."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import TYPE_CHECKING, TypeAlias

from attrs import evolve, frozen

from xopc.agent.keys import PlainKey, is_usable, variable_of
from xopc.agent.models import KNOWN, UnknownModelError
from xopc.agent.providers.base import ErrorKind
from xopc.agent.providers.openai_wire import Dialect, Endpoint
from xopc.cli.onboard.address import EXAMPLE, check_provider_id, provider_id, provider_of, read_url, with_version
from xopc.cli.onboard.draft import ModelAnswer
from xopc.cli.onboard.guide import Guide, something
from xopc.cli.onboard.trial import Refused, Server, find_servers, models_at, try_model
from xopc.cli.onboard.wishes import Secret, SecretMode, Wishes
from xopc.contracts.errors import Failure, XopcError

if TYPE_CHECKING:
    from xopc.cli.onboard.present import Present

MAX_LISTED = 12
"""Models to choose from by number; of more, the name is asked for."""


class Way(Enum):
    """How to come by a model."""

    KEEP = "keep"
    PASTE = "paste"
    URL = "url"
    NONE = "none"


@frozen
class InEnvironment:
    """A key of a known provider that the environment holds."""

    provider: str
    variable: str


Option: TypeAlias = "Way | InEnvironment | Server"


class Next(Enum):
    """What to do when a model did not answer."""

    AGAIN = "Try again"
    KEY = "Give another key"
    MODEL = "Name another model"
    OTHER = "Choose another way"


def choose_model(guide: Guide, present: Present, wishes: Wishes, key: Secret | None) -> ModelAnswer | None:
    """A model that has answered; None leaves everything as it is.

    Raises:
        XopcError: what the options name does not work, and nobody is there to say otherwise.
    """
    if wishes.skip_model:
        guide.say("It stays as it is.")
        return None
    if key or wishes.model or wishes.model_url or wishes.model_provider:
        answer = _tried(guide, present, _wished(guide, present, wishes, key))
        if answer is not None:
            return answer
    is_silent = False
    while True:
        option = _ask_way(guide, present, is_silent=is_silent)
        if option is Way.NONE or (option is Way.KEEP and _still_answers(guide, present)):
            return None
        if option is Way.KEEP:
            is_silent = True
            continue
        answer = _tried(guide, present, _candidate(guide, present, option, wishes.secret_input_mode))
        if answer is not None:
            return answer


# ------------------------------------------------------------------ what there is to choose from


def _ask_way(guide: Guide, present: Present, *, is_silent: bool) -> Option:
    """`is_silent`: the model that is set up was tried, and did not answer."""
    found = [InEnvironment(id_, variable_of(id_)) for id_ in KNOWN if present.environ.get(variable_of(id_), "").strip()]
    guide.say("Looking for models on this machine …")
    servers = find_servers(present.environ)
    options: list[tuple[Option, str]] = []
    if present.model is not None:
        options.append((Way.KEEP, f"{'Try' if is_silent else 'Keep'} {present.model}{' again' if is_silent else ''}"))
    if present.model is not None and is_silent:
        options.append((Way.NONE, "Keep it all the same: it may answer later"))
    options += [(one, f"{one.provider}, with the key that {one.variable} holds") for one in found]
    options += [(server, f"{server.name} on this machine ({_count(server)})") for server in servers if server.models]
    options += [
        (Way.PASTE, f"Another provider, whose key I paste ({', '.join(KNOWN)})"),
        (Way.URL, "Another server that speaks like OpenAI, by its URL"),
    ]
    if present.model is None:
        # A gateway takes a key of its environment without being told.
        none = "Leave it for now" if found else "None for now: what is built in answers, and cannot do much"
        options.append((Way.NONE, none))
    for server in servers:
        if not server.models:
            guide.say(f"{server.name} runs, but has no model yet{_PULL.get(server.id, '')}.")
    proposed = options[0][0]
    if not guide.is_attended and proposed is Way.PASTE:
        guide.warn("No model was named and none was found, so the built-in one answers: name one with --model.")
        proposed = Way.NONE
    return guide.choose("Which one", options, proposed)


_PULL = {"ollama": ": `ollama pull qwen3:8b` gets one"}


def _count(server: Server) -> str:
    return server.models[0] if len(server.models) == 1 else f"{len(server.models)} models"


def _still_answers(guide: Guide, present: Present) -> bool:
    """Whether the model that is set up does; not asked where nobody could choose another."""
    if not guide.is_attended or present.model is None:
        return True
    try:
        model = present.models.find(present.model)
    except UnknownModelError as error:
        guide.trouble(str(error))
        return False
    return model.endpoint is None or _answers(guide, model.endpoint, model.id) is None


# ------------------------------------------------------------------ from an option to a candidate


def _wished(guide: Guide, present: Present, wishes: Wishes, key: Secret | None) -> ModelAnswer:
    """What the command line names."""
    first, _, rest = (wishes.model or "").partition("/")
    if wishes.model_url is not None:
        base_url, wished = _address(wishes.model_url, wishes.model_provider)
        provider = provider_id(present, base_url, wished)
        name = wishes.model or ""
        model = name.removeprefix(f"{provider}/") or _first_model(base_url, key)
        return ModelAnswer(provider, model, key, base_url)
    named = wishes.model_provider or (first if rest else None) or provider_of(wishes.model_key_from_env)
    if named is None:
        what = "Whose key or model is that? Name the provider with --model-provider, or the server with --model-url."
        raise XopcError(Failure.INVALID_REQUEST, what)
    if named not in KNOWN and named not in present.servers:
        known = ", ".join([*KNOWN, *(id_ for id_ in present.servers if id_ not in KNOWN)])
        what = f'No provider is called "{named}". There is: {known}. Name another server with --model-url.'
        raise XopcError(Failure.INVALID_REQUEST, what)
    model = (wishes.model or "").removeprefix(f"{named}/") or (KNOWN[named].default if named in KNOWN else "")
    if not model:
        raise XopcError(Failure.INVALID_REQUEST, f"Which model of {named}? Name it with --model.")
    if key is None and present.environ.get(variable_of(named), "").strip() and named not in present.settings.providers:
        key = _from_environment(present.environ, variable_of(named), wishes.secret_input_mode)
    answer = ModelAnswer(named, model, key)
    if named in KNOWN and named not in present.servers and _endpoint(present, answer).key is None:
        if not guide.is_attended:
            what = f"There is no key for {named}: set {variable_of(named)}, or give it with --model-key-stdin."
            raise XopcError(Failure.INVALID_REQUEST, what)
        answer = evolve(answer, key=_ask_key(guide, named))
    return answer


def _address(url: str, name: str | None) -> tuple[str, str | None]:
    """The base URL of a server, and what it is to be called."""
    option = "--model-url"
    try:
        base_url = read_url(url)
        option = "--model-provider"
        wished = None if name is None else check_provider_id(name)
    except ValueError as error:
        raise XopcError(Failure.INVALID_REQUEST, f"{option}: {error}") from None
    return with_version(base_url), wished


def _candidate(guide: Guide, present: Present, option: Option, mode: SecretMode) -> ModelAnswer:
    match option:
        case InEnvironment(provider, variable):
            key = _from_environment(present.environ, variable, mode)
            return ModelAnswer(provider, _ask_model(guide, provider, None, key), key)
        case Server(id_, _, base_url, models):
            # A server elsewhere may have that name already.
            provider = provider_id(present, base_url, f"{id_}-here" if id_ in present.servers else id_)
            return ModelAnswer(provider, _choose_listed(guide, models), None, base_url)
        case Way.URL:
            base_url = guide.ask("Its URL", read_url, EXAMPLE, option="--model-url")
            base_url = with_version(base_url)
            text = guide.ask_hidden("Its key, or just Enter where it needs none", _key_or_nothing, option="")
            key = Secret(text) if text else None
            provider = provider_id(present, base_url, None)
            return ModelAnswer(provider, _ask_model(guide, provider, base_url, key), key, base_url)
        case _:
            provider = guide.choose("Whose key", [(id_, id_) for id_ in KNOWN], next(iter(KNOWN)))
            key = _ask_key(guide, provider)
            return ModelAnswer(provider, _ask_model(guide, provider, None, key), key)


def _from_environment(environ: Mapping[str, str], variable: str, mode: SecretMode) -> Secret:
    return Secret(environ[variable].strip(), variable if mode is SecretMode.REF else None)


def _ask_key(guide: Guide, provider: str) -> Secret:
    guide.say("Paste it and press Enter. It is not shown, and goes nowhere but there.")
    text = guide.ask_hidden(f"The key of {provider}", _key, option="--model-key-stdin")
    guide.say(f"   A key of {len(text)} characters.")
    return Secret(text)


def _ask_model(guide: Guide, provider: str, base_url: str | None, key: Secret | None) -> str:
    if base_url is None and provider in KNOWN:
        return guide.ask("Which of its models", something, KNOWN[provider].default, option="--model")
    listed = models_at(base_url or "", key.text if key else None)
    if listed and len(listed) <= MAX_LISTED:
        return _choose_listed(guide, listed)
    return guide.ask("Which of its models", something, listed[0] if listed else "", option="--model")


def _choose_listed(guide: Guide, models: tuple[str, ...]) -> str:
    if len(models) == 1:
        return models[0]
    if len(models) <= MAX_LISTED:
        return guide.choose("Which of its models", [(model, model) for model in models], models[0])
    guide.say(f"It has {len(models)} models: {', '.join(models[:MAX_LISTED])} …")
    return guide.ask("Which of them", something, models[0], option="--model")


def _first_model(base_url: str, key: Secret | None) -> str:
    listed = models_at(base_url, key.text if key else None)
    if not listed:
        what = f"{base_url} does not say which models it has: name one with --model, or look at the URL."
        raise XopcError(Failure.INVALID_REQUEST, what)
    return listed[0]


# ------------------------------------------------------------------ the trial


def _tried(guide: Guide, present: Present, answer: ModelAnswer) -> ModelAnswer | None:
    """The answer, once it has answered; None to choose another way."""
    while True:
        _warn_of_variable(guide, present, answer)
        refused = _answers(guide, _endpoint(present, answer), answer.model)
        if refused is None:
            return answer
        match _ask_next(guide, refused, answer):
            case Next.AGAIN:
                pass
            case Next.KEY:
                answer = evolve(answer, key=_ask_key(guide, answer.provider))
            case Next.MODEL:
                answer = evolve(answer, model=_another_model(guide, present, answer))
            case Next.OTHER:
                return None


def _answers(guide: Guide, endpoint: Endpoint, model: str) -> ErrorKind | None:
    """Why it does not, which was told; None where it does."""
    guide.say(f"Asking {model} for a word …")
    result = try_model(endpoint, model)
    if isinstance(result, Refused):
        guide.trouble(result.what, result.cure)
        return result.kind
    guide.say(f"✅ {model} answered within {max(result, 0.1):.1f} s.")
    return None


def _ask_next(guide: Guide, refused: ErrorKind, answer: ModelAnswer) -> Next:
    proposed = {ErrorKind.AUTH: Next.KEY, ErrorKind.BAD_REQUEST: Next.MODEL}.get(refused, Next.AGAIN)
    return guide.choose("What now", [(one, one.value) for one in Next], proposed)


def _another_model(guide: Guide, present: Present, answer: ModelAnswer) -> str:
    endpoint = _endpoint(present, answer)
    listed = models_at(endpoint.base_url, answer.key.text if answer.key else None)
    if listed and len(listed) <= MAX_LISTED:
        return _choose_listed(guide, listed)
    if listed:
        guide.say(f"It has {len(listed)} models: {', '.join(listed[:MAX_LISTED])} …")
    return guide.ask("Which model", something, answer.model, option="--model")


def _endpoint(present: Present, answer: ModelAnswer) -> Endpoint:
    """Where the answer will be asked for, as a gateway finds it, with what is set for it already."""
    key = PlainKey("its key", answer.key.text) if answer.key else None
    try:
        there = present.models.find(f"{answer.provider}/{answer.model}").endpoint
    except UnknownModelError:
        there = None
    known = KNOWN.get(answer.provider)
    listed = present.servers.get(answer.provider, "")
    base_url = answer.base_url or (there.base_url if there else "") or listed or (known.base_url if known else "")
    if there is not None and there.base_url == base_url:
        return evolve(there, key=key or there.key)
    return Endpoint(answer.provider, base_url, key, dialect=known.dialect if known else Dialect())


def _warn_of_variable(guide: Guide, present: Present, answer: ModelAnswer) -> None:
    variable = variable_of(answer.provider)
    other = present.environ.get(variable, "").strip()
    if answer.key is not None and other and other != answer.key.text:
        guide.warn(f"{variable} holds another key, and outranks this one where it is set: unset it.")


# ------------------------------------------------------------------ checks


def _key(answer: str) -> str:
    if not is_usable(answer):
        raise ValueError("That is no key: a key has no blanks, and plain characters alone.")
    return answer


def _key_or_nothing(answer: str) -> str:
    return _key(answer) if answer else ""
