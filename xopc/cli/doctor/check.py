"""What the doctor looks at, and what comes of a look."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cached_property

from attrs import field, frozen

from xopc.cli.gateway.asking import ask_gateway
from xopc.cli.gateway.issues import Issue, find_issues
from xopc.cli.gateway.target import Target
from xopc.cli.output import sentence
from xopc.config.audit import Severity
from xopc.service.audit.survey import Service, Survey, survey
from xopc.service.health import Answer
from xopc.service.ports import PortUse, inspect

ANSWER_SECONDS = 5
SERVICE_SECONDS = 10.0


@frozen
class Fault:
    """One thing that is not as it should be. None of its texts holds a secret."""

    check_id: str
    """Stable: programs may count on it."""
    severity: Severity
    title: str
    """What is so, without a full stop."""
    where: str
    """A key of the configuration, a variable, a file, a port."""
    detail: str
    remediation: str


@frozen
class Result:
    """What came of one check."""

    summary: str
    """What was seen; empty where the faults say it all."""
    faults: tuple[Fault, ...] = ()
    skipped: bool = False
    """Whether it could not be looked at, for the reason that `summary` tells."""

    @classmethod
    def of(cls, faults: Iterable[Fault], otherwise: str) -> Result:
        """The faults, or what is to be said where there are none."""
        found = tuple(faults)
        return cls("" if found else otherwise, found)


@frozen
class Sight:
    """One gateway, of which each thing is looked at once, when it is asked for."""

    target: Target

    @cached_property
    def answer(self) -> Answer | None:
        """What the gateway says; None where its port is not known."""
        return ask_gateway(self.target, ANSWER_SECONDS)

    @cached_property
    def use(self) -> PortUse | None:
        """Who listens at the port; None where that is not known."""
        return None if self.target.port is None else inspect(self.target.port)

    @cached_property
    def survey(self) -> Survey:
        """The look at the service, which may go on for longer than it is waited for."""
        target = self.target
        owner = target.owner.pid if target.owner else None
        return Survey(lambda tell: survey(target.environ, target.paths, owner, tell))

    @cached_property
    def service(self) -> Service | None:
        """The service of this configuration; None where no manager is there, or it does not answer in time."""
        return self.survey.result(SERVICE_SECONDS)

    @cached_property
    def issues(self) -> tuple[Issue, ...]:
        """What `xopc gateway status` would tell."""
        return find_issues(self.target, self.answer, self.use, elsewhere=False)


@frozen
class Check:
    """One thing to look at."""

    id: str
    section: str
    look: Callable[[Sight], Result] = field(repr=False)

    def run(self, sight: Sight) -> Result:
        """Look. What the system does not let it see is a fault of its own."""
        try:
            return self.look(sight)
        except OSError as error:
            what = sentence(error)
            cure = "Run the doctor as the user that runs the gateway, and see whether the disk is well."
            unseen = Fault(f"{self.id}.unseen", Severity.CRITICAL, "This could not be looked at", what, "", cure)
            return Result("", (unseen,))


def of_issues(prefix: str, where: str, issues: Iterable[Issue]) -> tuple[Fault, ...]:
    """What `xopc gateway status` tells, as faults."""
    return tuple(
        Fault(
            f"{prefix}.{issue.code}",
            Severity.CRITICAL if issue.level == "required" else Severity.WARN,
            issue.message.rstrip("."),
            where,
            issue.detail,
            issue.hint,
        )
        for issue in issues
    )
