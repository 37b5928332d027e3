"""Which bot the commands of `xopc channels` are about."""

from __future__ import annotations

import re
from typing import Annotated, Literal, TypeAlias

from cyclopts import Parameter

DEFAULT_ACCOUNT = "default"


def _check_account(_type: object, account: str) -> None:
    if not re.fullmatch(r"[a-z0-9_-]{1,64}", account):
        raise ValueError("an account's id must be 1 to 64 of a-z, 0-9, _ and -")


ChannelArgument: TypeAlias = Annotated[Literal["telegram"], Parameter(help="telegram, which is the one there is.")]
AccountOption: TypeAlias = Annotated[
    str, Parameter(name="--account", validator=_check_account, help="Which of several bots (default: default).")
]
