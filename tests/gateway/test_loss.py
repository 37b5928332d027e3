"""What was there and is gone is told with its place and its cure, and what never was is not missed."""

from __future__ import annotations

import pytest
from attrs import evolve

from xopc.config.paths import resolve_paths
from xopc.config.resolve import Flags, Resolved, weigh
from xopc.config.secrets.references import NO_SECRETS, Reference, Secrets, Source
from xopc.contracts.auth import Auth, AuthMode, SecretSource
from xopc.contracts.errors import ConfigError, LostSecretError
from xopc.gateway.loss import refuse_loss, refuse_lost_keys

KEY, OTHER = Reference(Source.FILE, "key"), Reference(Source.FILE, "other")


@pytest.fixture
def resolved() -> Resolved:
    environ = {"HOME": "/home/ann", "XOPC_GATEWAY_TOKEN": "an-invented-token-0123456789"}
    return evolve(weigh(resolve_paths(environ), None, "none", environ, Flags()), content=b"{}")


def test_a_file_that_is_gone_is_a_loss_and_one_that_never_was_is_none(resolved: Resolved) -> None:
    gone = evolve(resolved, content=None)
    with pytest.raises(ConfigError, match="is gone: put it back"):
        refuse_loss(resolved, gone)
    refuse_loss(gone, gone)
    refuse_loss(gone, resolved)


def test_a_token_that_is_gone_is_a_loss_and_a_door_without_one_has_none(resolved: Resolved) -> None:
    lost = evolve(resolved, auth=Auth(AuthMode.TOKEN, None, SecretSource.CONFIG))
    with pytest.raises(ConfigError, match=r"\$\.gateway\.auth\.token: is gone: .*xopc gateway token --generate"):
        refuse_loss(resolved, lost)
    refuse_loss(resolved, evolve(lost, auth=Auth(AuthMode.NONE, None, SecretSource.CONFIG)))


def test_a_key_that_was_had_is_missed_and_one_that_was_lost_before_is_not(resolved: Resolved) -> None:
    before = Secrets({KEY: "an-invented-key"}, {OTHER: "there is no file other"})
    now = Secrets({}, {KEY: "there is no file key", OTHER: "there is no file other"})
    with pytest.raises(LostSecretError) as caught:
        refuse_lost_keys(before, now, resolved)
    assert [str(problem) for problem in caught.value.problems] == [f"models.json: {KEY}: there is no file key"]
    refuse_lost_keys(before, NO_SECRETS, resolved)
