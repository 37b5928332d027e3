"""`loginctl`: lingering alone."""

from __future__ import annotations

import getpass

from tests.fakes.service_tools.state import State, end


def main(state: State, argv: list[str]) -> int:
    verb, *rest = [word for word in argv if not word.startswith("-")] or [""]
    # Of `show-user NAME -p Linger` the last word is the option's.
    user = rest[0] if rest else getpass.getuser()
    note = state.service("linger")
    if verb in {"enable-linger", "disable-linger"}:
        note[user] = verb == "enable-linger"
        return 0
    if verb == "show-user":
        text = f"{'yes' if note.get(user) else 'no'}"
        print(text if "--value" in argv else f"Linger={text}")
        return 0
    if verb == "list-users":
        print("\n".join(f"1000 {name} {'yes' if value else 'no'}" for name, value in note.items()))
        return 0
    return end(1, f"Unknown command verb {verb}.")
