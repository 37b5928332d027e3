"""From a plan to a first answer: writes it, has a gateway run with it, and lets the assistant speak."""

from __future__ import annotations

import os
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING

from attrs import frozen

from xopc.cli.onboard.guide import Guide, Unattended, something
from xopc.cli.onboard.hello import own_gateway, say_hello, until_ready
from xopc.cli.onboard.manner import Manner
from xopc.cli.onboard.service import install_and_start
from xopc.cli.onboard.wishes import Wishes
from xopc.cli.onboard.writing import write
from xopc.cli.options import Duration
from xopc.cli.output import as_typed, fail, print_json, sentence
from xopc.contracts.errors import Failure, XopcError
from xopc_supervisor.contract import EXIT_OK

if TYPE_CHECKING:
    from xopc.cli.gateway.target import Target
    from xopc.cli.onboard.present import Present
    from xopc.cli.onboard.steps import Plan
    from xopc.service.managers.base import ServiceManager

GREETING = "Hello! Who are you?"
RESTART_SECONDS = 30
COMMANDS = (
    '   xopc agent "…"         says something to it',
    "   xopc gateway status    tells whether it is well",
    "   xopc doctor            finds what is wrong, and how to mend it",
)
START = "xopc gateway"


@frozen
class Ending:
    """What the end of one set-up needs to know."""

    guide: Guide
    target: Target
    present: Present
    wishes: Wishes
    manner: Manner
    config: Path | None

    def reach(self, plan: Plan, manager: ServiceManager | None) -> int:
        """Go there. Returns the exit code; where the gateway stays in this terminal, this process becomes it."""
        try:
            if plan.draft.changes or self.present.document is None:
                for warning in write(self.present, plan.draft):
                    self.guide.warn(warning)
                self.guide.say("✅ Written.")
        except OSError as error:
            return fail(f"{sentence(error)}. The configuration is as it was.", as_json=self.manner.as_json)
        try:
            is_running = self._run(plan, manager)
            if not is_running and self.guide.is_attended:
                return self._in_this_terminal()
            answer = self._hello() if is_running and not self.wishes.skip_hello else None
        except XopcError as error:
            hints = ["What was set up is written.", "xopc gateway logs", "xopc doctor"]
            return fail(error.message, as_json=self.manner.as_json, hints=hints)
        if self.guide.is_attended:
            self._tell_commands()
        else:
            self._report(plan, answer, is_running=is_running)
        return EXIT_OK

    # ------------------------------------------------------------------ a gateway

    def _run(self, plan: Plan, manager: ServiceManager | None) -> bool:
        """Whether a gateway runs afterwards, with what was written."""
        if plan.with_service and manager is not None:
            self.guide.say("Installing the service, and starting it …")
            for warning in install_and_start(self.target.environ, manager, self.present.running_pid):
                self.guide.warn(warning)
            if not until_ready(self.config):
                raise XopcError(Failure.UNAVAILABLE, "The service was started, but the gateway does not answer.")
            self.guide.say("✅ The gateway runs, as a service.")
            return True
        if self.present.running_pid is not None and plan.draft.changes:
            self._restart()
        return self.present.running_pid is not None

    def _restart(self) -> None:
        from xopc.cli.gateway.restart import restart

        # What it tells is for people; standard output may be for JSON.
        with redirect_stdout(sys.stderr):
            code = restart(wait=Duration(RESTART_SECONDS), reason=f"xopc {self.manner.command}", config=self.config)
        if code != EXIT_OK:
            what = "The gateway that runs did not take the new configuration"
            why = "Where that names variables, it has to be stopped, and started where they are set"
            raise XopcError(Failure.UNAVAILABLE, f"{what}. {why}: xopc gateway stop, then {START}")

    def _in_this_terminal(self) -> int:
        """A gateway for the first answer, which stays if the person likes."""
        self.guide.heading("Starting the gateway …")
        with own_gateway(self.config, self.target.environ):
            if not self.wishes.skip_hello:
                self._hello()
            self._tell_commands()
            question = "Keep the gateway running in this terminal, until Ctrl+C"
            stays = self.guide.confirm(question, default=True)
        if stays:
            sys.stdout.flush()
            os.execve(  # noqa: S606 - there is no shell in it
                sys.executable, [sys.executable, "-P", "-m", "xopc", "gateway"], dict(self.target.environ)
            )
        self.guide.say(f"Start it when you like: {START}")
        return EXIT_OK

    # ------------------------------------------------------------------ words

    def _hello(self) -> str:
        if not self.guide.is_attended:
            return say_hello(self.config, GREETING, None)
        from xopc.cli.reply import Reply

        self.guide.heading("Your assistant is there")
        text = self.guide.ask("Say something to it", something, GREETING, option="--skip-hello")
        self.guide.say("")
        return say_hello(self.config, text, Reply(sys.stdout))

    def _tell_commands(self) -> None:
        self.guide.heading("Three commands to know")
        for line in COMMANDS:
            self.guide.say(line)
        if self.config is not None:
            self.guide.say(f"Each of them with --config {self.config}.")
        self.guide.say("")

    def _report(self, plan: Plan, answer: str | None, *, is_running: bool) -> None:
        """Tell a script what came of it."""
        warnings = [*plan.resolved.warnings, *(self.guide.warnings if isinstance(self.guide, Unattended) else ())]
        paths, bot = self.present.paths, plan.answers.bot
        model = plan.model or self.present.model
        if self.manner.as_json:
            print_json(
                {
                    "ok": True,
                    "configPath": str(paths.config_path),
                    "modelsPath": str(paths.models),
                    "changes": list(plan.draft.changes),
                    "model": model,
                    "telegram": {"bot": bot.username, "owners": list(bot.owners)} if bot else None,
                    "gateway": {"port": plan.resolved.port, "bind": plan.resolved.binding.mode.value},
                    "running": is_running,
                    "service": plan.with_service,
                    "reply": answer,
                    "warnings": warnings,
                    "hints": [] if is_running else [as_typed(START)],
                }
            )
            return
        for change in plan.draft.changes:
            print(f"✅ {change}")
        print(f"✅ xopc is set up: {paths.config_path}")
        if answer is not None:
            print(f"💬 {answer.strip()}")
        if not is_running:
            print(f"💡 Start it with: {as_typed(START)}")
        for warning in warnings:
            print(f"⚠️  {warning}", file=sys.stderr)
