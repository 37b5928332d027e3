"""The answers of a set-up, and what they make of `xopc.json` and `models.json`: pure, and nothing of it is written."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, cast

from attrs import field, frozen

from xopc.cli.onboard.wishes import Secret
from xopc.contracts.convert import JsonObject
from xopc.contracts.errors import ConfigError, Problem
from xopc.contracts.settings.channels import DmPolicy
from xopc.contracts.settings.file import BindMode

if TYPE_CHECKING:
    from xopc.cli.onboard.present import Present


@frozen
class ModelAnswer:
    """A model that answered, and how it is reached."""

    provider: str
    model: str
    """As its provider spells it."""
    key: Secret | None = None
    """None: none is needed, or it is set already."""
    base_url: str | None = None
    """None: the provider is known, or set already."""

    @property
    def ref(self) -> str:
        return f"{self.provider}/{self.model}"


@frozen
class BotAnswer:
    """A bot of Telegram that said its name."""

    username: str
    token: Secret | None
    """None: it is set already."""
    owners: tuple[str, ...] = ()
    """Ids of users who may write to it."""
    api_root: str | None = None


@frozen
class Answers:
    """All of them; None leaves what is there."""

    model: ModelAnswer | None = None
    port: int | None = None
    bind: BindMode | None = None
    token: Secret | None = None
    workspace: str | None = None
    bot: BotAnswer | None = None


@frozen
class Draft:
    """Both files as they will be."""

    config: JsonObject = field(repr=False)
    models: JsonObject = field(repr=False)
    changes: tuple[str, ...]
    """A line for each thing that becomes different; no secret is in it."""


def draft(present: Present, answers: Answers, generated: str | None = None) -> Draft:
    """What the answers make of the files. `generated` is a new token for clients, where they need one.

    Raises:
        ConfigError: a section that is to hold an answer is something else.
    """
    config = copy.deepcopy(present.document.values) if present.document else {}
    models = copy.deepcopy(present.models_document.values) if present.models_document else {}
    config_file = _File(str(present.paths.config_path), config)
    models_file = _File(str(present.paths.models), models)
    changes: list[str] = []
    if answers.model is not None:
        changes += _put_model(config_file, models_file, answers.model)
    gateway = present.settings.gateway
    if answers.port is not None and answers.port != gateway.port:
        config_file.put(answers.port, "gateway", "port")
        changes.append(f"It listens at port {answers.port}.")
    if answers.bind is not None and answers.bind is not (gateway.bind or BindMode.LOOPBACK):
        config_file.put(answers.bind.value, "gateway", "bind")
        changes.append(f"It listens where {answers.bind.value} says.")
    if answers.token is not None or generated is not None:
        written = answers.token.written if answers.token else generated
        config_file.put(written, "gateway", "auth", "token")
        changes.append("A new token opens it: `xopc gateway token` prints it.")
    if answers.workspace is not None and answers.workspace != present.settings.agents.defaults.workspace:
        config_file.put(answers.workspace, "agents", "defaults", "workspace")
        changes.append(f"The assistant works in {answers.workspace}.")
    if answers.bot is not None:
        changes += _put_bot(config_file, present, answers.bot)
    return Draft(config, models, tuple(changes))


@frozen
class _File:
    """The values of a file, to be changed in place."""

    path: str
    values: JsonObject

    def section(self, *keys: str) -> JsonObject:
        """The object at these keys, made where there is none."""
        section = self.values
        where = "$"
        for key in keys:
            where = f"{where}.{key}"
            inner: object = section.setdefault(key, {})
            if not isinstance(inner, dict):
                raise ConfigError(self.path, Problem(where, "must be an object: mend it, or remove it"))
            section = cast("JsonObject", inner)
        return section

    def put(self, value: object, *keys: str) -> bool:
        """Whether that changes anything."""
        section = self.section(*keys[:-1])
        if section.get(keys[-1]) == value:
            return False
        section[keys[-1]] = value
        return True


def _put_model(config: _File, models: _File, answer: ModelAnswer) -> list[str]:
    changes: list[str] = []
    defaults = config.section("agents", "defaults")
    before = defaults.get("model")
    # Those that stand in for it stay.
    choice = {**cast("JsonObject", before), "primary": answer.ref} if isinstance(before, dict) else answer.ref
    if config.put(choice, "agents", "defaults", "model"):
        changes.append(f"{answer.ref} answers.")
    if answer.key is not None and config.put(answer.key.written, "providers", answer.provider):
        how = f"is what {answer.key.variable} holds" if answer.key.variable else "is written down"
        changes.append(f"The key of {answer.provider} {how}.")
    if answer.base_url is not None and _put_server(models, answer):
        changes.append(f"{answer.provider} is at {answer.base_url}.")
    return changes


def _put_server(models: _File, answer: ModelAnswer) -> bool:
    has_changed = models.put(answer.base_url, "providers", answer.provider, "baseUrl")
    entry = models.section("providers", answer.provider)
    listed: object = entry.setdefault("models", [])
    if not isinstance(listed, list):
        where = f"$.providers.{answer.provider}.models"
        raise ConfigError(models.path, Problem(where, "must be a list: mend it, or remove it"))
    entries = cast("list[object]", listed)
    if any(isinstance(one, dict) and cast("JsonObject", one).get("id") == answer.model for one in entries):
        return has_changed
    entries.append({"id": answer.model})
    return True


def _put_bot(config: _File, present: Present, answer: BotAnswer) -> list[str]:
    changes: list[str] = []
    telegram = config.section("channels", "telegram")
    accounts: object = telegram.get("accounts")
    own: object = cast("JsonObject", accounts).get("default") if isinstance(accounts, dict) else None
    has_own_token = isinstance(own, dict) and not {"botToken", "tokenFile"}.isdisjoint(cast("JsonObject", own))
    keys = ("channels", "telegram", "accounts", "default") if has_own_token else ("channels", "telegram")
    if answer.token is not None and config.put(answer.token.written, *keys, "botToken"):
        changes.append(f"@{answer.username} is its bot in Telegram.")
    if answer.api_root is not None and config.put(answer.api_root, "channels", "telegram", "apiRoot"):
        changes.append(f"It reaches Telegram at {answer.api_root}.")
    for section in (telegram, config.section(*keys)):
        if section.get("enabled") is False:
            section["enabled"] = True
            changes.append("Telegram is switched on.")
    if not answer.owners:
        return changes
    if present.settings.channels.telegram.dm_policy is not DmPolicy.OPEN:
        config.put(DmPolicy.ALLOWLIST.value, "channels", "telegram", "dmPolicy")
    known = present.settings.channels.telegram.allow_from or ()
    if new := [owner for owner in answer.owners if owner not in known]:
        config.put([*known, *new], "channels", "telegram", "allowFrom")
        changes.append(f"The Telegram user {', '.join(new)} may write to it.")
    return changes
