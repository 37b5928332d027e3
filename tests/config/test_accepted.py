from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from xopc.config.accepted import keep_accepted, resolve_or_accepted
from xopc.config.resolve import Flags, Resolved, resolve
from xopc.config.setup import prepare
from xopc.contracts.auth import Auth, AuthMode, SecretSource
from xopc.contracts.errors import ConfigError, LostSecretError

TOKEN = "a-token-of-the-tests"
DOCUMENT = {"gateway": {"port": 18791, "auth": {"token": TOKEN}}}


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    return {"HOME": str(tmp_path)}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / ".xopc").mkdir(mode=0o700)
    return tmp_path / ".xopc" / "xopc.json"


@pytest.fixture
def accept(environ: dict[str, str], file: Path) -> Callable[..., Resolved]:
    """Lets a configuration take effect, and keeps it."""

    def accept(document: object = DOCUMENT) -> Resolved:
        file.write_text(document if isinstance(document, str) else json.dumps(document))
        resolved = prepare(environ, Flags())
        assert keep_accepted(resolved) is None
        return resolved

    return accept


Accept = Callable[..., Resolved]


def kept(file: Path) -> Path:
    [copy] = (file.parent / "accepted").iterdir()
    return copy


def test_what_is_kept_is_the_text_and_for_the_owner_alone(file: Path, accept: Accept) -> None:
    resolved = accept(text := "// mine\n{gateway: {auth: {token: '${XOPC_GATEWAY_TOKEN:-a-token-of-the-tests}'}}}")
    assert resolved.auth.secret == TOKEN
    assert kept(file) == resolved.paths.accepted
    assert kept(file).read_text() == text
    assert kept(file).stat().st_mode & 0o777 == 0o600
    assert kept(file).parent.stat().st_mode & 0o777 == 0o700


def test_an_edit_between_reading_and_keeping_is_not_kept(file: Path, environ: dict[str, str]) -> None:
    file.write_text(json.dumps(DOCUMENT))
    resolved = prepare(environ, Flags())
    file.write_text("{ half an edit")
    assert keep_accepted(resolved) is None
    assert json.loads(kept(file).read_text()) == DOCUMENT


