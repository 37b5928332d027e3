"""The set-up, step by step: what is asked, in which order, until it can be written."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from attrs import frozen

from xopc.channels.telegram.accounts import resolve_bots
from xopc.cli.onboard.bot import choose_bot
from xopc.cli.onboard.draft import Answers, Draft
from xopc.cli.onboard.guide import Guide
from xopc.cli.onboard.model import choose_model
from xopc.cli.onboard.place import choose_bind, choose_port
from xopc.cli.onboard.present import Present
from xopc.cli.onboard.service import choose_service
from xopc.cli.onboard.wishes import Given, Wishes
from xopc.cli.onboard.writing import complete
from xopc.config.paths import from_home
from xopc.config.resolve import Resolved
from xopc.contracts.settings.file import BindMode

if TYPE_CHECKING:
    from xopc.service.managers.base import ServiceManager


@frozen
class Plan:
    """What was answered, and what comes of it."""

    answers: Answers
    draft: Draft
    resolved: Resolved
    """What will be in force."""
    with_service: bool

    @property
    def model(self) -> str | None:
        """The model that will answer, where one was chosen."""
        return self.answers.model.ref if self.answers.model else None


def make_plan(
    guide: Guide, present: Present, wishes: Wishes, given: Given, manager: ServiceManager | None
) -> Plan | None:
    """Ask for everything; None where the person does not want it written.

    Raises:
        XopcError: something does not work, and nobody is there to say otherwise; or the result does not validate.
    """
    _welcome(guide, present)
    guide.heading("1. The model that answers")
    model = choose_model(guide, present, wishes, given.model_key)
    guide.heading("2. The gateway, which is always there")
    port = choose_port(guide, present, wishes)
    bind = choose_bind(guide, present, wishes)
    guide.heading("3. Telegram, if you like")
    bot = choose_bot(guide, present, wishes, given.telegram_token)
    guide.heading("4. Running in the background")
    with_service = choose_service(guide, present, wishes, manager)
    answers = Answers(model, port, bind, given.gateway_token, wishes.workspace, bot)
    made, resolved = complete(present, answers)
    plan = Plan(answers, made, resolved, with_service)
    return plan if _is_wanted(guide, present, plan) else None


def _welcome(guide: Guide, present: Present) -> None:
    guide.heading("👋 Welcome to xopc. A few questions, and your assistant answers.")
    guide.say(
        "Nothing is written before you have seen what it will be. Enter takes what stands in brackets; Ctrl+C ends."
    )
    paths = present.paths
    guide.say("")
    guide.say(f"   Configuration  {_shown(paths.config_path)}")
    guide.say(f"   Models         {_shown(paths.models)}")
    guide.say(f"   Conversations  {_shown(paths.database)}")
    if present.document is not None:
        guide.say("This is set up already, and stays unless you say otherwise:")
        for line in _what_is_there(present):
            guide.say(f"   {line}")


def _what_is_there(present: Present) -> list[str]:
    gateway, telegram = present.settings.gateway, present.settings.channels.telegram
    bots = [bot for bot in resolve_bots(telegram) if bot.enabled]
    lines = [
        f"Model          {present.model or 'none'}",
        f"Gateway        port {gateway.port}, {(gateway.bind or BindMode.LOOPBACK).value}",
    ]
    if bots:
        writers = ", ".join(telegram.allow_from or ()) or "nobody yet"
        lines.append(f"Telegram       {len(bots)} bot{'s' if len(bots) > 1 else ''}, for {writers}")
    return lines


def _shown(path: Path) -> str:
    return from_home(path) if path.exists() else f"{from_home(path)} (not there yet)"


def _is_wanted(guide: Guide, present: Present, plan: Plan) -> bool:
    """Show what will be, and let the person decide."""
    guide.heading("This will be")
    for change in plan.draft.changes:
        guide.say(f" • {change}")
    if not plan.draft.changes:
        guide.say(" • The files stay as they are.")
    if plan.with_service:
        guide.say(" • It is installed as a service, and started.")
    for warning in plan.resolved.warnings:
        guide.warn(warning)
    written = [present.paths.config_path, *([present.paths.models] if plan.draft.models else [])]
    what = " and ".join(from_home(path) for path in written)
    if not plan.draft.changes and not plan.with_service:
        return True
    return guide.confirm(f"Write {what}" if plan.draft.changes else "Go on", default=True)
