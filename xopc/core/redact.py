"""Secrets out of whatever is about to be written down: pure functions of text and of plain values.

A secret is found by its shape (`sk-…`, a bot token, a PEM block), by what stands before it (`Authorization:`,
`token=`), or by the name of the field that holds it. Redacting twice changes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TypeAlias, cast

Plain: TypeAlias = "str | int | float | bool | Sequence[Plain] | Mapping[str, Plain] | None"
"""What JSON can say."""

_SHOWN_FROM_CHARS = 18
"""Shorter secrets show nothing at all of themselves."""

_SECRET_NAME = re.compile(r"(token|secret|password|passwd|passphrase|apikey|privatekey|authorization|cookie)$")
_MASKED = re.compile(r"\*\*\*|.{6}….{4}", re.DOTALL)

# The closing quote may be missing: a text can have been cut.
_QUOTED = r"""b?"(?:[^"\\\n]|\\.)*"?|b?'(?:[^'\\\n]|\\.)*'?"""
_BARE = r"""[^\s"'&,;<>()\[\]{}]+"""

# One pass over one alternation: what a branch has taken, no other can take again.
_SECRET = re.compile(
    rf"""
    (?P<pem> -----BEGIN\ (?P<kind>[A-Z0-9 ]{{1,40}})-----  [\s\S]*?  (?: -----END\ [A-Z0-9 ]{{1,40}}----- | \Z ) )

    # A header, on the wire, in a mapping, as a pair: `X-Api-Key: v`, `{{'x-api-key': 'v'}}`, `(b'x-api-key', b'v')`.
    | (?P<header> (?<![\w-]) (?:proxy-)?(?:authorization|x-api-key) ["']? \s* [:=,] \s* )
      (?: {_QUOTED} | (?:(?:bearer|basic|token)\s+)? {_BARE} )

    # A query parameter, a line of an environment, a keyword argument.
    | (?P<assigned> (?: token|password|passwd|secret|api_?key|[?&]key ) = )
      (?: {_QUOTED} | {_BARE} )

    # A member of a mapping. Unquoted it may be a sentence (`token: too short`), so both quotes are asked for.
    | (?P<member> (?: token|password|passwd|secret|api[-_]?key ) ["'] \s* : \s* ) (?: {_QUOTED} )

    | (?P<scheme> (?<!\w) bearer \s+ ) (?: [\w.~+/=-]{{8,}} )
    | (?P<user> :// [^\s/:@"']{{0,200}} : ) (?: [^\s/@"']{{1,200}} ) (?=@)

    | (?P<known>
        (?<!\d) \d{{1,20}} : [A-Za-z0-9_-]{{35,}}     # a Telegram bot
      | (?<![A-Za-z0-9]) sk-[A-Za-z0-9_-]{{8,}}       # OpenAI, Anthropic and those that copied them
      | (?<![A-Za-z0-9]) (?:gh[pousr]|github_pat)_[A-Za-z0-9_]{{8,}}
      | (?<![A-Za-z0-9]) xopc_[0-9a-f]{{32,}}         # one that `xopc gateway token create` made
      | (?<![A-Za-z0-9]) xox[a-z]-[A-Za-z0-9-]{{8,}}  # Slack
      )
    """,
    re.VERBOSE | re.IGNORECASE,
)


def redact(text: str) -> str:
    """`text` with each secret in it masked."""
    return _SECRET.sub(_masked_match, text)


def redact_value(value: Plain, name: str = "") -> Plain:
    """A copy of `value` with the secrets in its texts masked, and all of a text that stands under a secret's name.

    A sequence of two whose first item is a secret's name counts as name and value: headers travel like that.
    """
    if isinstance(value, str):
        return mask(value) if is_secret_name(name) else redact(value)
    if isinstance(value, Mapping):
        members = cast("Mapping[str, Plain]", value)
        return {key: redact_value(member, key if is_secret_name(key) else name) for key, member in members.items()}
    if isinstance(value, Sequence):
        match value:
            case [str() as key, item] if is_secret_name(key):
                return [key, redact_value(item, key)]
            case _:
                return [redact_value(item, name) for item in value]
    return value


def mask(secret: str) -> str:
    """The first six and last four characters of a long secret, nothing of a short one."""
    if not secret or _MASKED.fullmatch(secret):
        return secret
    if len(secret) < _SHOWN_FROM_CHARS:
        return "***"
    return f"{secret[:6]}…{secret[-4:]}"


def hides(name: str, text: str) -> bool:
    """Whether a text is a secret: by the name of its key, or by what it looks like."""
    return is_secret_name(name) or redact(text) != text


def is_secret_name(name: str) -> bool:
    """Whether a field of this name holds a secret: `token`, `botToken`, `X-Api-Key`, `client_secret`."""
    return _SECRET_NAME.search(name.lower().replace("-", "").replace("_", "")) is not None


def _masked_match(match: re.Match[str]) -> str:
    if match["pem"]:
        return f"-----BEGIN {match['kind']}-----***-----END {match['kind']}-----"
    if match["known"]:
        return mask(match["known"])
    before = match["header"] or match["assigned"] or match["member"] or match["scheme"] or match["user"]
    return before + _mask_inside_quotes(match[0][len(before) :])


def _mask_inside_quotes(value: str) -> str:
    head = re.match(r"""b?["']|(?:bearer|basic|token)\s+|""", value, re.IGNORECASE)
    start = head.end() if head else 0
    end = len(value) - 1 if start < len(value) and value[start - 1 : start] == value[-1] else len(value)
    return value[:start] + mask(value[start:end]) + value[end:]
