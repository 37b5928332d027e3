"""`xopc sessions`: what the agents remember."""

from __future__ import annotations

from cyclopts import App

app = App(name="sessions", help="Look at conversations, keep them, and forget them.")
app.command("xopc.cli.sessions.reading:list_sessions", name="list")
app.command("xopc.cli.sessions.reading:show", name="show")
app.command("xopc.cli.sessions.reading:stats", name="stats")
app.command("xopc.cli.sessions.reading:chats", name="chats")
app.command("xopc.cli.sessions.changing:rename", name="rename")
app.command("xopc.cli.sessions.changing:archive", name="archive")
app.command("xopc.cli.sessions.changing:unarchive", name="unarchive")
app.command("xopc.cli.sessions.changing:pin", name="pin")
app.command("xopc.cli.sessions.changing:unpin", name="unpin")
app.command("xopc.cli.sessions.changing:reset", name="reset")
app.command("xopc.cli.sessions.exporting:export", name="export")
app.command("xopc.cli.sessions.forgetting:delete", name="delete")
app.command("xopc.cli.sessions.forgetting:prune", name="prune")
app.command("xopc.cli.sessions.forgetting:forget", name="forget")
