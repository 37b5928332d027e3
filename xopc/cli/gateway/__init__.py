"""`xopc gateway`: run the gateway, or talk to the one that runs."""

from __future__ import annotations

from cyclopts import App

from xopc.cli.gateway.run import run

app = App(
    name="gateway",
    help="Run the gateway, or look after the one that runs.",
)
app.default(run)
app.command("xopc.cli.gateway.status:status", name="status")
app.command("xopc.cli.gateway.health:health", name="health")
app.command("xopc.cli.gateway.probe:probe", name="probe")
app.command("xopc.cli.gateway.stop:stop", name="stop")
app.command("xopc.cli.gateway.restart:restart", name="restart")
app.command("xopc.cli.gateway.service:app", name="service")
app.command("xopc.cli.gateway.logs:logs", name="logs")
app.command("xopc.cli.gateway.token:app", name="token")
app.command("xopc.cli.gateway.tree:tree", name="tree")
app.command("xopc.cli.gateway.unlock:unlock", name="unlock")
