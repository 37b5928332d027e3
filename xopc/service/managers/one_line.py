"""Texts that go into a service's definition, and what no definition can hold."""

from __future__ import annotations

from xopc.service.managers.base import Definition, ServiceManagerError


def one_line(text: str, place: str) -> str:
    """The text itself; `place` says where it stands, in an error.

    Raises:
        ServiceManagerError: it has a line break or another control character in it, or is not UTF-8.
    """
    if any(sign < " " or sign in "\x7f\u2028\u2029" for sign in text):
        what = "a line break" if {"\r", "\n"} & set(text) else "a control character"
        raise ServiceManagerError(f"{place} holds {what}, which no service can be given: take it out")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ServiceManagerError(f"{place} is not UTF-8, which a service's definition has to be") from None
    return text


def check_texts(definition: Definition) -> None:
    """See that each text of a definition can stand in one.

    Raises:
        ServiceManagerError: one cannot; it says which.
    """
    one_line(definition.description, "the description")
    one_line(str(definition.working_directory), "the directory of the configuration")
    one_line(str(definition.secrets_path), "the path of the state directory")
    one_line(str(definition.log_dir), "the path of the log's directory")
    for argument in definition.arguments:
        one_line(argument, "the command line")
    for name, value in definition.environment.items():
        one_line(f"{name}={value}", f"the variable {name}")
