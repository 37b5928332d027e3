"""One call: `python -I -S … <directory> <tool> <argument>…`."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path

from tests.fakes.service_tools.state import State, end


def main(directory: str, tool: str, *argv: str) -> None:
    state = State(Path(directory))
    arguments = list(argv)
    with state.open():
        state.record(tool, arguments)
        state.fail_if_told(tool, arguments)
        end(import_module(f"tests.fakes.service_tools.{tool}").main(state, arguments))


if __name__ == "__main__":
    main(*sys.argv[1:])
