"""The real gateway process with one more route, whose handler fails as nobody foresaw."""

import sys
from typing import Any, NoReturn

from attrs import frozen

from xopc.contracts.auth import Scope
from xopc.gateway.main import main
from xopc.server.api import ROUTES
from xopc.server.routes import Call, Route

SECRET_OF_THE_CODE = "/srv/private/place"


@frozen
class Never:
    """What it would answer."""


async def fail(_: Call[Any]) -> NoReturn:
    raise LookupError(SECRET_OF_THE_CODE)


FAILING = Route(method="GET", path="/fail", summary="Fail", scope=Scope.READ, handler=fail, response=Never)

if __name__ == "__main__":
    sys.exit(main((*ROUTES, FAILING)))
