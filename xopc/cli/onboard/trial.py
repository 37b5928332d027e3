"""Tries a model with a real request, and asks servers which models they have."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

from attrs import frozen

if TYPE_CHECKING:
    from xopc.agent.providers.base import ErrorKind
    from xopc.agent.providers.openai_wire import Endpoint

LIST_SECONDS = 10.0
LOOK_SECONDS = 1.0
"""For a server on this machine, which is there or is not."""
TRIAL_SECONDS = 180.0
"""A model on the own machine has to be loaded first."""
MAX_LIST_BYTES = 4 * 1024 * 1024
QUESTION = "Reply with one word: ready."

OLLAMA = "127.0.0.1:11434"
LM_STUDIO = "127.0.0.1:1234"
"""Where they listen unless they are told otherwise: https://lmstudio.ai/docs/developer/openai-compat"""


@frozen
class Refused:
    """Why a model did not answer."""

    kind: ErrorKind
    what: str
    """A sentence."""
    cure: str


@frozen
class Server:
    """A server on this machine that has models."""

    id: str
    """What it is called as a provider."""
    name: str
    base_url: str
    models: tuple[str, ...]
    """Those that can talk."""


def try_model(endpoint: Endpoint, model: str) -> Refused | float:
    """Have a model say a word: the seconds until it did, or why it does not."""
    import trio

    began = time.monotonic()
    error = trio.run(_ask, endpoint, model)
    return time.monotonic() - began if error is None else _refused(endpoint, model, error)


def models_at(base_url: str, key: str | None = None, seconds: float = LIST_SECONDS) -> tuple[str, ...] | None:
    """The models that a server lists which can talk, as it orders them; None where it does not list any."""
    import httpx2

    headers = {"user-agent": "xopc", **({"authorization": f"Bearer {key}"} if key else {})}
    try:
        with httpx2.Client(timeout=seconds, headers=headers) as client:
            response = client.get(f"{base_url}/models")
            if response.status_code != 200 or len(response.content) > MAX_LIST_BYTES:
                return None
            listed = cast("object", json.loads(response.content))
    except (httpx2.HTTPError, httpx2.InvalidURL, ValueError, RecursionError):
        return None
    entries = cast("dict[str, Any]", listed).get("data") if isinstance(listed, dict) else None
    if not isinstance(entries, list):
        return None
    members = [cast("dict[str, Any]", entry) for entry in cast("list[object]", entries) if isinstance(entry, dict)]
    ids = [entry["id"] for entry in members if isinstance(entry.get("id"), str)]
    return tuple(dict.fromkeys(id_ for id_ in ids if _can_talk(id_)))


def find_servers(environ: Mapping[str, str], lm_studio: str = LM_STUDIO) -> tuple[Server, ...]:
    """The servers that answer on this machine: Ollama, where `OLLAMA_HOST` says, and LM Studio."""
    wanted = (
        ("ollama", "Ollama", ollama_url(environ.get("OLLAMA_HOST", ""))),
        ("lmstudio", "LM Studio", f"http://{lm_studio}/v1"),
    )
    found = ((id_, name, url, models_at(url, seconds=LOOK_SECONDS)) for id_, name, url in wanted)
    return tuple(Server(id_, name, url, models) for id_, name, url, models in found if models is not None)


def ollama_url(host: str) -> str:
    """The base URL that Ollama's own variable means: an address or a URL, each with a port or without.

    >>> ollama_url("0.0.0.0")
    'http://127.0.0.1:11434/v1'
    """
    text = host.strip().rstrip("/")
    scheme, separator, rest = text.partition("://")
    with suppress(ValueError):
        split = urlsplit(f"//{rest if separator else text}")
        name = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(split.hostname or "", split.hostname or "127.0.0.1")
        standard = {"http": 80, "https": 443}.get(scheme if separator else "", 11434)
        shown = f"[{name}]" if ":" in name else name
        return f"{scheme if separator else 'http'}://{shown}:{split.port or standard}/v1"
    return f"http://{OLLAMA}/v1"


def _can_talk(model: str) -> bool:
    """Whether that is a name at all, and not of a model that turns texts into numbers."""
    return bool(re.fullmatch(r"\S{1,200}", model)) and model.isprintable() and "embed" not in model.lower()


async def _ask(endpoint: Endpoint, model: str) -> Exception | None:
    """The error of a provider, or TooSlowError; None where it says something."""
    import trio

    from xopc.agent.providers.base import ModelRequest, ProviderError
    from xopc.agent.providers.openai import OpenAIProvider, open_client
    from xopc.contracts.transcript import Message, Role

    request = ModelRequest(model, (Message(Role.USER, QUESTION),))
    client = await trio.to_thread.run_sync(open_client)
    try:
        with trio.fail_after(TRIAL_SECONDS):
            async with client, OpenAIProvider(endpoint, client).stream(request) as chunks:
                async for _ in chunks:
                    return None
    except (ProviderError, trio.TooSlowError) as error:
        return error
    return None


def _refused(endpoint: Endpoint, model: str, error: Exception) -> Refused:
    from xopc.agent.providers.base import ErrorKind, ProviderError

    where = endpoint.base_url
    if not isinstance(error, ProviderError):
        what = f"{model} at {where} said nothing within {TRIAL_SECONDS:g} s."
        return Refused(ErrorKind.TRANSIENT, what, "Look at the server, or take a smaller model.")
    said = error.message
    match error.kind:
        case ErrorKind.AUTH:
            what = f"{where} does not take this key ({said})."
            cure = "Copy the key again from the provider's site; see there that it is in force and has credit."
        case ErrorKind.TRANSIENT if "could not be reached" in said:
            what = f"Nobody answers at {where} ({said})."
            is_here = urlsplit(where).hostname in ("localhost", "127.0.0.1", "::1")
            cure = "Start the server, or look at the URL." if is_here else "Look at the URL, and at your network."
        case ErrorKind.TRANSIENT:
            what, cure = f"{where} does not answer right now ({said}).", "Try again in a moment."
        case _ if "404" in said or "model" in said.lower():
            what = f"{where} does not serve the model {model} ({said})."
            cure = "Name another model; the provider's site lists them."
        case _:
            what, cure = f"{where} refused the request ({said}).", "Look at the URL and at the model's name."
    return Refused(error.kind, what, cure)
