from __future__ import annotations

import errno
import json
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from hypothesis import HealthCheck, given, settings, strategies as st

from xopc.config.edit import ATTEMPTS, Editor
from xopc.config.resolve import Flags, resolve
from xopc.config.write import text_of
from xopc.contracts.convert import JsonObject
from xopc.contracts.errors import ConfigError, Failure, XopcError

TOKEN = "an-invented-token-0123456789"
ENVIRON = {"AN_INVENTED_TOKEN": TOKEN}


def hides(name: str, _: str) -> bool:
    return "secret" in name.lower()


class Desk:
    """A home with a configuration file, and an editor of it."""

    def __init__(self, home: Path, **environ: str) -> None:
        self.environ = {"HOME": str(home), **ENVIRON, **environ}
        self.file = home / ".xopc" / "xopc.json"
        self.told: list[str | None] = []
        self.file.parent.mkdir(exist_ok=True)

    def write(self, document: object) -> Desk:
        self.file.write_text(document if isinstance(document, str) else json.dumps(document))
        return self

    def editor(self) -> Editor:
        return Editor(resolve(self.environ, Flags()), self.environ, Flags(), self.told.append)

    def change(self, patch: JsonObject) -> JsonObject:
        return self.editor().change(patch, hides).config

    @property
    def content(self) -> Any:  # noqa: ANN401 - JSON
        return json.loads(self.file.read_text())

    def names(self) -> set[str]:
        return {path.name for path in self.file.parent.iterdir()}


@pytest.fixture
def desk(home: Path) -> Desk:
    return Desk(home).write({"gateway": {"auth": {"token": "${AN_INVENTED_TOKEN}"}}, "ext": {"city": "Oslo"}})


def refused(desk: Desk, patch: JsonObject, failure: Failure, *, editor: Editor | None = None) -> str:
    """The message of a change that is refused and changes nothing."""
    before, names = desk.file.read_bytes(), desk.names()
    editor = editor or desk.editor()
    with pytest.raises(XopcError) as caught:
        editor.change(patch, hides)
    assert caught.value.failure is failure
    assert (desk.file.read_bytes(), desk.names()) == (before, names)
    assert TOKEN not in caught.value.message
    assert str(desk.file) not in caught.value.message
    return caught.value.message


# -------------------------------------------------------------------- shown


def test_the_port_of_the_profile_is_shown_and_sent_back_is_no_change(home: Path) -> None:
    desk = Desk(home, XOPC_PROFILE="rescue", XOPC_STATE_DIR=str(home / ".xopc")).write({"commands": {"restart": False}})
    shown = desk.editor().view(hides)
    assert shown["gateway"]["port"] == 21401
    desk.change({"gateway": {"port": 21401}})
    assert desk.content == {"commands": {"restart": False}}
    assert desk.change({"gateway": {"port": 18790}})["gateway"]["port"] == 18790
    assert desk.change({"gateway": {"port": None}})["gateway"]["port"] == 21401


def test_the_file_is_shown_as_it_is_now(desk: Desk) -> None:
    editor = desk.editor()
    assert editor.view(hides)["gateway"]["auth"]["token"] == "***"
    desk.write({"gateway": {"port": 1234}})
    assert editor.view(hides)["gateway"]["port"] == 1234


@pytest.mark.parametrize("broken", ["{", '{"gateway": {"port": 0}}', '{"gateway": {"auth": {"token": "${NOT_SET}"}}}'])
def test_where_the_file_does_not_validate_what_is_in_force_is_shown(desk: Desk, broken: str) -> None:
    desk.write({"gateway": {"port": 1234}})
    editor = desk.editor()
    desk.write(broken)
    assert editor.view(hides)["gateway"]["port"] == 1234


def test_without_a_file_the_defaults_are_shown(desk: Desk) -> None:
    desk.file.unlink()
    editor = desk.editor()
    assert editor.view(hides)["gateway"]["port"] == 18790
    desk.write("{")
    assert editor.view(hides)["gateway"]["port"] == 18790


# ------------------------------------------------------------------ changed


def test_a_change_is_written_into_what_the_file_says(desk: Desk) -> None:
    shown = desk.change({"gateway": {"port": 1234}})
    assert desk.content == {
        "gateway": {"auth": {"token": "${AN_INVENTED_TOKEN}"}, "port": 1234},
        "ext": {"city": "Oslo"},
    }
    assert shown == desk.editor().view(hides)
    assert desk.file.stat().st_mode & 0o777 == 0o600
    assert desk.names() == {"xopc.json", "xopc.json.bak"}
    assert desk.told == [None]


