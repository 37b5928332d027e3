from __future__ import annotations

import json
from pathlib import Path

from xopc.config.resolve import Flags, resolve
from xopc.config.secrets.held import secrets_held

TOKEN = "an-invented-token-0123456789"


def held(home: Path, document: object, **environ: str) -> frozenset[str]:
    file = home / ".xopc" / "xopc.json"
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(document))
    return secrets_held(resolve({"HOME": str(home), **environ}, Flags()))


def test_all_secrets_of_a_configuration_are_known_and_nothing_else(home: Path) -> None:
    kept = home / "prompt"
    kept.write_text("a kept text")
    kept.chmod(0o600)
    digest = "ab" * 32
    document = {
        "gateway": {"auth": {"token": TOKEN, "tokens": [{"name": "d", "sha256": digest, "scopes": ["operator.read"]}]}},
        "providers": {"openai": "key-1", "groq": " "},
        "channels": {"telegram": {"enabled": False, "botToken": "bot-1", "accounts": {"b": {"botToken": "bot-2"}}}},
        "agents": {"list": [{"id": "a", "systemPromptOverride": f"${{file:{kept}}}"}]},
    }
    assert held(home, document) == {TOKEN, "key-1", "bot-1", "bot-2", "a kept text"}


def test_one_of_the_environment_is_known_too(home: Path) -> None:
    assert held(home, {}, XOPC_GATEWAY_TOKEN=TOKEN) == {TOKEN}
    assert held(home, {}) == frozenset()
