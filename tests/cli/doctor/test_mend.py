"""Against the recording tools of systemd, where a service is mended."""

from __future__ import annotations

import getpass
import os
import time
from pathlib import Path

import pytest

from tests.fakes.definitions import definition, install
from tests.fakes.gateway import TOKEN, configure
from tests.fakes.service_managers import FakeManagers
from xopc.cli.doctor.check import Fault, Sight
from xopc.cli.doctor.mend import Mended, checked, is_fixable, mend
from xopc.cli.doctor.service import look_at_service
from xopc.cli.gateway.target import find_target
from xopc.config.audit import Severity
from xopc.service.managers.secrets_file import read_secrets
from xopc_supervisor.contract import RESPAWN, RestartIntent


def fault(check_id: str, where: Path | str, severity: Severity = Severity.WARN) -> Fault:
    return Fault(check_id, severity, "It is so", str(where), "", "Mend it.")


def mended(*faults: Fault) -> list[Mended]:
    return list(mend(Sight(find_target(None)), faults))


@pytest.fixture
def managers(home: Path, monkeypatch: pytest.MonkeyPatch) -> FakeManagers:
    path = configure(home, port=18790)
    path.chmod(0o600)
    path.parent.chmod(0o700)
    fakes = FakeManagers(home)
    for name, value in fakes.environ.items():
        monkeypatch.setenv(name, value)
    return fakes


def service_faults() -> list[str]:
    return [one.check_id for one in look_at_service(Sight(find_target(None))).faults]


@pytest.mark.parametrize(
    ("check_id", "severity", "fixable"),
    [
        ("files.permissions", Severity.WARN, True),
        ("service.token-drift", Severity.WARN, True),
        ("service.systemd-kill-mode", Severity.WARN, True),
        ("service.systemd-restart-sec", Severity.INFO, False),
        ("service.config-mismatch", Severity.WARN, False),
        ("service.not-by-service", Severity.WARN, False),
        ("storage.damaged", Severity.CRITICAL, False),
        ("config.invalid", Severity.CRITICAL, False),
        ("token-drift", Severity.WARN, False),
    ],
)
def test_what_has_one_right_answer_is_fixable(check_id: str, severity: Severity, fixable: bool) -> None:
    assert is_fixable(fault(check_id, "here", severity)) is fixable
    assert fixable or mended(fault(check_id, "here", severity)) == []


def test_a_program_in_a_temporary_place_is_only_replaced_by_another_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = fault("service.temporary-program", "unit")
    monkeypatch.setattr("sys.executable", "/opt/xopc/bin/python")
    assert is_fixable(one)
    monkeypatch.setattr("sys.executable", "/tmp/xopc/bin/python")  # noqa: S108 - looked at, not used
    assert not is_fixable(one)


def test_what_is_there_as_before_is_not_told_as_mended() -> None:
    done = Mended(("service.token-drift", "service.port-mismatch"), "unit", "It was written.")
    assert checked(done, [fault("service.token-drift", "another unit"), fault("a.b", "unit")]) == done
    left = checked(done, [fault("service.port-mismatch", "unit")])
    assert (left.done, left.error) == ("", "what was done did not help.\nIt was written.")


def test_others_lose_their_permissions_and_the_owner_none(home: Path) -> None:
    file = home / "file"
    file.touch(mode=0o600)
    file.chmod(0o744)
    (result,) = mended(fault("files.permissions", file))
    assert result.done == "Its mode was 0744, and is 0700."
    assert file.stat().st_mode & 0o777 == 0o700


def test_a_link_is_left_alone(home: Path) -> None:
    (home / "file").touch()
    (home / "link").symlink_to(home / "file")
    (result,) = mended(fault("files.permissions", home / "link"))
    assert (result.done, "symbolic link" in result.error) == ("", True)


def test_what_cannot_be_mended_says_why(home: Path) -> None:
    (result,) = mended(fault("files.permissions", home / "none"))
    assert (result.done, result.error) == ("", f"{home / 'none'}: No such file or directory")


def test_leftovers_of_the_state_directory_are_removed_and_no_other_file(home: Path) -> None:
    (home / ".xopc").mkdir()
    intent, other = home / ".xopc" / "gateway-restart-intent.json", home / "other"
    intent.touch()
    other.touch()
    first, second = mended(fault("files.stale-intent", intent), fault("files.stale-intent", other))
    assert (first.done, intent.exists()) == ("It was removed.", False)
    assert (second.error, other.exists()) == ("it is not a file of the state directory", True)


def test_an_intent_that_somebody_left_since_the_look_stays(home: Path) -> None:
    (home / ".xopc").mkdir()
    intent = home / ".xopc" / "gateway-restart-intent.json"
    intent.write_text(RestartIntent(4711, None, RESPAWN, "a test", int(time.time() * 1000)).to_json())
    (result,) = mended(fault("files.stale-intent", intent))
    assert (result.error, intent.exists()) == ("somebody restarts the gateway right now", True)


