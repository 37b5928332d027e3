"""From what a session remembers to what a model is told: pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import dropwhile

from xopc.contracts.transcript import Entry, Message, Role, ToolCall
from xopc.storage.path.base import Turn

WINDOW = 100
"""Messages of the past that a model is told."""

COMMANDS = "builtin/commands"
"""What stands as the model of an answer to a command. Models are told neither such answers nor their questions."""

INTERRUPTED = "It was interrupted by a restart of the gateway; it may or may not have happened."


def window(entries: Iterable[Entry], turn: Turn) -> tuple[Message, ...]:
    """What was said before a turn, as models take it: each call of a tool has its result right behind it.

    It begins with what somebody said. The rest of a turn whose beginning is outside the window, or was said before a
    reset, belongs to what the model shall not think of, and some models refuse to begin with an answer.
    """
    before = [entry for entry in entries if entry.run_id != turn.run_id and entry.seq < turn.steps[0].seq]
    commands = {entry.run_id for entry in before if entry.message.model == COMMANDS}
    past = (entry.message for entry in before if entry.run_id is None or entry.run_id not in commands)
    return told(list(dropwhile(lambda message: message.role is not Role.USER, past)))


def told(messages: Sequence[Message]) -> tuple[Message, ...]:
    """Messages as models take them. Results without their call are left out, missing results are made up for."""
    result: list[Message] = []
    for place, message in enumerate(messages):
        if message.role is Role.USER:
            result.append(_signed(message))
        elif message.role is Role.ASSISTANT and (message.content.strip() or message.tool_calls):
            result.append(message)
            answers = _answers(messages[place + 1 :])
            result += [answers.get(call.id) or interrupted(call) for call in message.tool_calls]
    return tuple(result)


def unanswered(messages: Sequence[Message]) -> tuple[ToolCall, ...]:
    """The calls of the last assistant's message that have no result yet."""
    place = next((i for i in reversed(range(len(messages))) if messages[i].role is Role.ASSISTANT), None)
    if place is None:
        return ()
    answered = _answers(messages[place + 1 :])
    return tuple(call for call in messages[place].tool_calls if call.id not in answered)


def interrupted(call: ToolCall) -> Message:
    """The result of a call of which nobody knows what came."""
    return Message(Role.TOOL, INTERRUPTED, tool_call_id=call.id, tool_name=call.name, is_error=True)


def _answers(following: Iterable[Message]) -> dict[str, Message]:
    """The results of tools that come before anything else."""
    answers: dict[str, Message] = {}
    for message in following:
        if message.role is not Role.TOOL:
            break
        answers[message.tool_call_id or ""] = message
    return answers


def _signed(message: Message) -> Message:
    """A user's message, and in a group who says it."""
    if message.sender is None:
        return message
    return Message(Role.USER, f"{' '.join(message.sender.split())}: {message.content}")
