"""Where a server of models is, and what it is called as a provider."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from xopc.agent.keys import variable_of
from xopc.agent.models import KNOWN
from xopc.cli.onboard.trial import models_at

if TYPE_CHECKING:
    from xopc.cli.onboard.present import Present

EXAMPLE = "http://localhost:1234/v1"


def read_url(answer: str) -> str:
    """A base URL, as `models.json` has it."""
    text = answer.strip()
    text = (text if "://" in text else f"http://{text}").rstrip("/")
    text = text.removesuffix("/chat/completions").removesuffix("/models").rstrip("/")
    if not re.fullmatch(r"https?://[^\s/?#@]+(/[^\s?#]*)?", text):
        raise ValueError(f"That is no URL: write it like {EXAMPLE}.")
    try:
        _ = urlsplit(text).port
    except ValueError:
        raise ValueError("The port of that URL is no number from 1 to 65535.") from None
    return text


def with_version(base_url: str) -> str:
    """The same with `/v1`, where a server has its models there and the URL names no path."""
    if urlsplit(base_url).path or models_at(base_url) is not None:
        return base_url
    return f"{base_url}/v1"


def provider_of(variable: str | None) -> str | None:
    """The known provider whose variable that is."""
    return next((id_ for id_ in KNOWN if variable_of(id_) == variable), None)


def provider_id(present: Present, base_url: str, wished: str | None) -> str:
    """What a server is called: as it is already, as it is wished, or by its host."""
    for id_, there in present.servers.items():
        if _plain(there) == _plain(base_url):
            return id_
    if wished is not None:
        return wished
    for id_, known in KNOWN.items():
        if known.base_url == base_url:
            return id_
    host = urlsplit(base_url).hostname or ""
    name = "local" if host in ("localhost", "127.0.0.1", "::1") else re.sub(r"[^a-z0-9]+", "-", host.lower()).strip("-")
    taken = {*present.servers, *KNOWN, "builtin"}
    port = urlsplit(base_url).port
    return next(id_ for id_ in (name, f"{name}-{port}", *(f"{name}-{n}" for n in range(2, 1000))) if id_ not in taken)


def _plain(base_url: str) -> str:
    """The same for each name of this machine."""
    return re.sub(r"^(https?://)(?:localhost|\[::1\])(?=[:/]|$)", r"\g<1>127.0.0.1", base_url)


def check_provider_id(name: str) -> str:
    """A name that `models.json` takes for a provider.

    Raises:
        ValueError: it does not.
    """
    if not re.fullmatch(r"[a-z0-9]([a-z0-9_-]*[a-z0-9])?", name) or name == "builtin":
        raise ValueError("A provider's name is of a-z and 0-9, with _ and - inside, and not builtin.")
    return name
