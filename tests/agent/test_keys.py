from __future__ import annotations

import os
from pathlib import Path

import pytest
from trio.testing import MockClock

from xopc.agent import keys
from xopc.agent.keys import CACHE_SECONDS, CommandKey, Key, find_key, is_usable, variable_of
from xopc.agent.providers.base import ErrorKind, ProviderError


def find(in_file: str | None = None, configured: str = "", **environ: str) -> tuple[Key | None, list[str]]:
    warnings: list[str] = []
    return find_key("my-box", environ, {"my-box": configured} if configured else {}, in_file, warnings), warnings


async def text_of(key: Key | None) -> str:
    assert key is not None
    return await key.get()


def program(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """Stands for `pass`, which is looked up in the path."""
    file = folder / "pass"
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")


async def test_the_environment_outranks_the_configuration_and_that_the_file() -> None:
    key, _ = find("from-file", "from-config", MY_BOX_API_KEY=" from-environ ")
    assert await text_of(key) == "from-environ"
    assert await text_of(find("from-file", "from-config", MY_BOX_API_KEY=" ")[0]) == "from-config"
    assert await text_of(find("from-file")[0]) == "from-file"
    assert find() == (None, [])
    assert find(" ") == (None, [])


async def test_a_name_in_capitals_is_that_of_a_variable() -> None:
    assert await text_of(find("OTHER_KEY", OTHER_KEY="abc")[0]) == "abc"


async def test_a_variable_that_is_not_set_is_the_key_itself_and_a_warning() -> None:
    key, warnings = find("OTHER_KEY")
    assert await text_of(key) == "OTHER_KEY"
    assert warnings == [
        "models.json, providers.my-box.apiKey: no environment variable of this name is set; "
        "the text is taken as the key itself"
    ]


@pytest.mark.parametrize("text", ["a b", "kéy", "a\nb"])
def test_what_no_header_can_carry_is_no_key(text: str) -> None:
    key, warnings = find(configured=text)
    assert key is None
    assert warnings == ["providers.my-box: is no key: it holds blanks, or characters that no header can carry"]
    assert not is_usable(text)


def test_a_key_is_not_shown() -> None:
    assert "secret-text" not in repr(find("secret-text")[0])


async def test_a_command_prints_the_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(tmp_path, monkeypatch, 'test "$2" = "my key, here" && echo "key-of-$1"')
    assert await text_of(find('!pass show "my key, here"')[0]) == "key-of-show"


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("!curl https://example.com", "may run only op, security, pass, gpg"),
        ("!", "may run only op, security, pass, gpg"),
        ("!./pass x", "may run only op, security, pass, gpg"),
        ('!pass "x', "cannot be read (No closing quotation)"),
        ("!pass x; rm y", "is run without a shell, and so may hold none of ; & | < > $( ` * .."),
        ("!pass $(id)", "is run without a shell, and so may hold none of ; & | < > $( ` * .."),
        ("!pass ../x", "is run without a shell, and so may hold none of ; & | < > $( ` * .."),
    ],
)
def test_no_other_command_is_run(line: str, why: str) -> None:
    key, warnings = find(line)
    assert key is None
    assert warnings == [f"models.json, providers.my-box.apiKey: the command {why}; the provider has no key"]


@pytest.mark.parametrize(
    ("script", "why"),
    [("exit 3", "exit code 3"), ("exit 0", "did not print a key"), ("echo a b", "did not print a key")],
)
async def test_a_command_that_gives_no_key_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, why: str
) -> None:
    program(tmp_path, monkeypatch, script)
    with pytest.raises(ProviderError) as caught:
        await CommandKey("models.json", ("pass", "show")).get()
    assert caught.value.kind is ErrorKind.AUTH
    assert caught.value.message == f"the command pass of models.json gives no key: {why}"


async def test_a_command_that_is_not_installed_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ProviderError, match=r"cannot be run \(No such file or directory\)"):
        await CommandKey("models.json", ("op", "read")).get()


async def test_a_command_that_hangs_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(tmp_path, monkeypatch, "exec sleep 60")
    monkeypatch.setattr(keys, "COMMAND_SECONDS", 0.2)
    with pytest.raises(ProviderError, match="took longer than 0 s"):
        await CommandKey("models.json", ("pass", "show")).get()


async def test_a_command_is_asked_again_after_five_minutes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mock_clock: MockClock
) -> None:
    mock_clock.rate = 1
    count = tmp_path / "count"
    program(tmp_path, monkeypatch, f"echo x >> {count}; wc -l < {count}")
    key = CommandKey("models.json", ("pass", "show"))
    assert [await key.get(), await key.get()] == ["1", "1"]
    mock_clock.jump(CACHE_SECONDS + 1)
    assert await key.get() == "2"


def test_the_variable_of_a_provider_is_its_name_in_capitals() -> None:
    assert variable_of("openai") == "OPENAI_API_KEY"
    assert variable_of("my-box") == "MY_BOX_API_KEY"
