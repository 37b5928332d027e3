"""What people are told when a turn fails: what is wrong, and what they can do."""

from __future__ import annotations

from xopc.agent.keys import variable_of
from xopc.agent.providers.base import ErrorKind, ProviderError

INSIDE = "Something went wrong inside the gateway. Its log says what: xopc gateway logs."


class TurnFailedError(Exception):
    """A turn has no answer. The message is for whoever asked."""


def explain(ref: str, error: ProviderError) -> str:
    """Why a model did not answer, in two sentences."""
    provider = ref.partition("/")[0]
    match error.kind:
        case ErrorKind.TRANSIENT:
            return f"{ref} does not answer right now ({error.message}). Try again in a moment."
        case ErrorKind.AUTH:
            what = f"{provider} does not serve this key ({error.message})."
            return f"{what} Mend providers.{provider}; or {variable_of(provider)}, and restart the gateway."
        case ErrorKind.CONTEXT_OVERFLOW:
            return f"This conversation has become too long for {ref}. Start a new one with /new."
        case ErrorKind.BAD_REQUEST:
            return f"{ref} refused the request ({error.message}). /model shows which other models there are."


def timed_out(seconds: float) -> str:
    """Why a turn was stopped."""
    what = f"I stopped after {seconds:g} s without coming to an end"
    return f"{what}. Ask for less, or raise agents.defaults.maxTaskDurationMs."
