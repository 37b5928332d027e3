"""Stands for the command `tailscale`: `whois --json` of the devices that a test names."""

from __future__ import annotations

import json
import sys
from pathlib import Path

_PROGRAM = """#!{python} -IS
import json, pathlib, sys, time
here = pathlib.Path({directory!r})
with (here / "calls").open("a") as calls:
    calls.write(json.dumps(sys.argv[1:]) + "\\n")
said = json.loads((here / "devices").read_text())
if said["seconds"]:
    time.sleep(said["seconds"])
device = said["devices"].get(sys.argv[-1])
if sys.argv[1:3] != ["whois", "--json"] or device is None:
    print("peer not found", file=sys.stderr)
    sys.exit(1)
tags = {{"Tags": device["tags"]}} if device["tags"] else {{}}
print(json.dumps({{"Node": {{"ID": 7, "Name": "phone.tail1234.ts.net.", **tags}}, "UserProfile":
    {{"ID": 9, "LoginName": device["login"], "DisplayName": "Amy"}}, "CapMap": None}}))
"""


class FakeTailscale:
    """The command, in a directory of its own."""

    def __init__(self, directory: Path) -> None:
        self.bin = directory / "tailscale-bin"
        self.bin.mkdir()
        self._devices: dict[str, dict[str, object]] = {}
        self._say(0)
        path = self.bin / "tailscale"
        path.write_text(_PROGRAM.format(python=Path(sys.executable).resolve(), directory=str(self.bin)))
        path.chmod(0o755)

    def add(self, address: str, login: str, tags: tuple[str, ...] = ()) -> None:
        self._devices[address] = {"login": login, "tags": list(tags)}
        self._say(0)

    def hang(self) -> None:
        self._say(60)

    @property
    def calls(self) -> list[list[str]]:
        path = self.bin / "calls"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def _say(self, seconds: float) -> None:
        (self.bin / "devices").write_text(json.dumps({"devices": self._devices, "seconds": seconds}))
