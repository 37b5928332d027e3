"""`xopc doctor`, as a person runs it: each planted fault is found, named with its cure, and mended if it can be."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.harness import TOKEN, XOPC, Gateway, until, write_config
from tests.e2e.outside import outside
from tests.e2e.planted import OTHER_TOKEN, PLANTS, Plant, Scene, as_mapping, well
from tests.fakes.gateway import stranger
from xopc.service.audit.audited import is_temporary


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    with well(tmp_path) as scene:
        yield scene


def test_where_all_is_well_nothing_is_found(scene: Scene) -> None:
    codes = {fault["checkId"] for fault in scene.faults()}
    assert codes <= ({"service.temporary-program"} if is_temporary(XOPC) else set())
    assert scene.xopc("doctor").returncode == 0


@pytest.mark.parametrize("plant", [pytest.param(plant, id=plant.name) for plant in PLANTS])
def test_a_planted_fault_is_found_with_its_cure_and_mended_where_it_can_be(scene: Scene, plant: Plant) -> None:
    # From a checkout in a temporary place nothing better can be written.
    is_fixed = plant.is_fixed and not (plant.code == "service.temporary-program" and is_temporary(XOPC))
    plant.plant(scene)
    found = [fault for fault in scene.faults() if fault["checkId"] == plant.code]
    assert found, plant.code
    for fault in found:
        assert all(fault[key] for key in ("title", "where", "remediation"))
        assert fault["fixable"] is is_fixed
    told = str(found)
    assert plant.words in told
    assert TOKEN not in told
    assert OTHER_TOKEN not in told
    before = scene.unit.read_text()
    after = scene.doctor("--fix", "--yes")
    left = {fault["checkId"] for check in after["checks"] for fault in check["faults"]}
    assert (plant.code in left) is not is_fixed, after.get("mended")
    assert [one for one in after["mended"] if one["error"]] == []
    if not is_fixed:
        assert scene.unit.read_text() == before


def test_there_are_twenty_faults_and_more() -> None:
    assert len(as_mapping()) >= 20
    assert len({plant.code for plant in PLANTS}) >= 20


def test_a_stranger_at_the_port_is_found_and_left_alone(scene: Scene) -> None:
    with stranger(scene.home) as process:
        write_config(scene.home, {"gateway": {"port": process.port, "auth": {"token": TOKEN}}})
        faults = {fault["checkId"]: fault for fault in scene.faults("--fix", "--yes")}
        assert process.process.poll() is None
    assert f"pid={process.pid}" in faults["port.port-in-use"]["detail"]


def test_a_gateway_that_was_started_by_hand_beside_its_service_is_found(
    scene: Scene, start: Callable[..., Gateway]
) -> None:
    gateway = start("--port", str(scene.port), at=scene.home, **scene.managers.environ)
    (fault,) = [fault for fault in scene.faults() if fault["checkId"] == "service.not-by-service"]
    assert f"(pid {gateway.process.pid})" in fault["title"]
    assert "xopc gateway service start" in fault["remediation"]


def test_a_gateway_with_another_token_than_the_configurations_is_found(
    scene: Scene, start: Callable[..., Gateway]
) -> None:
    start("--port", str(scene.port), "--token", OTHER_TOKEN, at=scene.home, **scene.managers.environ)
    assert "gateway.auth-drift" in {fault["checkId"] for fault in scene.faults()}


def test_a_channel_whose_token_is_refused_is_found(scene: Scene, start: Callable[..., Gateway]) -> None:
    with outside() as world:
        telegram = {
            "enabled": True,
            "botToken": "123456:not-the-bots-token-at-all-but-long",
            "apiRoot": f"http://127.0.0.1:{world.telegram_port}",
        }
        gateway = {"port": scene.port, "auth": {"token": TOKEN}}
        write_config(scene.home, {"gateway": gateway, "channels": {"telegram": telegram}})
        start("--port", str(scene.port), at=scene.home, **scene.managers.environ)
        found = until(
            lambda: [fault for fault in scene.faults() if fault["checkId"] == "gateway.task-failed"],
            "the channel has failed",
        )
    assert "telegram" in found[0]["where"]
    assert "botToken" in found[0]["detail"] or "token" in found[0]["detail"]


def test_what_was_mended_is_told_to_a_person(scene: Scene) -> None:
    scene.configure(auth={"token": OTHER_TOKEN})
    shown = scene.xopc("doctor")
    assert "Config token differs from service token" in " ".join(shown.stdout.split())
    assert "can be mended by: xopc doctor --fix" in shown.stdout
    refused = scene.xopc("doctor", "--fix")
    assert (refused.returncode, "--fix --yes" in refused.stderr) == (2, True)
    mended = scene.xopc("doctor", "--fix", "--yes")
    assert mended.returncode == 0
    assert "The definition was written anew" in " ".join(mended.stdout.split())
    assert "Config token differs" not in " ".join(mended.stdout.split())
