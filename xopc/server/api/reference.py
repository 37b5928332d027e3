"""The description of the API, made of the routes' declarations."""

from __future__ import annotations

from functools import cache

from xopc import __version__
from xopc.contracts.convert import JsonObject
from xopc.contracts.openapi import document
from xopc.server.routes import Call, Route


def with_reference(*routes: Route) -> tuple[Route, ...]:
    """The routes, and one more that describes them and itself."""

    async def reference(_: Call[None]) -> JsonObject:
        return described()

    @cache
    def described() -> JsonObject:
        return document("xopc gateway", __version__, everything)

    everything = (
        *routes,
        Route(
            method="GET",
            path="/openapi.json",
            summary="This document: OpenAPI 3.1.",
            scope=None,
            handler=reference,
            response=dict,
        ),
    )
    return everything