def test_without_a_file_one_is_made(desk: Desk) -> None:
    desk.file.unlink()
    desk.change({"gateway": {"port": 1234}})
    assert desk.content == {"gateway": {"port": 1234}}
    assert desk.names() == {"xopc.json"}


def test_comments_are_kept_in_the_backup(desk: Desk) -> None:
    text = '{\n  // mine\n  gateway: {auth: {token: "${AN_INVENTED_TOKEN}"}},\n}\n'
    desk.write(text)
    desk.change({"gateway": {"port": 1234}})
    assert desk.content["gateway"]["port"] == 1234
    assert desk.file.with_name("xopc.json.bak").read_text() == text


def test_what_changes_nothing_is_not_written(desk: Desk) -> None:
    before = desk.file.stat()
    editor = desk.editor()
    for patch in ({}, editor.view(hides), {"gateway": {"port": 18790}}):
        assert editor.change(patch, hides).after is None
    after = desk.file.stat()
    assert (after.st_mtime_ns, after.st_ino, desk.names()) == (before.st_mtime_ns, before.st_ino, {"xopc.json"})


def test_true_in_the_place_of_one_is_a_change(desk: Desk) -> None:
    desk.write({"ext": 1})
    desk.change({"ext": True})
    assert desk.content == {"ext": True}


def test_what_was_edited_by_hand_meanwhile_is_kept(desk: Desk) -> None:
    editor = desk.editor()
    desk.write({**desk.content, "commands": {"restart": False}})
    editor.change({"gateway": {"port": 1234}}, hides)
    assert desk.content["commands"] == {"restart": False}
    assert desk.content["gateway"]["port"] == 1234


