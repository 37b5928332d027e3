"""The description of the API, made of the routes' declarations: for programs, for people, and where to begin."""

from __future__ import annotations

from functools import cache
from http import HTTPStatus

from xopc import __version__
from xopc.contracts.api.status import ApiIndex
from xopc.contracts.convert import JsonObject
from xopc.contracts.openapi.document import document
from xopc.server.api.page import page
from xopc.server.routes import Call, Route

TITLE = "xopc gateway"
_ABOUT = (
    "JSON in, JSON out, UTF-8. Every answer that is no success has the body of `ErrorBody`. "
    "Parameters of a query that an operation does not list are ignored; keys of a body are not."
)
_INDEX = ApiIndex("xopc-gateway", __version__, reference="/docs", openapi="/openapi.json", health="/health")


def with_reference(*routes: Route) -> tuple[Route, ...]:
    """The routes, and those that describe them and themselves."""

    async def index(_: Call[None]) -> ApiIndex:
        return _INDEX

    async def reference(_: Call[None]) -> JsonObject:
        return described()

    async def read(_: Call[None]) -> str:
        return shown()

    @cache
    def described() -> JsonObject:
        return document(TITLE, __version__, everything, _ABOUT)

    @cache
    def shown() -> str:
        return page(described())

    everything = (
        *routes,
        Route(
            method="GET",
            path="/api",
            summary="Where to begin.",
            scope=None,
            handler=index,
            response=ApiIndex,
            response_examples={HTTPStatus.OK: _INDEX},
            tag="reference",
        ),
        Route(
            method="GET",
            path="/openapi.json",
            summary="The API for programs: an OpenAPI 3.1 document.",
            scope=None,
            handler=reference,
            response=dict,
            response_examples={HTTPStatus.OK: {"openapi": "3.1.0", "info": {"title": TITLE, "version": __version__}}},
            tag="reference",
        ),
        Route(
            method="GET",
            path="/docs",
            summary="The API for people: this page.",
            scope=None,
            handler=read,
            response=str,
            media_type="text/html; charset=utf-8",
            tag="reference",
        ),
    )
    return everything
