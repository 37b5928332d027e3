from __future__ import annotations

import pytest

from xopc.contracts.openapi.operations import operation_id


@pytest.mark.parametrize(
    ("method", "path", "name"),
    [
        ("GET", "/health", "getHealth"),
        ("DELETE", "/api/sessions/{key}", "deleteApiSessionsKey"),
        ("POST", "/api/models-json/{id}/re_try", "postApiModelsJsonIdReTry"),
    ],
)
def test_an_operation_is_named_by_its_method_and_its_path(method: str, path: str, name: str) -> None:
    assert operation_id(method, path) == name
