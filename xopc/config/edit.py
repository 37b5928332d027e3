"""The edge at which a running gateway shows its configuration file, and changes it for those who may.

A change is made of what the file says in that moment, not of what is in force. It is weighed as a start weighs it, and
only then written.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Mapping
from threading import Lock
from typing import NoReturn

from attrs import field, frozen

from xopc.config.findings import Findings
from xopc.config.load import MAX_BYTES, Document, load_document, read_document, settings_in
from xopc.config.parse import NotJsonError
from xopc.config.patch import patched
from xopc.config.profile import default_port, profile_of
from xopc.config.resolve import Flags, Resolved, weigh
from xopc.config.secrets.references import path_of, references_in
from xopc.config.sent import is_same
from xopc.config.setup import with_certificate
from xopc.config.substitute import substitute
from xopc.config.view import Hides, effective, masked
from xopc.config.write import create_document, is_read_only, replace_document, text_of, write_private
from xopc.contracts.auth import Auth, AuthMode
from xopc.contracts.convert import JsonObject
from xopc.contracts.errors import ConfigError, Failure, InvalidValueError, Problem, XopcError

ATTEMPTS = 5
"""At a file that somebody else changes between reading and writing."""


@frozen
class Edited:
    """What came of a change."""

    config: JsonObject
    """As it is shown now."""
    before: bytes | None = field(repr=False)
    """The content of the file before; None where there was no file."""
    after: bytes | None = field(repr=False)
    """The new one; None where the change changes nothing, and nothing was written."""


@frozen
class Editor:
    """Shows and changes the configuration file of one gateway. Its methods wait for the disk; any thread may call them.

    `hides` tells the secrets among keys that no class declares.
    """

    resolved: Resolved
    """What is in force."""
    environ: Mapping[str, str] = field(repr=False)
    flags: Flags
    tell: Callable[[str | None], None] = field(repr=False)
    """Takes why a change could not be saved, and None when one is saved."""
    is_owner: bool = False
    """Whether changes come from whoever may edit the file anyway, and may name programs and files."""

    def view(self, hides: Hides) -> JsonObject:
        """The file with its defaults and without its secrets; where it does not validate, what is in force."""
        try:
            document = load_document(self.resolved.paths.config_path)
            findings = Findings()
            settings_in(document, self.environ, findings, self.resolved.secrets)
            findings.check(str(self.resolved.paths.config_path))
        except (ConfigError, OSError):
            document = read_document(self.resolved.content) if self.resolved.content is not None else None
        return masked(self._effective(document.values if document else {}), hides)

    def change(self, patch: JsonObject, hides: Hides) -> Edited:
        """Merge a patch into the file, whole or not at all, and one at a time.

        Raises:
            XopcError: INVALID_REQUEST, with the path of each problem; FORBIDDEN: the file may not be written; CONFLICT:
                it is broken, or somebody else keeps changing it; UNAVAILABLE: the disk fails. Nothing is changed then.
        """
        with _ONE_AT_A_TIME:
            for _ in range(ATTEMPTS):
                edited = self._try(patch, hides)
                if edited is not None:
                    return edited
        raise XopcError(Failure.CONFLICT, "Somebody else is changing the configuration file. Try again.")

    def undo(self, edited: Edited) -> None:
        """Put back what was there before a change, unless the file has been changed again."""
        path = self.resolved.paths.config_path.resolve()
        with _ONE_AT_A_TIME:
            try:
                if edited.after is None or path.read_bytes() != edited.after:
                    return
                if edited.before is None:
                    path.unlink()
                else:
                    write_private(path, edited.before)
            except FileNotFoundError:
                return
            except OSError as error:
                self.tell(
                    f"A change of {path} that was refused is still in it ({error.strerror}): see {path.name}.bak."
                )

    def without_path(self, text: str) -> str:
        """A message for clients, who learn no path of a file."""
        path = self.resolved.paths.config_path
        return text.replace(str(path), path.name).replace(f"{path.parent}{os.sep}", "")

    # -------------------------------------------------------------- helpers

    def _try(self, patch: JsonObject, hides: Hides) -> Edited | None:
        """None where the file has changed meanwhile."""
        path = self.resolved.paths.config_path
        document = self._load()
        if document is None and self.resolved.content is not None:
            raise XopcError(Failure.CONFLICT, "The configuration file is gone. Put it back first.")
        before = document.values if document else {}
        shown = self._effective(before)
        values = patched(before, shown, patch)
        if not self.is_owner:
            _refuse_reach(before, values)
        if is_same(values, before):
            return Edited(masked(shown, hides), document and document.content, None)
        if document and is_read_only(path):
            raise XopcError(
                Failure.FORBIDDEN, "The configuration file is read-only. Give its owner permission to write it."
            )
        after = text_of(values)
        self._check(values, after)
        if not self._write(document, values):
            return None
        return Edited(masked(self._effective(values), hides), document and document.content, after)

    def _check(self, values: JsonObject, content: bytes) -> None:
        """Refuse what a start would refuse, and what would lock everybody out."""
        if len(content) > MAX_BYTES:
            raise InvalidValueError(Problem("$", f"the file would be larger than {MAX_BYTES} bytes"))
        paths = self.resolved.paths
        try:
            document = read_document(content)
            known = self.resolved.secrets.without_lost()
            resolved = weigh(paths, document, str(paths.config_path), self.environ, self.flags, known=known)
            auth = with_certificate(resolved).auth
        except NotJsonError as error:
            raise InvalidValueError(Problem("$", str(error))) from None
        except ConfigError as error:
            what = "; ".join(problem.for_clients for problem in error.problems)
            raise XopcError(Failure.INVALID_REQUEST, self.without_path(what)) from None
        except OSError as error:
            self._fail(error)
        if _lacks_token(auth) and not _lacks_token(self.resolved.auth):
            what = "there would be none, and a new one that nobody knows would be generated: send one"
            raise InvalidValueError(Problem("$.gateway.auth.token", what))

    def _load(self) -> Document | None:
        try:
            return load_document(self.resolved.paths.config_path)
        except ConfigError as error:
            what = "; ".join(problem.what for problem in error.problems)
            raise XopcError(Failure.CONFLICT, f"The configuration file {what}. Mend it first.") from None
        except OSError as error:
            self._fail(error)

    def _write(self, document: Document | None, values: JsonObject) -> bool:
        """Whether it is written: the file is still what `document` was read from."""
        path = self.resolved.paths.config_path
        try:
            if document is None:
                written = create_document(path, values)
            else:
                written = replace_document(path, values, document.content)
        except FileNotFoundError:
            return False
        except OSError as error:
            self._fail(error)
        self.tell(None)
        return written

    def _fail(self, error: OSError) -> NoReturn:
        if error.errno in _FORBIDDEN:
            what = f"The configuration file cannot be written ({error.strerror}), and nothing was changed."
            raise XopcError(Failure.FORBIDDEN, what) from None
        path = self.resolved.paths.config_path
        self.tell(f"A change of {path} could not be saved ({error.strerror}): see to the disk, and send it again.")
        what = f"The configuration file cannot be saved ({error.strerror}), and nothing was changed. Try again."
        raise XopcError(Failure.UNAVAILABLE, what) from None

    def _effective(self, values: JsonObject) -> JsonObject:
        return effective(substitute(values, self.environ, Findings()), default_port(profile_of(self.environ)))


def _refuse_reach(before: JsonObject, after: JsonObject) -> None:
    """Refuse what would let a holder of the token run programs here, or read files, which the API gives nobody.

    Raises:
        XopcError: FORBIDDEN.
    """
    if not is_same(before.get("secrets", {}), after.get("secrets", {})):
        what = "$.secrets: names programs to run, and is changed in the configuration file itself alone"
        raise XopcError(Failure.FORBIDDEN, what)
    known = {reference for _, reference in references_in(before)}
    for keys, reference in references_in(after):
        if reference not in known:
            what = f"refers to {reference}, which is new: write it into the configuration file itself"
            raise XopcError(Failure.FORBIDDEN, f"{path_of(keys)}: {what}")


def _lacks_token(auth: Auth) -> bool:
    return auth.mode is AuthMode.TOKEN and auth.secret is None


_ONE_AT_A_TIME = Lock()
"""Of the process: two generations may have their editors at once."""
_FORBIDDEN = {errno.EACCES, errno.EPERM, errno.EROFS}
