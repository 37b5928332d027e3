"""`reg`: adds, asks for and deletes values of the registry."""

from __future__ import annotations

from tests.fakes.service_tools.state import State, end

NOT_FOUND = "ERROR: The system was unable to find the specified registry key or value."


def main(state: State, argv: list[str]) -> int:
    verb, key, *rest = argv
    values = state.service(f"registry:{key.upper()}")
    name = rest[rest.index("/v") + 1]
    if verb.lower() == "add":
        values[name] = rest[rest.index("/d") + 1]
    elif name not in values:
        end(1, NOT_FOUND)
    elif verb.lower() == "delete":
        del values[name]
    else:
        print(f"\r\n{key}\r\n    {name}    REG_SZ    {values[name]}\r\n")
    return 0