def test_an_edit_between_reading_and_writing_is_kept_too(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    edits = iter(range(2))
    meddle(desk, monkeypatch, lambda: next(edits, None) is not None)
    desk.change({"gateway": {"port": 1234}})
    assert desk.content["ext"] == {"city": "Oslo", "hand": "xx"}
    assert desk.content["gateway"]["port"] == 1234


def test_a_file_that_never_stays_the_same_is_given_up(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    meddle(desk, monkeypatch, lambda: True)
    with pytest.raises(XopcError) as caught:
        desk.change({"gateway": {"port": 1234}})
    assert caught.value.failure is Failure.CONFLICT
    assert desk.content["ext"]["hand"] == "x" * ATTEMPTS
    assert "port" not in desk.content["gateway"]


def meddle(desk: Desk, monkeypatch: pytest.MonkeyPatch, wants: Callable[[], bool]) -> None:
    """Somebody edits the file whenever the new one is about to be written."""

    def edit_first(values: JsonObject) -> bytes:
        if wants():
            hand = desk.content["ext"].get("hand", "") + "x"
            desk.write({**desk.content, "ext": {**desk.content["ext"], "hand": hand}})
        return text_of(values)

    monkeypatch.setattr("xopc.config.edit.text_of", edit_first)


def test_changes_at_once_are_all_in_the_file(desk: Desk) -> None:
    desk.write({"ext": {}})
    editors = [desk.editor() for _ in range(8)]  # each generation has its own
    threads = [
        threading.Thread(target=editor.change, args=({"ext": {f"key{number}": number}}, hides))
        for number, editor in enumerate(editors)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert desk.content == {"ext": {f"key{number}": number for number in range(8)}}


# ------------------------------------------------------------------ refused


@pytest.mark.parametrize(
    ("gateway", "problem"),
    [
        ({"port": 0}, "$.gateway.port: must be 1 to 65535"),
        ({"port": "1"}, "$.gateway.port: must be a whole number, not a text of length 1"),
        ({"prot": 1}, '$.gateway.prot: unknown key; did you mean "port"?'),
        ({"auth": {"token": "short-" + "x"}}, "$.gateway.auth.token: gateway auth token is too short"),
        ({"auth": {"token": "${NOT_SET_AT_ALL}"}}, "$.gateway.auth.token: the environment variable NOT_SET_AT_ALL"),
        ({"auth": {"password": "correct horse battery"}}, "$.gateway.auth.password: gateway.auth.token and gateway"),
        ({"auth": {"mode": "password"}}, "$.gateway.auth.password: the mode is password, but there is none"),
        ({"auth": {"token": None}}, "$.gateway.auth.token: there would be none"),
        ({"bind": "custom"}, "$.gateway.customBindHost: gateway.bind=custom requires"),
        ({"bind": "custom", "port": 0}, "$.gateway.port: must be 1 to 65535"),
    ],
)
def test_what_a_start_would_refuse_is_refused(desk: Desk, gateway: JsonObject, problem: str) -> None:
    desk.environ.pop("AN_INVENTED_TOKEN")
    desk.write({"gateway": {"auth": {"token": TOKEN}}})
    assert refused(desk, {"gateway": gateway, "agents": {"default": "ann"}}, Failure.INVALID_REQUEST).startswith(
        problem
    )


def test_all_problems_are_told_at_once(desk: Desk) -> None:
    message = refused(desk, {"gateway": {"port": 0, "standby": 1}}, Failure.INVALID_REQUEST)
    assert message == "$.gateway.port: must be 1 to 65535; $.gateway.standby: must be true or false, not a whole number"


def test_the_environment_and_the_flags_of_the_running_gateway_count(home: Path) -> None:
    desk = Desk(home, XOPC_GATEWAY_TOKEN=TOKEN).write({"ext": {}})
    message = refused(desk, {"gateway": {"auth": {"password": "correct horse battery"}}}, Failure.INVALID_REQUEST)
    assert "XOPC_GATEWAY_TOKEN" in message
    flagged = evolve(desk.editor(), flags=Flags(bind="nowhere"))
    assert refused(desk, {"ext": {"a": 1}}, Failure.INVALID_REQUEST, editor=flagged).startswith("--bind: ")


def test_a_file_whose_token_is_generated_at_each_start_may_be_changed(home: Path) -> None:
    desk = Desk(home).write({"gateway": {"auth": {"token": "${NONE:-}"}}})
    desk.change({"gateway": {"port": 1234}})
    assert desk.content == {"gateway": {"auth": {"token": "${NONE:-}"}, "port": 1234}}


def test_a_mode_without_its_token_would_lock_everybody_out(home: Path) -> None:
    desk = Desk(home).write({"gateway": {"auth": {"mode": "none"}}})
    message = refused(desk, {"gateway": {"auth": {"mode": "token"}}}, Failure.INVALID_REQUEST)
    assert message.startswith("$.gateway.auth.token: there would be none")
    desk.change({"gateway": {"auth": {"mode": "token", "token": TOKEN}}})
    assert desk.content == {"gateway": {"auth": {"mode": "token", "token": TOKEN}}}


def test_a_token_gives_way_to_a_password_in_one_go(desk: Desk) -> None:
    desk.change({"gateway": {"auth": {"mode": "password", "token": None, "password": "correct horse battery"}}})
    assert resolve(desk.environ, Flags()).auth.secret == "correct horse battery"


def test_a_broken_setting_may_be_mended(desk: Desk) -> None:
    editor = desk.editor()
    desk.write({"gateway": {"auth": {"token": TOKEN}, "port": 0}})
    refused(desk, {"ext": None, "commands": {"restart": False}}, Failure.INVALID_REQUEST, editor=editor)
    editor.change({"gateway": {"port": 18790}}, hides)
    assert desk.content == {"gateway": {"auth": {"token": TOKEN}, "port": 18790}}


def test_a_file_that_is_no_json_is_not_touched(desk: Desk) -> None:
    editor = desk.editor()
    desk.write("{\n  nonsense")
    message = refused(desk, {"gateway": {"port": 1234}}, Failure.CONFLICT, editor=editor)
    assert message.startswith("The configuration file is not JSON: line 2")


def test_a_file_that_has_gone_is_not_written_anew_from_a_patch_alone(desk: Desk) -> None:
    editor, away = desk.editor(), desk.file.with_name("away.json")
    desk.file.rename(away)
    with pytest.raises(XopcError, match="is gone") as caught:
        editor.change({"gateway": {"auth": {"token": TOKEN}}}, hides)
    assert (caught.value.failure, desk.names()) == (Failure.CONFLICT, {"away.json"})
    away.rename(desk.file)
    editor.change({"gateway": {"port": 1234}}, hides)
    assert desk.content["ext"] == {"city": "Oslo"}


def test_a_token_that_was_taken_out_by_hand_is_missed_before_anything_is_written(desk: Desk) -> None:
    editor = desk.editor()
    desk.write({"ext": {}})
    message = refused(desk, {"gateway": {"port": 1234}}, Failure.INVALID_REQUEST, editor=editor)
    assert message.startswith("$.gateway.auth.token: there would be none")


def test_a_file_that_is_read_only_is_not_touched(desk: Desk) -> None:
    desk.file.chmod(0o400)
    assert "read-only" in refused(desk, {"gateway": {"port": 1234}}, Failure.FORBIDDEN)
    assert desk.editor().change({"gateway": {"port": 18790}}, hides).after is None


def test_a_file_that_would_be_too_large_or_too_deep_is_refused(desk: Desk) -> None:
    desk.write({"ext": {"a": ["x" * 1000] * 3500}})
    assert refused(desk, {"ext": {"b": ["x" * 1000] * 1000}}, Failure.INVALID_REQUEST).startswith(
        "$: the file would be"
    )
    deep: JsonObject = {}
    for _ in range(28):
        deep = {"a": deep}
    desk.write({"ext": {"a": {"b": {"c": {}}}}})
    message = refused(desk, {"ext": {"a": {"b": {"c": {"d": deep}}}}}, Failure.INVALID_REQUEST)
    assert message == "$: is nested deeper than 32 levels"


@pytest.mark.parametrize(
    ("number", "failure"),
    [(errno.ENOSPC, Failure.UNAVAILABLE), (errno.EIO, Failure.UNAVAILABLE), (errno.EROFS, Failure.FORBIDDEN)],
)
def test_a_disk_that_fails_changes_nothing_and_is_told(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, number: int, failure: Failure
) -> None:
    def fail(_: int) -> None:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fail)
        assert os.strerror(number) in refused(desk, {"gateway": {"port": 1234}}, failure)
    if failure is Failure.UNAVAILABLE:
        assert [problem and os.strerror(number) in problem for problem in desk.told] == [True]
    desk.change({"gateway": {"port": 1234}})
    assert desk.told[-1] is None


def test_a_certificate_that_does_not_serve_is_refused_before_anything_is_written(desk: Desk) -> None:
    message = refused(
        desk, {"gateway": {"tls": {"certPath": "none.pem", "keyPath": "none.key"}}}, Failure.INVALID_REQUEST
    )
    assert message.startswith("$.gateway.tls.certPath: none.pem cannot be read")


# ------------------------------------------------------------------- undone


def test_a_change_can_be_undone(desk: Desk) -> None:
    before, editor = desk.file.read_bytes(), desk.editor()
    editor.undo(editor.change({"gateway": {"port": 1234}}, hides))
    assert desk.file.read_bytes() == before
    desk.file.unlink()
    editor = desk.editor()
    editor.undo(editor.change({"gateway": {"port": 1234}}, hides))
    assert not desk.file.exists()


def test_a_change_that_was_followed_by_another_is_not_undone(desk: Desk) -> None:
    editor = desk.editor()
    first = editor.change({"gateway": {"port": 1234}}, hides)
    editor.change({"gateway": {"standby": True}}, hides)
    editor.undo(first)
    assert desk.content["gateway"]["port"] == 1234
    editor.undo(editor.change({}, hides))
    assert desk.content["gateway"]["standby"] is True


def test_where_the_file_has_gone_there_is_nothing_to_undo(desk: Desk) -> None:
    editor = desk.editor()
    edited = editor.change({"gateway": {"port": 1234}}, hides)
    desk.file.unlink()
    editor.undo(edited)
    assert desk.told == [None]
    assert not desk.file.exists()


def test_an_undoing_that_fails_is_told(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    editor = desk.editor()
    edited = editor.change({"gateway": {"port": 1234}}, hides)

    def fail(_: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fsync", fail)
    editor.undo(edited)
    assert desk.told[-1] is not None
    assert "still in it" in desk.told[-1]


def test_messages_for_clients_name_no_path(desk: Desk) -> None:
    editor = desk.editor()
    desk.write({"gateway": {"port": 0}})
    with pytest.raises(ConfigError) as caught:
        resolve(desk.environ, Flags())
    assert editor.without_path(str(caught.value)) == "xopc.json\n  $.gateway.port: must be 1 to 65535"
    beside = editor.resolved.paths.config_path.parent / "tls" / "key.pem"
    assert editor.without_path(f"{beside} cannot be read") == "tls/key.pem cannot be read"


# ------------------------------------------------------------------- always

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3) | st.sampled_from(["***", "${AN_INVENTED_TOKEN}"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=2), inner, max_size=3),
    max_leaves=6,
)
GATEWAY = st.fixed_dictionaries(
    {},
    optional={
        "port": st.integers(0, 70_000),
        "standby": st.booleans() | st.none(),
        "auth": st.fixed_dictionaries(
            {}, optional={"token": st.sampled_from(["***", "", None, TOKEN, "${NOT_SET}"]), "mode": st.text(max_size=4)}
        ),
        "corsOrigins": st.lists(st.sampled_from(["*", "https://a.example.com", "no origin"]), max_size=2),
        "odd": JSON,
    },
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.fixed_dictionaries({}, optional={"gateway": GATEWAY, "ext": JSON, "new": JSON}), max_size=4))
def test_whatever_is_sent_the_file_stays_one_that_the_gateway_starts_with(
    desk: Desk, patches: list[JsonObject]
) -> None:
    desk.write({"gateway": {"auth": {"token": "${AN_INVENTED_TOKEN}"}}, "ext": {"city": "${AN_INVENTED_TOKEN}"}})
    editor = desk.editor()
    for patch in patches:
        before = desk.file.read_bytes()
        try:
            edited = editor.change(patch, hides)
        except XopcError as error:
            outcome = (error.failure, desk.file.read_bytes())
            assert outcome == (Failure.INVALID_REQUEST, before)
        else:
            assert edited.config == editor.view(hides)
        assert resolve(desk.environ, Flags()).auth.secret == TOKEN
        assert editor.change(editor.view(hides), hides).after is None


def test_a_change_may_name_no_program_and_no_file(desk: Desk) -> None:
    desk.write({"providers": {"openai": "${file:openai}"}, "secrets": {"commands": {"a": {"command": ["/bin/a"]}}}})
    key = desk.file.with_name("openai")
    key.write_text("an-invented-key")
    key.chmod(0o600)
    before = desk.file.read_bytes()
    told = refused(desk, {"secrets": {"commands": {"a": {"command": ["/bin/sh"]}}}}, Failure.FORBIDDEN)
    assert told.startswith("$.secrets: ")
    refused(desk, {"secrets": {"commands": {"a": None}}}, Failure.FORBIDDEN)
    for text in ("${file:~/.ssh/id_rsa}", "x ${command:a}", "${credential:x}"):
        told = refused(desk, {"agents": {"list": [{"id": "a", "systemPromptOverride": text}]}}, Failure.FORBIDDEN)
        assert told.startswith("$.agents.list[0].systemPromptOverride: refers to ")
    assert desk.file.read_bytes() == before


def test_what_refers_to_a_secret_stays_as_it_is_and_is_never_shown(desk: Desk) -> None:
    key = desk.file.with_name("openai")
    key.write_text("an-invented-key")
    key.chmod(0o600)
    desk.write({"providers": {"openai": "${file:openai}"}, "ext": {"note": "${file:openai}"}})
    shown = desk.editor().view(hides)
    assert shown["providers"] == {"openai": "***"}
    assert shown["ext"] == {"note": "${file:openai}"}
    assert desk.change({**shown, "gateway": {"port": 19999}})["gateway"]["port"] == 19999
    assert desk.content["providers"] == {"openai": "${file:openai}"}
    assert "an-invented-key" not in json.dumps(desk.change({"gateway": {"port": 19998}}))


def test_of_a_secret_that_has_gone_clients_learn_no_path(desk: Desk) -> None:
    desk.write({"providers": {"openai": "${file:/invented/place}"}})
    editor = Editor(resolve(desk.environ, Flags(), section="gateway"), desk.environ, Flags(), desk.told.append)
    told = refused(desk, {"gateway": {"port": 19999}}, Failure.INVALID_REQUEST, editor=editor)
    assert told.startswith("$.providers.openai: the secret that it refers to cannot be had")
    assert "/invented" not in told


def test_the_owner_of_the_file_may_name_programs_and_files(desk: Desk) -> None:
    key = desk.file.with_name("openai")
    key.write_text("an-invented-key")
    key.chmod(0o600)
    editor = Editor(resolve(desk.environ, Flags()), desk.environ, Flags(), desk.told.append, is_owner=True)
    editor.change({"providers": {"openai": "${file:openai}"}}, hides)
    assert desk.content["providers"] == {"openai": "${file:openai}"}
