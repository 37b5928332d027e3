"""The table for those who come from OpenClaw: it has each command of theirs, and each of ours in it works as it stands.

A comment behind a command says how it is tried: `help` asks for its help alone, since it would change this machine;
`starts` is a gateway in the foreground, stopped by Ctrl+C; `follows` goes on until Ctrl+C; `exit 1` ends so; `last`
is run when all others are done.
"""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
from pathlib import Path

import pytest
from attrs import frozen

from tests.e2e.harness import XOPC, Gateway, until
from tests.e2e.outside import CHAT, Outside
from tests.ports import free_port

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "coming-from-openclaw.md"
THEIRS = """
gateway | gateway run | gateway status | gateway install | gateway uninstall | gateway start | gateway stop
gateway restart | gateway health | gateway probe | gateway call | gateway discover | gateway usage-cost
gateway stability | gateway diagnostics export | gateway restart-handoff | logs | health | status
channels list | channels status | channels logs | channels add | channels remove | channels login | channels logout
channels capabilities | channels resolve | message send | message poll | message react | message read | message edit
message delete | message pin | message unpin | message pins | message thread | message search | message broadcast
agent | doctor | secrets reload | secrets audit | secrets configure | secrets apply | setup | onboard
config get | config set | config unset | config validate | config file | config schema
system event | system heartbeat last | system heartbeat enable | system heartbeat disable | system presence
cron status | cron list | cron add | cron edit | cron rm | cron enable | cron disable | cron runs | cron run
nodes list | nodes describe | nodes pending | nodes approve | nodes reject | nodes rename | nodes invoke | nodes status
devices list | devices approve | devices reject | devices rotate | devices revoke | devices remove
sessions | models list | models status | models set | agents | tui | dashboard | update | reset | uninstall
security audit | --dev | --profile | --no-color
"""
"""Every command of its runbooks, and its global options."""
WORDLESS = {"not yet", "needless"}
"""What stands where there is no counterpart."""


@frozen
class Row:
    """One row of the table of commands."""

    section: str
    theirs: str
    ours: str
    """A command, or one of `WORDLESS`."""
    manner: str
    remark: str


def rows() -> list[Row]:
    """All rows about commands, in their order."""
    sections = PAGE.read_text().split("\n## ")[1].split("\n### ")[1:]
    return [
        _row(section.partition("\n")[0], *map(str.strip, line.strip("|").split(" | ")))
        for section in sections
        for line in section.splitlines()
        if line.startswith("| `openclaw")
    ]


def _row(section: str, theirs: str, ours: str, remark: str = "") -> Row:
    found = re.fullmatch(r"(?:`([^`]+)`|([a-z ]+?))(?: <!-- ([a-z0-9 ]+) -->)?", ours)
    assert found, ours
    return Row(section, theirs, found[1] or found[2], found[3] or "", remark.strip(" |"))


def environ_of(gateway: Gateway) -> dict[str, str]:
    return {**gateway.environ, "PATH": f"{XOPC.parent}:{os.environ['PATH']}"}


@pytest.fixture
def prepared(talking: Gateway, world: Outside) -> Gateway:
    """A gateway whose bot may write to the chat of the examples, and of which the doctor has nothing bad to say."""
    world.meet(CHAT)
    (talking.state / "models.json").chmod(0o600)
    return talking


def test_each_of_their_commands_has_a_row() -> None:
    listed = " ".join(row.theirs for row in rows())
    missing = [
        command
        for command in re.split(r"\s*[|\n]\s*", THEIRS.strip())
        if not re.search(rf"`openclaw (?:--[a-z]+ (?:[a-z]+ )?)?{re.escape(command)}[ `]", listed)
    ]
    assert missing == []


def test_what_has_no_counterpart_is_said_to_have_none() -> None:
    wordless = {row.ours for row in rows() if not row.ours.startswith(("xopc ", "NO_COLOR=1 xopc "))}
    assert wordless <= WORDLESS


@pytest.mark.timeout(300)
@pytest.mark.parametrize("section", sorted({row.section for row in rows()}))
def test_each_of_our_commands_works_as_it_stands(prepared: Gateway, section: str) -> None:
    """Slow, for it starts a process for each of some twenty commands, and some gateways."""
    ours = [row for row in rows() if row.section == section and row.ours not in WORDLESS]
    for row in sorted(ours, key=lambda row: row.manner == "last"):
        code, said = TRY.get(row.manner, run)(prepared, row.ours)
        expected = int(row.manner.removeprefix("exit ")) if row.manner.startswith("exit ") else 0
        assert code == expected, f"{row.ours}: {said}"
        assert "Traceback" not in said, f"{row.ours}: {said}"


def run(gateway: Gateway, command: str) -> tuple[int, str]:
    """As it stands, but for the id of a job that there is."""
    return _done(gateway, re.sub(r"\bID\b", lambda _: job_of(gateway), command))


def ask_for_help(gateway: Gateway, command: str) -> tuple[int, str]:
    return _done(gateway, f"{command} --help")


def start_another(gateway: Gateway, command: str) -> tuple[int, str]:
    """In a home of its own, at a free port: a gateway of these options starts, and Ctrl+C ends it."""
    home = gateway.home / f"home-{free_port()}"
    home.mkdir()
    environ = {**environ_of(gateway), "HOME": str(home), "XOPC_HOME": str(home)}
    return _interrupted(f"{command} --port {free_port()}", environ, home, '"The gateway is ready."')


def follow(gateway: Gateway, command: str) -> tuple[int, str]:
    return _interrupted(command, environ_of(gateway), gateway.home, "📜 Following gateway logs")


TRY = {"help": ask_for_help, "starts": start_another, "follows": follow}


def job_of(gateway: Gateway) -> str:
    listed = gateway.xopc("cron", "list", "--json").stdout
    found = re.search(r'"id": "([^"]+)"', listed)
    assert found, listed
    return found[1]


def _done(gateway: Gateway, command: str) -> tuple[int, str]:
    done = subprocess.run(
        ["bash", "-c", command],
        env=environ_of(gateway),
        cwd=gateway.home,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def _interrupted(command: str, environ: dict[str, str], home: Path, sign: str) -> tuple[int, str]:
    """What comes of a command that is ended by Ctrl+C once it has said `sign`."""
    output = home / "output"
    with (
        output.open("w") as file,
        subprocess.Popen(shlex.split(command), env=environ, cwd=home, stdout=file, stderr=file) as process,
    ):
        try:
            until(lambda: sign in output.read_text() or process.poll() is not None, f"{command} has begun")
            process.send_signal(signal.SIGINT)
            return process.wait(20), output.read_text()
        finally:
            process.kill()
