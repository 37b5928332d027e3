from __future__ import annotations

import errno
import json
import os
import threading
from hashlib import sha256
from pathlib import Path

import pytest

from tests.fakes.certificates import Authority
from xopc.config.resolve import Flags, Resolved, resolve
from xopc.config.setup import generate_token, prepare
from xopc.contracts.auth import Auth, AuthMode, SecretSource
from xopc.contracts.errors import ConfigError

TOKEN = "a-token-of-the-tests"


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    return {"HOME": str(tmp_path)}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where the configuration stands; its directory is there, as after the first run."""
    (tmp_path / ".xopc").mkdir(mode=0o700)
    return tmp_path / ".xopc" / "xopc.json"


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def in_memory(configuration: Resolved) -> bool:
    """Whether the token is the generated one, and is handed on because no file holds it."""
    auth, flags = configuration.auth, configuration.flags
    return auth.source is SecretSource.GENERATED and flags.token == auth.secret


def test_the_first_run_makes_all_that_a_gateway_needs(tmp_path: Path, environ: dict[str, str]) -> None:
    configuration = prepare(environ, Flags())
    state = tmp_path / ".xopc"
    token = configuration.auth.secret
    assert token is not None
    assert len(token) == 48
    assert configuration.first_run
    assert configuration.auth.source is SecretSource.GENERATED
    assert configuration.flags == Flags(generated=sha256(token.encode()).hexdigest())
    assert configuration.warnings == ()
    assert json.loads((state / "xopc.json").read_text()) == {"gateway": {"auth": {"token": token}}}
    assert mode(state / "xopc.json") == 0o600
    assert mode(state) == mode(state / "workspace") == 0o700
    assert {path.name for path in state.iterdir()} == {"xopc.json", "workspace"}


def test_the_next_start_finds_the_generated_token(environ: dict[str, str]) -> None:
    first = prepare(environ, Flags())
    second = prepare(environ, Flags())
    assert second.auth == Auth(AuthMode.TOKEN, first.auth.secret, SecretSource.CONFIG)
    assert not second.first_run
    assert resolve(environ, Flags()).auth == second.auth


@pytest.mark.parametrize(
    ("variables", "flags"),
    [
        ({"XOPC_GATEWAY_TOKEN": TOKEN}, Flags()),
        ({}, Flags(token=TOKEN)),
        ({"XOPC_GATEWAY_AUTH_MODE": "password", "XOPC_GATEWAY_PASSWORD": "open sesame"}, Flags()),
        ({"XOPC_GATEWAY_AUTH_MODE": "none"}, Flags()),
    ],
)
def test_a_first_run_that_needs_no_token_writes_none(
    tmp_path: Path, environ: dict[str, str], variables: dict[str, str], flags: Flags
) -> None:
    configuration = prepare(environ | variables, flags)
    assert configuration.first_run
    assert configuration.auth.source is not SecretSource.GENERATED
    assert (tmp_path / ".xopc" / "xopc.json").read_text() == "{}\n"


def test_flags_are_not_written(tmp_path: Path, environ: dict[str, str]) -> None:
    configuration = prepare(environ, Flags(port=0, bind="lan"))
    assert (configuration.flags.port, configuration.flags.bind, configuration.flags.token) == (0, "lan", None)
    assert set(json.loads((tmp_path / ".xopc" / "xopc.json").read_text())["gateway"]) == {"auth"}


@pytest.mark.parametrize("token", [{}, {"token": None}, {"token": ""}, {"token": "  "}])
def test_a_missing_token_is_added_and_all_else_is_kept(
    file: Path, environ: dict[str, str], token: dict[str, object]
) -> None:
    document = {"mine": {"x": "${X}"}, "gateway": {"port": 18791, "auth": {"mode": "token", **token}}}
    file.write_text(before := json.dumps(document))
    configuration = prepare(environ, Flags())
    expected = {"mode": "token", "token": configuration.auth.secret}
    assert json.loads(file.read_text()) == {**document, "gateway": {"port": 18791, "auth": expected}}
    assert configuration.auth.source is SecretSource.GENERATED
    assert not configuration.first_run
    assert configuration.flags.token is None
    assert mode(file) == 0o600
    assert file.with_name("xopc.json.bak").read_text() == before


def test_comments_that_are_lost_stand_in_the_backup_and_a_warning_says_so(file: Path, environ: dict[str, str]) -> None:
    file.write_text("{\n  // mine\n  gateway: {port: 18791},\n}\n")
    configuration = prepare(environ, Flags())
    assert json.loads(file.read_text())["gateway"]["port"] == 18791
    assert "// mine" in file.with_name("xopc.json.bak").read_text()
    assert configuration.warnings == (f"{file} was written with a new token; its comments stand in xopc.json.bak",)


def test_a_complete_file_is_left_alone(file: Path, environ: dict[str, str]) -> None:
    file.write_text(text := "// mine\n{gateway: {auth: {token: 'a-token-of-the-tests'}}}")
    file.chmod(0o644)
    assert prepare(environ, Flags()).auth.secret == TOKEN
    assert file.read_text() == text
    assert {path.name for path in file.parent.iterdir()} == {"xopc.json", "workspace"}


def test_without_persisting_the_token_is_in_memory_alone(tmp_path: Path, environ: dict[str, str]) -> None:
    configuration = prepare(environ, Flags(port=0, unconfigured=True))
    assert in_memory(configuration)
    assert configuration.flags.port == 0
    assert not configuration.first_run
    assert configuration.warnings == ("the token is kept in memory alone: it is another one after the next start",)
    assert not (tmp_path / ".xopc" / "xopc.json").exists()
    assert (tmp_path / ".xopc").is_dir()


def test_whoever_resolves_again_with_the_flags_gets_the_token_in_memory(environ: dict[str, str]) -> None:
    configuration = prepare(environ, Flags(unconfigured=True))
    again = prepare(environ, configuration.flags)
    assert again.auth == Auth(AuthMode.TOKEN, configuration.auth.secret, SecretSource.GENERATED)


def test_the_processes_of_a_start_know_its_token_for_a_generated_one_and_no_other(
    file: Path, environ: dict[str, str]
) -> None:
    first = prepare(environ, Flags())
    assert prepare(environ, first.flags).auth == first.auth
    assert prepare(environ, Flags()).auth.source is SecretSource.CONFIG
    file.write_text(json.dumps({"gateway": {"auth": {"token": TOKEN}}}))
    assert prepare(environ, first.flags).auth == Auth(AuthMode.TOKEN, TOKEN, SecretSource.CONFIG)


def test_a_read_only_file_keeps_its_text_and_the_token_is_in_memory(file: Path, environ: dict[str, str]) -> None:
    file.write_text("{}")
    file.chmod(0o400)
    configuration = prepare(environ, Flags())
    assert in_memory(configuration)
    assert configuration.warnings[0] == f"{file} is read-only"
    assert file.read_text() == "{}"
    assert not file.with_name("xopc.json.bak").exists()


def test_a_reference_is_never_overwritten_with_a_token(file: Path, environ: dict[str, str]) -> None:
    file.write_text(text := json.dumps({"gateway": {"auth": {"token": "${XOPC_GATEWAY_TOKEN:-}"}}}))
    configuration = prepare(environ, Flags())
    assert in_memory(configuration)
    assert configuration.warnings[0] == f"{file} takes its token from the environment, where it is empty"
    assert file.read_text() == text


def test_a_place_that_takes_no_file_leaves_the_token_in_memory(tmp_path: Path, environ: dict[str, str]) -> None:
    (tmp_path / "gone").symlink_to(tmp_path / "nowhere")
    configuration = prepare({**environ, "XOPC_CONFIG_PATH": str(tmp_path / "gone" / "xopc.json")}, Flags())
    assert in_memory(configuration)
    assert not configuration.first_run
    assert "could not be written" in configuration.warnings[0]


def test_a_full_disk_leaves_the_token_in_memory(
    file: Path, environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    file.write_text("{}")

    def fail(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    configuration = prepare(environ, Flags())
    assert in_memory(configuration)
    assert configuration.warnings[0] == f"{file} could not be written (No space left on device)"
    assert file.read_text() == "{}"


@pytest.mark.parametrize("text", [None, "{}"])
def test_starts_at_the_same_time_end_with_a_file_that_one_of_them_wrote(
    file: Path, environ: dict[str, str], text: str | None
) -> None:
    if text is not None:
        file.write_text(text)
    results: list[Resolved] = []
    together = threading.Barrier(4)

    def start() -> None:
        together.wait(10)
        results.append(prepare(environ, Flags()))

    threads = [threading.Thread(target=start) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    secrets = {configuration.auth.secret for configuration in results}
    assert len(results) == 4
    assert resolve(environ, Flags()).auth.secret in secrets
    assert not list(file.parent.glob(".*.tmp"))
    if text is None:
        assert len(secrets) == 1
        assert [configuration.first_run for configuration in results].count(True) == 1


def test_a_refused_configuration_changes_nothing_on_disk(tmp_path: Path, environ: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match="too short"):
        prepare(environ, Flags(token="short"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("variable", "place"), [("XOPC_STATE_DIR", "file/state"), ("XOPC_WORKSPACE", "file")])
def test_a_directory_that_cannot_be_made_is_refused_with_its_variable(
    tmp_path: Path, environ: dict[str, str], variable: str, place: str
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=f"{variable}: cannot make the directory"):
        prepare({**environ, "XOPC_CONFIG_PATH": str(tmp_path / "xopc.json"), variable: str(tmp_path / place)}, Flags())


def test_a_workspace_that_cannot_be_made_is_refused_with_its_key(tmp_path: Path, environ: dict[str, str]) -> None:
    (tmp_path / "file").touch()
    config = tmp_path / "xopc.json"
    config.write_text('{"agents": {"defaults": {"workspace": "file/desk"}}}')
    with pytest.raises(ConfigError, match=r"\$\.agents\.defaults\.workspace: cannot make the directory"):
        prepare({**environ, "XOPC_CONFIG_PATH": str(config)}, Flags())


def test_a_disk_without_room_for_a_directory_is_no_mistake_in_the_configuration(
    environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "mkdir", fail)
    with pytest.raises(OSError, match="No space left on device"):
        prepare(environ, Flags())


def test_the_certificate_is_loaded_and_one_that_expires_soon_is_a_warning(
    tmp_path: Path, environ: dict[str, str], file: Path
) -> None:
    pair = Authority(tmp_path).issue(days=3)
    file.write_text(json.dumps({"gateway": {"tls": {"certPath": "../gateway.pem", "keyPath": "~/gateway.key"}}}))
    assert resolve(environ, Flags()).certificate is None
    configuration = prepare(environ, Flags())
    assert configuration.certificate is not None
    assert configuration.certificate.leaf in pair.certificate.read_text()
    (warning,) = configuration.warnings
    assert warning.startswith("$.gateway.tls.certPath: the certificate expires on ")


def test_a_certificate_that_does_not_serve_is_refused_before_anything_changes(
    tmp_path: Path, environ: dict[str, str], file: Path
) -> None:
    authority = Authority(tmp_path)
    tls = {"certPath": str(authority.issue().certificate), "keyPath": str(authority.issue("other").key)}
    file.write_text(json.dumps({"gateway": {"tls": tls}}))
    with pytest.raises(ConfigError, match=r"\$\.gateway\.tls\.certPath: the key in .* does not belong"):
        prepare(environ, Flags())
    assert json.loads(file.read_text()) == {"gateway": {"tls": tls}}
    assert list(file.parent.iterdir()) == [file]


def test_generated_tokens_differ() -> None:
    assert len({generate_token() for _ in range(100)}) == 100
