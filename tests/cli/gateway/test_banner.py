"""What `xopc gateway` prints."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fakes.certificates import Authority
from tests.fakes.gateway import TOKEN, configure
from xopc.cli.gateway.banner import first_block, open_to_all_block, second_block
from xopc.config.resolve import Flags
from xopc.config.setup import prepare


def environ(home: Path, **more: str) -> dict[str, str]:
    return {"XOPC_HOME": str(home), **more}


def test_the_first_block(home: Path) -> None:
    configure(home, port=4711)
    block = first_block(prepare(environ(home), Flags()))
    assert (
        block == "🚀 Starting xopc gateway...\n   Bind: loopback (127.0.0.1)\n   Port: 4711\n\nPress Ctrl+C to stop\n"
    )


def test_an_address_that_is_not_there_is_told_with_the_one_that_stands_in(home: Path) -> None:
    configure(home, bind="custom", customBindHost="198.51.100.7")
    block = first_block(prepare(environ(home), Flags()))
    assert "   Bind: custom (127.0.0.1: no address 198.51.100.7 on this host)\n" in block


def test_the_second_block_leaves_the_port_to_the_supervisor(home: Path) -> None:
    configure(home)
    block = second_block(prepare(environ(home), Flags(port=0)))
    token = f"{TOKEN[:8]}...{TOKEN[-8:]}"
    assert block == f"✅ Gateway started\n   URL: http://127.0.0.1:{{port}}\n   Token: {token}"


def test_the_url_says_what_is_spoken(home: Path) -> None:
    configure(home, tls=Authority(home).issue().settings())
    assert "   URL: https://127.0.0.1:{port}\n" in second_block(prepare(environ(home), Flags(port=0)))


def test_the_first_run_is_welcomed(home: Path) -> None:
    resolved = prepare(environ(home), Flags(port=0))
    block = first_block(resolved)
    assert block.startswith(f"👋 Welcome to xopc!\n   Wrote {home / '.xopc' / 'xopc.json'}, the configuration.\n")
    assert "`xopc gateway token` prints the token" in block
    assert "   Port: any free one\n" in block
    assert resolved.auth.secret is not None
    assert resolved.auth.secret not in block + second_block(resolved)
    assert "Welcome" not in first_block(prepare(environ(home), Flags()))


def test_a_token_that_nobody_could_write_down_is_shown_once_in_full(home: Path) -> None:
    resolved = prepare(environ(home), Flags(unconfigured=True))
    assert resolved.auth.secret is not None
    assert f"Token: {resolved.auth.secret} (kept in memory alone" in second_block(resolved)
    block = first_block(resolved)
    assert "⚠️  " in block
    assert "xopc gateway token" not in block
    assert "Wrote" not in block


def test_a_token_given_by_a_flag_is_not_shown_in_full(home: Path) -> None:
    resolved = prepare(environ(home), Flags(token=TOKEN))
    assert TOKEN not in second_block(resolved)


@pytest.mark.parametrize(
    ("auth", "line"),
    [({"mode": "none"}, "Auth: none (whoever"), ({"mode": "password", "password": "a long one"}, "Auth: password")],
)
def test_without_a_token_the_mode_is_told(home: Path, auth: dict[str, str], line: str) -> None:
    configure(home, auth=auth)
    block = second_block(prepare(environ(home), Flags()))
    assert line in block
    assert "a long one" not in block


def test_a_gateway_at_all_addresses_is_reached_at_this_machines_own(home: Path) -> None:
    resolved = prepare(environ(home), Flags(bind="lan"))
    assert "   Bind: lan (0.0.0.0)\n" in first_block(resolved)
    assert "URL: http://127.0.0.1:{port}\n" in second_block(resolved)


def test_what_is_odd_about_the_configuration_is_told(home: Path) -> None:
    configure(home, unknown=1)
    assert "\n⚠️  $.gateway.unknown: " in first_block(prepare(environ(home), Flags()))


def test_a_gateway_that_is_open_to_all_is_announced_in_three_lines(home: Path) -> None:
    configure(home, bind="lan", auth={"mode": "none"})
    block = open_to_all_block(prepare(environ(home), Flags(port=0))) or ""
    assert len(block.splitlines()) == 3
    assert "listens at all interfaces (0.0.0.0)" in block


@pytest.mark.parametrize(
    "gateway",
    [
        {"bind": "lan", "auth": {"token": TOKEN}},
        {"auth": {"mode": "none"}},
        {"bind": "custom", "customBindHost": "127.0.0.2", "auth": {"mode": "none"}},
    ],
)
def test_any_other_one_is_not(home: Path, gateway: dict[str, object]) -> None:
    configure(home, **gateway)
    assert open_to_all_block(prepare(environ(home), Flags(port=0))) is None
