"""`xopc logs`: as `xopc gateway logs`, and the way of one message."""

from __future__ import annotations

from cyclopts import App

from xopc.cli.gateway.logs import logs

app = App(name="logs", help="Show the last lines of the gateway's log.")
app.default(logs)
app.command("xopc.cli.trace:trace", name="trace")
