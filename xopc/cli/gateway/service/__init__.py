"""`xopc gateway service`: have the operating system keep the gateway running."""

from __future__ import annotations

from cyclopts import App

app = App(name="service", help="Have the operating system start the gateway, and keep it running.")
app.command("xopc.cli.gateway.service.install:install", name="install")
app.command("xopc.cli.gateway.service.start:start", name="start")
app.command("xopc.cli.gateway.service.status:status", name="status")
app.command("xopc.cli.gateway.service.uninstall:uninstall", name="uninstall")
