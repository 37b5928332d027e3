from __future__ import annotations

import errno
import json
import os
import sys
from pathlib import Path

import pytest
import trio

from xopc.config.findings import Findings
from xopc.config.load import MAX_BYTES, Document, load_document, settings_in
from xopc.contracts.auth import AuthMode
from xopc.contracts.errors import ConfigError, Problem
from xopc.contracts.settings.file import BindMode, Settings


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "xopc.json"


def load(file: Path, document: object, **environ: str) -> tuple[Settings, Findings]:
    file.write_text(json.dumps(document))
    findings = Findings()
    return settings_in(load_document(file), environ, findings), findings


def test_a_missing_file_gives_the_defaults(file: Path) -> None:
    findings = Findings()
    assert load_document(file) is None
    assert settings_in(load_document(file), {}, findings) == Settings()
    assert findings == Findings()


@pytest.mark.parametrize("document", [None, {}, {"gateway": {}}, {"commands": {"restart": False}}])
def test_a_profile_has_a_port_of_its_own_where_the_file_names_none(file: Path, document: object) -> None:
    if document is not None:
        file.write_text(json.dumps(document))
    for profile, port in (("default", 18790), ("dev", 19001), ("rescue", 21401)):
        assert settings_in(load_document(file), {"XOPC_PROFILE": profile}, Findings()).gateway.port == port


def test_the_port_of_the_file_outranks_that_of_the_profile(file: Path) -> None:
    settings, _ = load(file, {"gateway": {"port": 18790}}, XOPC_PROFILE="dev")
    assert settings.gateway.port == 18790


def test_every_key_is_read(file: Path) -> None:
    document = {
        "gateway": {
            "bind": "custom",
            "customBindHost": "127.0.0.2",
            "host": "127.0.0.1",
            "port": 18791,
            "auth": {"mode": "token", "token": "a-token-of-the-tests"},
        },
        "commands": {"restart": False},
    }
    settings, findings = load(file, document)
    assert settings.gateway.bind is BindMode.CUSTOM
    assert settings.gateway.custom_bind_host == "127.0.0.2"
    assert settings.gateway.host == "127.0.0.1"
    assert settings.gateway.port == 18791
    assert settings.gateway.auth.mode is AuthMode.TOKEN
    assert settings.gateway.auth.token == "a-token-of-the-tests"
    assert settings.commands.restart is False
    assert findings == Findings()


def test_comments_and_a_byte_order_mark_are_read(file: Path) -> None:
    file.write_bytes(b"\xef\xbb\xbf// mine\n{gateway: {port: 18791}}")
    assert load_document(file) == Document({"gateway": {"port": 18791}}, plain=False)


def test_a_variable_in_the_file_is_the_secret(file: Path) -> None:
    document = {"gateway": {"auth": {"token": "${XOPC_GATEWAY_TOKEN}"}}}
    settings, findings = load(file, document, XOPC_GATEWAY_TOKEN="a-token-of-the-tests")
    assert settings.gateway.auth.token == "a-token-of-the-tests"
    assert findings == Findings()


def test_all_problems_of_a_file_are_found_together(file: Path) -> None:
    document = {
        "gateway": {"port": "18790", "bind": "lann", "auth": {"token": "${MISSING}", "mode": 5}},
        "commands": {"restart": "yes"},
    }
    settings, findings = load(file, document)
    assert settings == Settings()
    assert {problem.path for problem in findings.problems} == {
        "$.gateway.port",
        "$.gateway.bind",
        "$.gateway.auth.token",
        "$.gateway.auth.mode",
        "$.commands.restart",
    }


def test_a_port_as_text_is_refused_with_its_path(file: Path) -> None:
    _, findings = load(file, {"gateway": {"port": "18790"}})
    assert findings.problems == [Problem("$.gateway.port", "must be a whole number, not a text of length 5")]


@pytest.mark.parametrize("port", [0, -1, 65536])
def test_a_port_out_of_range_is_refused(file: Path, port: int) -> None:
    _, findings = load(file, {"gateway": {"port": port}})
    assert findings.problems == [Problem("$.gateway.port", "must be 1 to 65535")]


def test_unknown_keys_are_warnings_and_what_is_meant_is_guessed(file: Path) -> None:
    document = {"gatway": {}, "gateway": {"prot": 1, "auth": {"Token": "x"}}, "zebra": 1}
    settings, findings = load(file, document)
    assert settings == Settings()
    assert findings.problems == []
    assert findings.warnings == [
        '$.gatway: unknown key; did you mean "gateway"?',
        '$.gateway.prot: unknown key; did you mean "port"?',
        '$.gateway.auth.Token: unknown key; did you mean "token"?',
        "$.zebra: unknown key",
    ]


def test_a_mistake_beside_a_secret_does_not_tell_it(file: Path) -> None:
    secret = "correct-horse-battery-staple"
    document = {"gateway": {"auth": {"mode": secret, "token": [secret], "password": {"is": secret}}}}
    _, findings = load(file, document)
    assert len(findings.problems) == 3
    assert secret not in str(findings)


def test_invalid_json_is_refused_with_line_and_column(file: Path) -> None:
    file.write_text('{\n  "gateway": {\n    "port": 1 "bind": "lan"\n  }\n}')
    with pytest.raises(ConfigError) as caught:
        load_document(file)
    assert caught.value.source == str(file)
    assert str(caught.value) == f"{file}\n  is not JSON: line 3, column 15: expecting ',' delimiter"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"[]", "must hold an object"),
        (b"", "is empty"),
        (b'{"a":\n "caf\xe9"}', "is not UTF-8: line 2, column 6: save the file as UTF-8"),
        (b'\xef\xbb\xbf{"a": "\xff"}', "is not UTF-8: line 1, column 8"),
        ('{"a": 1}'.encode("utf-16"), "is not UTF-8: line 1, column 1"),
        ('{"a": 1}'.encode("utf-16-le"), "line 1, column 2: a NUL"),
        (b" " * (MAX_BYTES + 1), "is larger than 4194304 bytes"),
    ],
)
def test_a_file_that_is_no_configuration_is_refused(file: Path, content: bytes, message: str) -> None:
    file.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        load_document(file)
    assert message in str(caught.value)


def test_a_directory_and_a_pipe_are_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe"):
        with pytest.raises(ConfigError, match="is not a regular file"):
            load_document(path)


def test_a_file_that_cannot_be_reached_is_refused_with_the_reason(tmp_path: Path, file: Path) -> None:
    file.write_text("{}")
    loop = tmp_path / "loop.json"
    loop.symlink_to(loop)
    for path, reason in (
        (file / "below", "Not a directory"),
        (loop, "Too many levels"),
        (tmp_path / ("x" * 300), "too long"),
    ):
        with pytest.raises(ConfigError, match=reason) as caught:
            load_document(path)
        assert "XOPC_CONFIG_PATH" in str(caught.value)


def test_a_failing_disk_is_no_mistake_in_the_configuration(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_text("{}")

    def fail(_: Path) -> bytes:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(Path, "read_bytes", fail)
    with pytest.raises(OSError, match="Input/output error"):
        load_document(file)


async def test_plain_json_is_read_without_the_weight_of_json5(file: Path) -> None:
    await trio.Path(file).write_text("{}")
    code = "import sys, pathlib, xopc.config.load as l; l.load_document(pathlib.Path(sys.argv[1])); print(*sys.modules)"
    process = await trio.run_process([sys.executable, "-c", code, str(file)], capture_stdout=True)
    assert "json5" not in process.stdout.decode().split()