def test_a_pid_file_is_removed_where_it_is_one(home: Path) -> None:
    (home / ".xopc").mkdir()
    path = home / ".xopc" / "gateway.pid"
    path.write_text("my notes")
    assert mended(fault("gateway.legacy-pid-file", "x"))[0].error == f"{path} does not hold a pid"
    path.write_text("4100\n")
    assert mended(fault("gateway.legacy-pid-file", "x"))[0].done == f"{path} was removed."
    assert not path.exists()


def test_a_missing_token_is_generated_and_the_file_before_is_kept(home: Path) -> None:
    path = configure(home, auth={"mode": "token"}, bind="lan")
    before = path.read_text()
    (result,) = mended(fault("gateway.auth.missing_token_on_network", "$.gateway.auth.token"))
    resolved = find_target(None).resolved
    assert resolved is not None
    assert resolved.auth.secret
    assert resolved.auth.secret not in result.done
    assert path.with_name("xopc.json.bak").read_text() == before


def test_a_service_is_written_anew_once_and_the_definition_before_is_kept(home: Path, managers: FakeManagers) -> None:
    environment = {**definition(home).environment, "XOPC_SERVICE_VERSION": "0.0.9", "OPENAI_API_KEY": "sk-inline"}
    path = install(home, managers, environment=environment, secrets={"XOPC_GATEWAY_TOKEN": "of last week, but long"})
    before = path.read_text()
    wrong = look_at_service(Sight(find_target(None))).faults
    assert [one.check_id for one in wrong] == [
        "service.version-mismatch",
        "service.token-drift",
        "service.secret-embedded",
    ]
    (result,) = mended(*wrong)
    assert result.check_ids == tuple(one.check_id for one in wrong)
    copy = home / ".xopc" / "service" / f"{path.name}.definition.before-fix"
    assert result.done.startswith(f"The definition was written anew; the one before is {copy}.")
    assert copy.read_text() == before
    assert copy.stat().st_mode & 0o777 == 0o600
    assert service_faults() == []


def test_secrets_in_the_definition_move_into_the_file_of_secrets(home: Path, managers: FakeManagers) -> None:
    environment = {**definition(home).environment, "OPENAI_API_KEY": "sk-inline", "MY_TOOLS_TOKEN": "of a tool"}
    path = install(home, managers, environment=environment)
    (result,) = mended(*look_at_service(Sight(find_target(None))).faults)
    assert result.error == ""
    assert not [secret for secret in ("sk-inline", "of a tool") if secret in path.read_text()]
    kept = read_secrets(definition(home).secrets_path)
    assert (kept["OPENAI_API_KEY"], kept["MY_TOOLS_TOKEN"], kept["XOPC_GATEWAY_TOKEN"]) == (
        "sk-inline",
        "of a tool",
        TOKEN,
    )


def test_what_the_shell_has_for_itself_does_not_become_the_services(
    home: Path, managers: FakeManagers, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(home, managers, secrets={"XOPC_GATEWAY_TOKEN": "of last week, but long"})
    monkeypatch.setenv("XOPC_GATEWAY_TOKEN", "of this shell alone, and long")
    (result,) = mended(*look_at_service(Sight(find_target(None))).faults)
    assert result.error == ""
    assert f'"{TOKEN}"' in definition(home).secrets_path.read_text()
    assert service_faults() == []


def test_a_running_service_is_not_restarted_unasked(home: Path, managers: FakeManagers) -> None:
    install(home, managers, arguments=(*definition(home).arguments[:-1], "1"))
    managers.adopt("user:xopc-gateway.service", os.getpid())
    managers.forget_calls()
    (result,) = mended(fault("service.port-mismatch", "x"))
    assert result.done.endswith("What runs has it after: xopc gateway restart")
    assert managers.calls_of("systemctl", "restart") == []


def test_a_service_of_another_configuration_is_left_alone(home: Path, managers: FakeManagers) -> None:
    environment = {**definition(home).environment, "XOPC_CONFIG_PATH": "/srv/a.json", "XOPC_SERVICE_VERSION": "0.0.9"}
    path = install(home, managers, environment=environment)
    before = path.read_text()
    (result,) = mended(fault("service.version-mismatch", path))
    assert "another configuration" in result.error
    assert path.read_text() == before


def test_a_service_is_not_written_with_a_configuration_that_would_be_refused(
    home: Path, managers: FakeManagers
) -> None:
    path = install(home, managers, arguments=(str(home / "gone"), "gateway"))
    before = path.read_text()
    configure(home, port="x")
    (result,) = mended(fault("service.missing-program", path, Severity.CRITICAL))
    assert "$.gateway.port" in result.error
    assert path.read_text() == before


def test_without_a_manager_nothing_is_written(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(home))
    assert mended(fault("service.token-drift", "x"))[0].error == "the service manager does not answer"


def test_lingering_is_turned_on(home: Path, managers: FakeManagers) -> None:
    assert mended(fault("service.no-linger", "x"))[0].done == f"Lingering is on for {getpass.getuser()}."
    assert managers.lingering == [getpass.getuser()]
    managers.fail("loginctl", "enable-linger", text="Access denied")
    assert "Access denied" in mended(fault("service.no-linger", "x"))[0].error
