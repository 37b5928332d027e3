"""`xopc config`: looks at the configuration file and changes it, whether a gateway runs or not."""

from __future__ import annotations

from cyclopts import App

app = App(name="config", help="Look at the configuration, and change it.")
app.command("xopc.cli.config.reading:get", name="get")
app.command("xopc.cli.config.changing:set_", name="set")
app.command("xopc.cli.config.changing:unset", name="unset")
app.command("xopc.cli.config.reading:validate", name="validate")
app.command("xopc.cli.config.reading:file", name="file")
app.command("xopc.cli.config.schema:schema", name="schema")
