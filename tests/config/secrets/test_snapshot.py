"""Snapshots of real files and real programs."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from xopc.config.findings import Findings
from xopc.config.secrets.references import NO_SECRETS, Reference, Secrets, Source
from xopc.config.secrets.snapshot import files_named, gather, read_settings
from xopc.contracts.settings.secrets import SecretCommand, SecretsSettings

SECRET = "an-invented-secret"


def snapshot(
    folder: Path, *texts: str, commands: object = None, known: Secrets = NO_SECRETS, section: str | None = None,
    **environ: str,
) -> Secrets:  # fmt: skip
    values: dict[str, Any] = {"gateway": list(texts), "secrets": {"commands": commands or {}}}
    settings = read_settings(values, environ, Findings())
    assert settings is not None
    return gather(values, settings, folder, {"HOME": str(folder), **environ}, known=known, section=section)


def write(path: Path, text: str = SECRET) -> Path:
    path.write_text(text)
    path.chmod(0o600)
    return path


def printer(folder: Path, name: str, script: str) -> dict[str, Any]:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return {"command": [str(path)]}


def file(name: str) -> Reference:
    return Reference(Source.FILE, name)


def command(name: str) -> Reference:
    return Reference(Source.COMMAND, name)


def credential(name: str) -> Reference:
    return Reference(Source.CREDENTIAL, name)


def test_files_are_found_beside_the_configuration_at_home_and_anywhere(tmp_path: Path) -> None:
    (tmp_path / "conf").mkdir()
    write(tmp_path / "conf" / "a", "beside\n")
    write(tmp_path / "b", "at home\n")
    secrets = snapshot(tmp_path / "conf", "${file:a} ${file:~/b}", f"${{file:{tmp_path}/b}}", HOME=str(tmp_path))
    assert secrets.found == {file("a"): "beside", file("~/b"): "at home", file(f"{tmp_path}/b"): "at home"}
    assert secrets.files == {tmp_path / "conf" / "a", tmp_path / "b"}
    assert secrets.lost == {}


def test_a_credential_stands_where_the_service_manager_put_it(tmp_path: Path) -> None:
    write(tmp_path / "openai").chmod(0o444)
    secrets = snapshot(tmp_path, "${credential:openai}", CREDENTIALS_DIRECTORY=str(tmp_path))
    assert secrets.found == {credential("openai"): SECRET}
    assert secrets.files == {tmp_path / "openai"}


@pytest.mark.parametrize(
    ("name", "directory", "why"),
    [
        ("openai", "", "CREDENTIALS_DIRECTORY is not set"),
        ("openai", "relative", "is not the name of a credential"),
        ("../openai", "/etc", "is not the name of a credential"),
        ("a/b", "/etc", "is not the name of a credential"),
        ("", "/etc", "is not the name of a credential"),
        ("openai", "/nowhere", "there is no file /nowhere/openai"),
    ],
)
def test_a_credential_that_is_not_there_is_told(tmp_path: Path, name: str, directory: str, why: str) -> None:
    secrets = snapshot(tmp_path, f"${{credential:{name}}}", CREDENTIALS_DIRECTORY=directory)
    assert secrets.found == {}
    assert why in secrets.lost[credential(name)]


def test_programs_are_asked_at_once(tmp_path: Path) -> None:
    commands = {name: printer(tmp_path, name, f"sleep 0.5; echo {name}") for name in "abcd"}
    began = time.monotonic()
    secrets = snapshot(tmp_path, *(f"${{command:{name}}}" for name in "abcd"), commands=commands)
    assert time.monotonic() - began < 1.8
    assert secrets.found == {command(name): name for name in "abcd"}


def test_each_program_is_asked_once(tmp_path: Path) -> None:
    commands = {"a": printer(tmp_path, "a", f"echo x >> {tmp_path}/asked; wc -l < {tmp_path}/asked")}
    secrets = snapshot(tmp_path, "${command:a} ${command:a}", "${command:a}", commands=commands)
    assert secrets.found == {command("a"): "1"}


def test_what_is_known_of_a_program_is_not_asked_again_unless_it_is_another_program(tmp_path: Path) -> None:
    commands = {"a": printer(tmp_path, "a", f"echo x >> {tmp_path}/asked; wc -l < {tmp_path}/asked")}
    first = snapshot(tmp_path, "${command:a}", commands=commands)
    again = snapshot(tmp_path, "${command:a}", commands=commands, known=first)
    assert again == first
    other = {"a": {**commands["a"], "timeoutSeconds": 5}}
    assert snapshot(tmp_path, "${command:a}", commands=other, known=first).found == {command("a"): "2"}
    gone = snapshot(tmp_path, "${command:a}", known=first)
    assert gone.found == {}


def test_a_program_that_told_nothing_is_asked_again_where_that_is_wanted(tmp_path: Path) -> None:
    commands = {
        "a": printer(tmp_path, "a", f"echo x >> {tmp_path}/asked; test $(wc -l < {tmp_path}/asked) = 2 && echo b")
    }
    first = snapshot(tmp_path, "${command:a}", commands=commands)
    assert list(first.lost) == [command("a")]
    assert snapshot(tmp_path, "${command:a}", commands=commands, known=first) == first
    assert snapshot(tmp_path, "${command:a}", commands=commands, known=first.without_lost()).found == {
        command("a"): "b"
    }


def test_files_are_always_read_again(tmp_path: Path) -> None:
    write(tmp_path / "a")
    first = snapshot(tmp_path, "${file:a}")
    write(tmp_path / "a", "another")
    assert snapshot(tmp_path, "${file:a}", known=first) != first


def test_what_cannot_be_had_is_told_beside_what_can(tmp_path: Path) -> None:
    write(tmp_path / "a")
    commands = {"openai": printer(tmp_path, "b", "exit 1")}
    secrets = snapshot(tmp_path, "${file:a} ${file:no} ${command:openai} ${command:opnai} ${file:}", commands=commands)
    assert secrets.found == {file("a"): SECRET}
    assert "there is no file" in secrets.lost[file("no")]
    assert "exit code 1" in secrets.lost[command("openai")]
    assert secrets.lost[command("opnai")].endswith('did you mean "openai"?')
    assert "the path of a file is missing" in secrets.lost[file("")]
    assert tmp_path / "no" in secrets.files, "so that it is noticed when it comes"


def test_of_one_section_only_its_own_are_looked_up(tmp_path: Path) -> None:
    write(tmp_path / "a")
    values = {"gateway": "${file:a}", "providers": {"openai": "${file:no}"}}
    secrets = gather(values, SecretsSettings(), tmp_path, {}, section="gateway")
    assert (secrets.found, secrets.lost) == ({file("a"): SECRET}, {})


def test_the_files_that_a_document_names_are_known_without_reading_them(tmp_path: Path) -> None:
    values = {"a": ["${file:x}", "${credential:y}", "${command:z}"]}
    environ = {"CREDENTIALS_DIRECTORY": "/run/credentials"}
    assert files_named(values, tmp_path, environ) == {tmp_path / "x", Path("/run/credentials/y")}


def test_a_program_may_be_named_by_the_environment_and_by_no_secret(tmp_path: Path) -> None:
    values = {"secrets": {"commands": {"a": {"command": ["${BIN}/pass", "${file:x}"]}}}}
    findings = Findings()
    settings = read_settings(values, {"BIN": "/usr/bin"}, findings)
    assert settings == SecretsSettings({"a": SecretCommand(("/usr/bin/pass", "${file:x}"))})
    (problem,) = findings.problems
    assert problem.path == "$.secrets.commands.a.command[1]"
    assert "can be read by every user" in problem.what


@pytest.mark.parametrize("section", [5, {"commands": {"a": {"command": ["relative"]}}}])
def test_a_section_that_does_not_validate_is_left_to_those_who_read_all_of_it(section: object) -> None:
    findings = Findings()
    assert read_settings(json.loads(json.dumps({"secrets": section})), {}, findings) is None
    assert findings == Findings()
