# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns messages into JSON lines and back: all that the calling side and the worker say.

One message is one line of JSON, an object with `type` and the fields of the dataclass of that
name. Arrays and pictures never travel in a line: messages hold paths of files in the job's folder.
"""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, fields
from types import UnionType
from typing import Any, BinaryIO, NoReturn, get_args, get_origin, get_type_hints

from .errors import ProtocolError

PROTOCOL_VERSION = 2
MAX_LINE_BYTES = 1 << 20
KINDS = ("generate", "retexture", "bake")
"""Picture to asset; picture and mesh to texture; painted views and mesh to texture."""


@dataclass(frozen=True, slots=True)
class Submit:
    """To the worker: run a job.

    Attributes:
        job_id: Chosen by the caller, unique in this worker's life.
        job_folder: Existing folder; the worker writes its results and `job.log` there.
        images: Paths of one to four reference pictures; none for "bake".
        view_labels: "front", "left", "back" or "right", one per picture.
        settings: Flat setting name -> value (see `config.overlay`).
        kind: One of `KINDS`.
        mesh_path: Mesh to texture, for "retexture" and "bake": an npz file with vertices
            `[P, 3]` float32 (Y up, front +Z, any place and scale), faces `[F, 3]` int32 and
            perhaps uv `[F, 3, 2]` float32 and face_mask `[F]` bool, the faces to paint; or a
            .glb, .gltf, .obj, .ply or .stl file.
        base_texture_path: PNG that fills the mesh's uv now, or "". With a mask, what lies
            outside of it is kept; without one, it is a further reference for the colours.
        texel_mask_path: PNG on the mesh's uv, or "": only where it is bright is painted.
        views_folder: For "bake": folder of painted views, see `docs/views.md`.
        thumbnail_px: Edge of two small pictures that the worker draws as well, `picture.jpg` of
            the first reference picture and `result.jpg` of the result; 0 for none.
    """

    job_id: str
    job_folder: str
    images: list[str]
    view_labels: list[str] = field(default_factory=lambda: ["front"])
    settings: dict[str, Any] = field(default_factory=dict[str, Any])
    kind: str = "generate"
    mesh_path: str = ""
    base_texture_path: str = ""
    texel_mask_path: str = ""
    views_folder: str = ""
    thumbnail_px: int = 0


@dataclass(frozen=True, slots=True)
class Cancel:
    """To the worker: stop this job before its next step; the worker stays alive."""

    job_id: str


@dataclass(frozen=True, slots=True)
class Unload:
    """To the worker: free all loaded models."""


@dataclass(frozen=True, slots=True)
class Shutdown:
    """To the worker: end the process."""


@dataclass(frozen=True, slots=True)
class Hello:
    """From the worker, once, when it can take jobs.

    Attributes:
        protocol: `PROTOCOL_VERSION` of the worker.
        pid: Its process number.
        devices: Names usable for jobs, best first, e.g. ["cuda:0", "cpu"].
        free_memory_mb: Free memory of each device, same order.
        confidence: Share of the model's validation results for which less spoke, 0..1: below 0.1
            the shape is probably wrong; None for a submitted mesh, or an uncalibrated model.
        versions: Package name -> version, at least python and torch.
    """

    protocol: int
    pid: int
    devices: list[str]
    free_memory_mb: list[int]
    versions: dict[str, str]


@dataclass(frozen=True, slots=True)
class ProgressEvent:
    """From the worker: the job went on.

    Attributes:
        job_id: Which job.
        stage: Name of the running stage.
        step: Steps of the stage done, 0..of.
        of: Steps of the stage in all.
        seconds_left: Estimate for the stage, or None.
    """

    job_id: str
    stage: str
    step: int
    of: int
    seconds_left: float | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """From the worker: the job is finished.

    Attributes:
        job_id: Which job.
        mesh_path: `mesh.npz` in the job folder: vertices `[P, 3]` float32, faces `[F, 3]`
            int32, Y up, front +Z, and uv `[F, 3, 2]` float32 if there is a texture. Vertices and
            faces of a submitted mesh come back as they were, in number, order and value.
        glb_path: The same mesh as `mesh.glb`, with its texture.
        vertices: Number of vertices.
        faces: Number of triangles.
        seed: The seed that was used.
        seconds: Stage name -> seconds.
        warnings: Sentences for the user, e.g. that no background could be found.
        texture_path: `base_colour.png` in the job folder, sRGB, 8 bits, or "" without a texture.
        texture_size: Edge of the texture, pixels; 0 without one.
        is_new_uv: Whether the uv was made by this job, or is the submitted mesh's own.
        coverage: "seen" and "filled": shares of the texels inside charts that views have painted
            and that were filled in, adding up to 1; "views": how many views there were.
        versions: Package name -> version of what decides a result, and "device" -> its name.
        weights: "model" and "paint_model", as far as they took part -> what identifies their
            weights, see `weights/digest.py`; empty where they are not known.
    """

    job_id: str
    mesh_path: str
    glb_path: str
    vertices: int
    faces: int
    seed: int
    seconds: dict[str, float]
    warnings: list[str] = field(default_factory=list[str])
    texture_path: str = ""
    texture_size: int = 0
    is_new_uv: bool = False
    coverage: dict[str, float] = field(default_factory=dict[str, float])
    confidence: float | None = None
    versions: dict[str, str] = field(default_factory=dict[str, str])
    weights: dict[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True, slots=True)
class ErrorEvent:
    """From the worker: the job failed (or was cancelled: code "cancelled").

    Attributes:
        job_id: Which job, or "" when no job is meant.
        code: `MaquetteError.code`.
        message: What happened, one sentence.
        hint: What to do next, one sentence.
    """

    job_id: str
    code: str
    message: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Unloaded:
    """From the worker: the models were freed, on request or after the idle time."""

    free_memory_mb: list[int]


Message = (
    Submit | Cancel | Unload | Shutdown | Hello | ProgressEvent | Result | ErrorEvent | Unloaded
)

_TYPES: dict[str, type] = {
    "submit": Submit,
    "cancel": Cancel,
    "unload": Unload,
    "shutdown": Shutdown,
    "hello": Hello,
    "progress": ProgressEvent,
    "result": Result,
    "error": ErrorEvent,
    "unloaded": Unloaded,
}
_NAMES = {cls: name for name, cls in _TYPES.items()}


def encode(message: Message) -> bytes:
    """One message as one line of JSON, newline included; ASCII only, so any file name survives."""
    body = {"type": _NAMES[type(message)], **asdict(message)}
    return json.dumps(body, allow_nan=False).encode() + b"\n"


def decode(line: bytes) -> Message:
    """The message of one line; unknown fields are dropped.

    Raises:
        ProtocolError: Not JSON, an unknown type, or fields that do not fit the type.
    """
    try:
        body = json.loads(line, parse_constant=_refuse_constant)
        cls = _TYPES[body.pop("type")]
        known = {item.name for item in fields(cls)}
        message = cls(**{key: value for key, value in body.items() if key in known})
        for name, hint in get_type_hints(cls).items():
            if not _fits(getattr(message, name), hint):
                raise TypeError(name)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        shown = line[:80].decode("utf-8", "replace")
        raise ProtocolError(
            f"This is not a message of the worker's protocol: {shown!r}.",
            "Restart the worker; if it stays, see the log file.",
        ) from error
    return message


def read_messages(stream: BinaryIO) -> Iterator[Message | ProtocolError]:
    """Everything that arrives on a pipe until its end.

    Args:
        stream: A buffered binary stream.

    Yields:
        A message, or the `ProtocolError` of a line that is none; lines of more than
        `MAX_LINE_BYTES` are skipped without being held in memory. Empty lines are ignored.
    """
    while line := stream.readline(MAX_LINE_BYTES):
        if len(line) == MAX_LINE_BYTES and not line.endswith(b"\n"):
            _skip_line(stream)
            yield ProtocolError(
                f"A line is longer than {MAX_LINE_BYTES} bytes.",
                "Pass arrays and pictures as files in the job's folder.",
            )
        elif line.strip():
            yield _decoded(line)


def _decoded(line: bytes) -> Message | ProtocolError:
    """The message of a line, or the error as a value."""
    try:
        return decode(line)
    except ProtocolError as error:
        return error


def _skip_line(stream: BinaryIO) -> None:
    """Read and drop up to the next newline or the end."""
    while (part := stream.readline(MAX_LINE_BYTES)) and not part.endswith(b"\n"):
        pass


def _refuse_constant(name: str) -> NoReturn:
    """NaN and Infinity are not JSON."""
    raise ValueError(name)


def _fits(value: Any, hint: Any) -> bool:
    """Whether a decoded JSON value has the type of the field."""
    origin, args = get_origin(hint), get_args(hint)
    if hint is Any:
        return True
    if origin is UnionType:
        return any(_fits(value, option) for option in args)
    if origin is list:
        return isinstance(value, list) and all(_fits(item, args[0]) for item in value)  # pyright: ignore[reportUnknownVariableType]
    if origin is dict:
        return isinstance(value, dict) and all(_fits(item, args[1]) for item in value.values())  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    if hint in (int, float):
        return isinstance(value, (int, hint)) and not isinstance(value, bool)
    return isinstance(value, hint)
