# SPDX-License-Identifier: GPL-3.0-or-later
"""The exception hierarchy: what went wrong, and what the user does next."""


class MaquetteError(Exception):
    """Base of every error a user may see.

    Args:
        message: What happened, one sentence.
        hint: What the user does next, one sentence.

    Attributes:
        code: Stable identifier that crosses the protocol.
    """

    code = "error"

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        """Message and hint as one line."""
        return f"{self.message} {self.hint}".strip()


class InputError(MaquetteError):
    """A picture, file or setting given by the user cannot be used."""

    code = "input"


class ModelMissingError(MaquetteError):
    """The weights of the chosen model are not on this machine."""

    code = "model_missing"


class WeightsError(MaquetteError):
    """A weights file is damaged or does not fit the network."""

    code = "weights"


class DeviceMemoryError(MaquetteError):
    """The device ran out of memory."""

    code = "device_memory"


class SetupError(MaquetteError):
    """The worker's Python environment is missing or broken."""

    code = "setup"


class OfflineError(MaquetteError):
    """A download is needed but online access is not allowed or not possible."""

    code = "offline"


class WorkerDiedError(MaquetteError):
    """The worker process ended while it was needed."""

    code = "worker_died"


class ProtocolError(MaquetteError):
    """The other side sent something that is not a message of this protocol."""

    code = "protocol"


class CancelledError(MaquetteError):
    """The user cancelled the job."""

    code = "cancelled"


class EmptyFieldError(MaquetteError):
    """The field never crosses its level, so there is no surface."""

    code = "empty_field"


_BY_CODE: dict[str, type[MaquetteError]] = {
    cls.code: cls
    for cls in (
        MaquetteError,
        InputError,
        ModelMissingError,
        WeightsError,
        DeviceMemoryError,
        SetupError,
        OfflineError,
        WorkerDiedError,
        ProtocolError,
        CancelledError,
        EmptyFieldError,
    )
}


def error_from_code(code: str, message: str, hint: str = "") -> MaquetteError:
    """Rebuild an error that crossed the protocol; unknown codes become `MaquetteError`."""
    return _BY_CODE.get(code, MaquetteError)(message, hint)