def test_the_same_configuration_is_not_written_again(file: Path, accept: Accept) -> None:
    accept()
    before = kept(file).stat()
    accept()
    assert (kept(file).stat().st_ino, kept(file).stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    accept({**DOCUMENT, "commands": {"restart": False}})
    assert json.loads(kept(file).read_text())["commands"] == {"restart": False}


def test_a_configuration_without_a_file_is_kept_as_an_empty_one(file: Path, environ: dict[str, str]) -> None:
    assert keep_accepted(resolve(environ, Flags(token=TOKEN))) is None
    assert kept(file).read_text() == "{}\n"


def test_a_copy_that_cannot_be_written_is_a_warning(
    file: Path, environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    file.write_text(json.dumps(DOCUMENT))
    resolved = prepare(environ, Flags())

    def fail(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    warning = keep_accepted(resolved)
    assert warning is not None
    assert warning.startswith(f"{resolved.paths.accepted} could not be written (No space left on device)")
    assert list(resolved.paths.accepted.parent.iterdir()) == []


@pytest.mark.parametrize(
    ("broken", "problem"),
    [
        ('{"gateway": {"port": "18790"}}', "$.gateway.port: must be a whole number, not a text of length 5"),
        ("{", "is not JSON: line 1, column 2: expecting property name enclosed in double quotes"),
        ('{"gateway": {"auth": {"token": "short"}}}', "$.gateway.auth.token: "),
    ],
)
def test_a_broken_file_gives_way_to_the_copy_and_a_warning_tells(
    file: Path, environ: dict[str, str], accept: Accept, broken: str, problem: str
) -> None:
    accept()
    os.utime(kept(file), (0, 1_767_323_045))
    file.write_text(broken)
    with pytest.raises(ConfigError):
        prepare(environ, Flags())
    resolved = prepare(environ, Flags(), use_accepted=True)
    assert resolved.port == 18791
    assert resolved.auth == Auth(AuthMode.TOKEN, TOKEN, SecretSource.CONFIG)
    assert resolved.refusal is not None
    assert resolved.refusal.startswith(f"{file} does not validate ({problem}")
    assert resolved.refusal.endswith(
        "; serving with the copy of 2026-01-02 03:04 UTC that was last accepted. Mend the file, and it takes effect"
    )
    assert resolved.warnings == (resolved.refusal,)
    assert file.read_text() == broken


def test_a_generation_that_serves_with_the_copy_leaves_it_as_it_is(
    file: Path, environ: dict[str, str], accept: Accept
) -> None:
    accept()
    before = kept(file).stat().st_mtime_ns
    file.write_text("broken")
    assert keep_accepted(prepare(environ, Flags(), use_accepted=True)) is None
    assert json.loads(kept(file).read_text()) == DOCUMENT
    assert kept(file).stat().st_mtime_ns == before


def test_a_file_that_was_mended_is_in_force_again(file: Path, environ: dict[str, str], accept: Accept) -> None:
    accept()
    file.write_text(json.dumps({**DOCUMENT, "commands": {"restart": False}}))
    resolved = prepare(environ, Flags(), use_accepted=True)
    assert resolved.refusal is None
    assert resolved.warnings == ()
    assert resolved.settings.commands.restart is False


def test_without_a_copy_the_refusal_says_both(file: Path, environ: dict[str, str]) -> None:
    file.write_text('{"gateway": {"port": "x", "bind": 5}}')
    with pytest.raises(ConfigError) as caught:
        prepare(environ, Flags(), use_accepted=True)
    lines = caught.value.message.splitlines()
    assert lines[0] == str(file)
    assert {line.partition(":")[0] for line in lines[1:3]} == {"  $.gateway.port", "  $.gateway.bind"}
    assert lines[3].startswith(f"  {file.parent}/accepted/")
    assert lines[3].endswith(
        "the last accepted copy is of no help: there is none, since no configuration has taken effect yet"
    )


def test_a_copy_that_does_not_validate_today_is_told_with_its_own_problem(file: Path, environ: dict[str, str]) -> None:
    file.write_text('{"gateway": {"auth": {"token": "${XOPC_GATEWAY_TOKEN}"}}}')
    keep_accepted(prepare({**environ, "XOPC_GATEWAY_TOKEN": TOKEN}, Flags()))
    file.write_text("[]")
    with pytest.raises(ConfigError) as caught:
        prepare(environ, Flags(), use_accepted=True)
    assert "must hold an object" in caught.value.message
    assert "of no help: $.gateway.auth.token: the environment variable XOPC_GATEWAY_TOKEN is" in caught.value.message


def test_references_in_the_copy_take_today_s_environment(file: Path, environ: dict[str, str]) -> None:
    file.write_text('{"gateway": {"auth": {"token": "${XOPC_GATEWAY_TOKEN}"}}}')
    keep_accepted(prepare({**environ, "XOPC_GATEWAY_TOKEN": TOKEN}, Flags()))
    assert TOKEN not in kept(file).read_text()
    file.write_text("[]")
    resolved = prepare({**environ, "XOPC_GATEWAY_TOKEN": "another-token-of-the-tests"}, Flags(), use_accepted=True)
    assert resolved.auth.secret == "another-token-of-the-tests"


def test_a_generated_token_works_with_the_copy_too(file: Path, environ: dict[str, str], accept: Accept) -> None:
    first = accept({})
    assert first.auth.source is SecretSource.GENERATED
    file.write_text("broken")
    assert prepare(environ, Flags(), use_accepted=True).auth.secret == first.auth.secret


def test_a_token_in_memory_is_handed_on_and_no_file_is_touched(file: Path, environ: dict[str, str]) -> None:
    file.write_text("{}")
    first = prepare(environ, Flags(unconfigured=True))
    keep_accepted(first)
    file.write_text("broken")
    assert prepare(environ, first.flags, use_accepted=True).auth.secret == first.auth.secret
    alone = prepare(environ, Flags(), use_accepted=True)
    assert alone.auth.source is SecretSource.GENERATED
    assert file.read_text() == "broken"
    assert kept(file).read_text() == "{}"


def test_another_configuration_has_a_copy_of_its_own(
    tmp_path: Path, file: Path, environ: dict[str, str], accept: Accept
) -> None:
    accept()
    other = tmp_path / "other.json"
    other.write_text("broken")
    with pytest.raises(ConfigError, match="there is none"):
        resolve_or_accepted({**environ, "XOPC_CONFIG_PATH": str(other)}, Flags())
    other.write_text(json.dumps({"gateway": {"port": 18792, "auth": {"token": TOKEN}}}))
    keep_accepted(prepare({**environ, "XOPC_CONFIG_PATH": str(other)}, Flags()))
    assert len(list((file.parent / "accepted").iterdir())) == 2


def test_a_failing_disk_is_not_taken_for_a_broken_configuration(
    environ: dict[str, str], accept: Accept, monkeypatch: pytest.MonkeyPatch
) -> None:
    accept()

    def fail(_: Path) -> bytes:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(Path, "read_bytes", fail)
    with pytest.raises(OSError, match="Input/output error"):
        prepare(environ, Flags(), use_accepted=True)


def test_what_was_read_is_not_shown(accept: Accept) -> None:
    assert TOKEN not in repr(accept())


def test_a_secret_that_cannot_be_had_for_now_is_waited_for_after_a_crash_and_refused_at_a_first_start(
    accept: Accept, environ: dict[str, str], file: Path
) -> None:
    token = file.with_name("token")
    token.write_text(TOKEN)
    token.chmod(0o600)
    accept({"gateway": {"auth": {"token": "${file:token}"}}})
    token.unlink()
    with pytest.raises(LostSecretError):
        resolve(environ, Flags())
    with pytest.raises(OSError, match="there is no file"):
        resolve_or_accepted(environ, Flags())


def test_a_new_reference_that_leads_nowhere_does_not_keep_the_copy_from_serving(
    accept: Accept, environ: dict[str, str], file: Path
) -> None:
    accept()
    file.write_text(json.dumps({"gateway": {"auth": {"token": "${file:no}"}}}))
    resolved = resolve_or_accepted(environ, Flags())
    assert resolved.auth.secret == TOKEN
    assert "there is no file" in str(resolved.refusal)
