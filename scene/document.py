# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns the .blend files that are open one after the other into tokens that tell them apart."""

import uuid
from dataclasses import dataclass, field

import bpy


def _new_token() -> str:
    return uuid.uuid4().hex


@dataclass(slots=True)
class Documents:
    """Knows whether the open file is the one that a job was started from.

    A file keeps its token when it is saved, under whichever name, and gets it back when it is
    opened again. A file that was never saved cannot come back.

    Attributes:
        current: Token of the open file.
    """

    current: str = field(default_factory=_new_token)
    _tokens: dict[str, str] = field(default_factory=dict)  # path of a file that was left -> token

    def leave(self) -> None:
        """Before another file is loaded: remember under which name the open one can come back."""
        if bpy.data.filepath:
            self._tokens[bpy.data.filepath] = self.current

    def enter(self) -> None:
        """After a file was loaded: give it its token."""
        self.current = self._tokens.get(bpy.data.filepath) or _new_token()

    def token_of(self, path: str) -> str:
        """The token of a file, open or not; of the open one for an empty path."""
        if path in ("", bpy.data.filepath):
            return self.current
        return self._tokens.setdefault(path, _new_token())
