"""What the reading of a configuration brings to light, collected so that all of it is told at once."""

from __future__ import annotations

from attrs import Factory, define

from xopc.contracts.errors import ConfigError, LostSecret, LostSecretError, Problem


@define
class Findings:
    """Problems refuse the configuration, warnings do not. A path is a JSON path, a flag or a variable."""

    problems: list[Problem] = Factory(list[Problem])
    warnings: list[str] = Factory(list[str])

    def refuse(self, path: str, what: str) -> None:
        self.problems.append(Problem(path, what))

    def lose(self, path: str, what: str) -> None:
        """Refuse, for a secret that is kept elsewhere, and may be there in a minute."""
        self.problems.append(LostSecret(path, what))

    def warn(self, path: str, what: str) -> None:
        self.warnings.append(f"{path}: {what}")

    def check(self, file: str) -> None:
        """Go on only without problems. `file` is the source of those with a JSON path.

        Raises:
            ConfigError: with all problems; a `LostSecretError` where they are lost secrets alone.
        """
        if not self.problems:
            return
        paths = [problem.path for problem in self.problems]
        if all(isinstance(problem, LostSecret) for problem in self.problems):
            raise LostSecretError(file, *self.problems)
        if any(path.startswith("$") for path in paths):
            raise ConfigError(file, *self.problems)
        flags = [path for path in paths if path.startswith("--")]
        raise ConfigError(flags[0] if flags else "environment", *self.problems)
