"""`xopc onboard` on a machine with a real service manager: from nothing to an assistant that runs as a service.

Not among the tests of `make test`, for the reasons of `under_systemd.py`.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.e2e.harness import XOPC, is_refused
from tests.e2e.outside import outside
from tests.e2e.pseudo_terminal import PseudoTerminal
from tests.e2e.systemd import user_manager
from tests.ports import free_port

UNIT = "xopc-gateway.service"
KEY = "sk-invented-0123456789"

pytestmark = pytest.mark.timeout(180)  # it starts several times


def test_from_nothing_to_a_service_that_answers_and_is_brought_up_to_date(tmp_path: Path) -> None:
    port, other = free_port(), free_port()
    with user_manager() as manager, outside() as world:
        url = f"http://127.0.0.1:{world.model_port}/v1"
        command, environ = manager.command(tmp_path, XOPC, "onboard", "--port", str(port), "--skip-telegram")
        environ |= {"OLLAMA_HOST": "127.0.0.1:9", "TERM": "dumb"}
        with PseudoTerminal(command, environ, tmp_path) as person:
            person.choose("by its URL", "Which one [1]:")
            person.answer("Its URL", url)
            person.answer("(hidden):", KEY)
            person.answer("Who can reach it [1]:", "")
            person.answer("Install it as a service (Linux (systemd)) [Y/n]:", "")
            person.answer("[Y/n]:", "")
            person.expect("The gateway runs, as a service.")
            person.answer("Say something to it", "")
            person.expect("You said: Hello! Who are you?")
            assert person.wait() == 0
        first = manager.show(UNIT, "MainPID")
        assert manager.show(UNIT, "ActiveState") == "active"
        assert KEY not in manager.systemctl("cat", UNIT)

        done = manager.run(
            tmp_path, "setup", "--non-interactive", "--json", "--port", str(other), OLLAMA_HOST="127.0.0.1:9"
        )
        told = json.loads(done.stdout)
        assert told["changes"] == [f"It listens at port {other}."]
        assert told["reply"] == "You said: Hello! Who are you?"
        assert manager.show(UNIT, "MainPID") != first
        assert f"--port {other}" in manager.systemctl("cat", UNIT)
        assert is_refused(port)
        assert not is_refused(other)
