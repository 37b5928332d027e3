"""What the command line of `xopc onboard` and `xopc setup` asks for: one option for each thing that is set up."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import Annotated

from attrs import field, frozen
from cyclopts import Parameter, validators

from xopc.cli.options import stdin_line
from xopc.contracts.errors import Failure, XopcError
from xopc.contracts.settings.file import BindMode

MAX_SECRET_BYTES = 64 * 1024


class SecretMode(Enum):
    """How a secret that came from the environment stands in the configuration."""

    REF = "ref"
    """As `${NAME}`."""
    PLAINTEXT = "plaintext"
    """Itself."""


@Parameter(name="*")
@frozen
class Wishes:
    """The options; None, or off, is nothing said."""

    model: Annotated[str | None, Parameter(help="The model: provider/model, or its name at --model-url.")] = None
    model_provider: Annotated[
        str | None, Parameter(help="The provider that the key is of: openai, groq, …; with --model-url, a name for it.")
    ] = None
    model_url: Annotated[str | None, Parameter(help="A server that speaks like OpenAI: http://localhost:1234/v1.")] = (
        None
    )
    model_key_from_env: Annotated[str | None, Parameter(help="The variable that holds the provider's key.")] = None
    model_key_file: Annotated[Path | None, Parameter(help="A file that holds it.")] = None
    model_key_stdin: Annotated[bool, Parameter(help="Read it from standard input, a line.")] = False
    skip_model: Annotated[bool, Parameter(help="Leave the model as it is.")] = False
    port: Annotated[
        int | None,
        Parameter(
            name=["--port", "--gateway-port"],
            validator=validators.Number(gte=1, lte=65535),
            help="The port of the gateway.",
        ),
    ] = None
    bind: Annotated[
        BindMode | None,
        Parameter(name=["--bind", "--gateway-bind"], help="From where it can be reached."),
    ] = None
    gateway_token_from_env: Annotated[
        str | None, Parameter(help="The variable that holds the token of clients (default: one is generated).")
    ] = None
    gateway_token_file: Annotated[Path | None, Parameter(help="A file that holds it.")] = None
    gateway_token: Annotated[
        str | None, Parameter(help="The token itself; the list of processes shows it for a moment.")
    ] = None
    workspace: Annotated[str | None, Parameter(help="The folder that the assistant works in.")] = None
    telegram_token_from_env: Annotated[str | None, Parameter(help="The variable that holds the bot's token.")] = None
    telegram_token_file: Annotated[Path | None, Parameter(help="A file that holds it.")] = None
    telegram_token_stdin: Annotated[
        bool, Parameter(help="Read it from standard input, a line; behind the model's key.")
    ] = False
    telegram_owner: Annotated[str | None, Parameter(help="Your Telegram user id, a number: who may write.")] = None
    telegram_api_root: Annotated[str | None, Parameter(help="A Bot API server other than Telegram's own.")] = None
    skip_telegram: Annotated[
        bool, Parameter(name=["--skip-telegram", "--skip-channels"], help="Leave Telegram as it is.")
    ] = False
    service: Annotated[
        bool | None,
        Parameter(
            name=["--service", "--install-daemon"],
            negative=["--no-service", "--no-install-daemon", "--skip-daemon"],
            help="Whether it is installed as a service, and started.",
        ),
    ] = None
    skip_hello: Annotated[bool, Parameter(name=["--skip-hello", "--skip-health"], help="Send no first message.")] = (
        False
    )
    secret_input_mode: Annotated[
        SecretMode,
        Parameter(help="How secrets of the environment are written (default: ref, which is ${NAME})."),
    ] = SecretMode.REF


@frozen
class Secret:
    """A key or a token, and how it is written down."""

    text: str = field(repr=False)
    variable: str | None = None
    """The environment variable that it stays in; None where it is written itself."""

    @property
    def written(self) -> str:
        """What stands for it in `xopc.json`."""
        return self.text.replace("${", "$${") if self.variable is None else f"${{{self.variable}}}"


@frozen
class Given:
    """The secrets that the options name."""

    model_key: Secret | None = None
    telegram_token: Secret | None = None
    gateway_token: Secret | None = None


def read_secrets(wishes: Wishes, environ: Mapping[str, str]) -> Given:
    """Read them, from environment, files and standard input.

    Raises:
        XopcError: one of them is not there, or two options name one.
    """
    mode = wishes.secret_input_mode
    key = _one(
        "--model-key",
        _from_variable(wishes.model_key_from_env, environ, mode),
        _from_file(wishes.model_key_file),
        _from_stdin("the model's key") if wishes.model_key_stdin else None,
    )
    bot = _one(
        "--telegram-token",
        _from_variable(wishes.telegram_token_from_env, environ, mode),
        _from_file(wishes.telegram_token_file),
        _from_stdin("the bot's token") if wishes.telegram_token_stdin else None,
    )
    token = _one(
        "--gateway-token",
        _from_variable(wishes.gateway_token_from_env, environ, mode),
        _from_file(wishes.gateway_token_file),
        Secret(wishes.gateway_token.strip()) if wishes.gateway_token and wishes.gateway_token.strip() else None,
    )
    return Given(key, bot, token)


def _one(option: str, *secrets: Secret | None) -> Secret | None:
    given = [secret for secret in secrets if secret is not None]
    if len(given) > 1:
        raise _refusal(f"The options that begin with {option} name {len(given)} secrets where one is needed.")
    return given[0] if given else None


def _from_variable(name: str | None, environ: Mapping[str, str], mode: SecretMode) -> Secret | None:
    if name is None:
        return None
    text = environ.get(name, "").strip()
    if not text:
        raise _refusal(f"The environment variable {name} is not set, or is empty.")
    return Secret(text, name if mode is SecretMode.REF else None)


def _from_file(path: Path | None) -> Secret | None:
    if path is None:
        return None
    try:
        with path.expanduser().open("rb") as file:
            text = file.read(MAX_SECRET_BYTES).decode("utf-8-sig").strip()
    except UnicodeDecodeError:
        raise _refusal(f"{path} is not UTF-8, so it holds no secret of this kind.") from None
    if not text:
        raise _refusal(f"{path} is empty.")
    return Secret(text)


def _from_stdin(what: str) -> Secret:
    try:
        line = stdin_line(MAX_SECRET_BYTES)
    except ValueError as error:
        raise _refusal(f"{what[0].upper()}{what[1:]}: {error}.") from None
    if not line:
        raise _refusal(f"Standard input has no line with {what}.")
    return Secret(line)


def _refusal(message: str) -> XopcError:
    return XopcError(Failure.INVALID_REQUEST, message)
