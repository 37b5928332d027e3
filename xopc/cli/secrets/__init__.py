"""`xopc secrets`: what the configuration keeps elsewhere."""

from __future__ import annotations

from cyclopts import App

app = App(name="secrets", help="Look after the secrets that the configuration refers to.")
app.command("xopc.cli.secrets.setting:set_secret", name="set")
app.command("xopc.cli.secrets.reloading:reload", name="reload")
app.command("xopc.cli.secrets.auditing:audit", name="audit")
