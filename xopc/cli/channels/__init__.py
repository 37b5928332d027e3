"""`xopc channels`: where people write to the gateway's agents."""

from __future__ import annotations

from cyclopts import App

app = App(name="channels", help="Look at the channels, and add or remove a bot.")
app.command("xopc.cli.channels.reading:list_channels", name="list")
app.command("xopc.cli.channels.reading:status", name="status")
app.command("xopc.cli.channels.adding:add", name="add")
app.command("xopc.cli.channels.removing:remove", name="remove")
