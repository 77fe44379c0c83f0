# SPDX-License-Identifier: GPL-3.0-or-later
"""Every user setting, declared once: default, range, unit and its effect in an artist's words.

Panels, command-line flags and the documentation's table are all derived from these dataclasses.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from .errors import InputError

EMBEDDED_MODEL = "maquette-mini"
"""The one that ships with Maquette; it makes shapes and paints."""
PRESET_FOLDER = Path(__file__).parent / "presets"
PRESETS = ("draft", "standard", "detailed")
"""The presets that ship with Maquette, from quick to fine: `PRESET_FOLDER` has a file for each."""
NOT_IN_PRESETS = ("model", "paint_model", "texture", "uv", "front_deg", "seed")
"""Settings that say what is made, not how well: choosing a shipped preset leaves them alone."""
MODELS = (
    "maquette-mini",
    "hunyuan3d-2",
    "hunyuan3d-2-turbo",
    "hunyuan3d-2-mini",
    "hunyuan3d-2-mv",
    "hunyuan3d-2.1",
)
PAINT_MODELS = ("maquette-mini", "hunyuan3d-paint-2", "hunyuan3d-paint-2-turbo")


def setting(
    default: Any,
    low: float | None = None,
    high: float | None = None,
    unit: str = "",
    text: str = "",
    choices: tuple[str, ...] = (),
) -> Any:
    """Declare one setting: its default, range (inclusive), unit and tooltip."""
    meta = {"min": low, "max": high, "unit": unit, "text": text, "choices": choices}
    return field(default=default, metadata=meta)


@dataclass(frozen=True, slots=True)
class ImageConfig:
    """How the reference picture is cut out and framed."""

    border_ratio: float = setting(
        0.15,
        0.0,
        0.5,
        "",
        "Empty margin around the object when the model looks at the picture, as a share of its "
        "width. Less shows the model finer detail, more keeps the shape clear of the edges",
    )
    remove_background: str = setting(
        "auto",
        text="Cut the object out of its background when the picture has no transparency; never: "
        "the whole picture counts as the object",
        choices=("auto", "never"),
    )


@dataclass(frozen=True, slots=True)
class SampleConfig:
    """How the shape is sampled from the picture's tokens.

    0 steps, 0 candidates or a negative guidance mean: the model's own default.
    """

    steps: int = setting(
        0,
        0,
        200,
        "",
        "How many steps the shape is worked out in; more take longer and follow the picture more "
        "closely. 0 uses the number that suits the model",
    )
    guidance: float = setting(
        -1.0,
        -1.0,
        20.0,
        "",
        "How strongly the shape follows the picture; low values are freer and smoother, high ones "
        "exaggerate. -1 uses the strength that suits the model",
    )
    candidates: int = setting(
        0,
        0,
        64,
        "",
        "How many shapes are tried; the one whose outline meets the picture's best is kept. More "
        "are surer and take longer. 0 uses the number that suits the model",
    )
    seed: int = setting(
        0,
        0,
        2**31 - 1,
        "",
        "Another number gives another variation of what the picture leaves open; the same number "
        "with the same picture and settings gives the same result",
    )


@dataclass(frozen=True, slots=True)
class FieldConfig:
    """How finely the shape is evaluated before it becomes a mesh."""

    resolution: int = setting(
        128,
        64,
        512,
        "",
        "How finely the shape is measured before it becomes a mesh, in cells along each side. "
        "More keeps thin parts and small detail, and takes longer and more memory",
    )


@dataclass(frozen=True, slots=True)
class MeshConfig:
    """How the surface becomes a clean mesh."""

    target_faces: int = setting(
        20000,
        100,
        2_000_000,
        "",
        "Most triangles the finished mesh may have; more keep small forms, fewer are lighter",
    )
    floater_ratio: float = setting(
        0.01,
        0.0,
        1.0,
        "",
        "Removes crumbs that float beside the object: loose pieces with less than this share of "
        "the largest piece's volume. 0 keeps every piece",
    )
    smoothing: int = setting(
        -1,
        -1,
        50,
        "",
        "Rounds that even out small bumps; more make softer surfaces, 0 keeps every detail. "
        "-1 uses what suits the model",
    )
    crease_deg: float = setting(
        40.0,
        0.0,
        180.0,
        "degrees",
        "Edges at which the surface turns by more than this angle look sharp; less shows more "
        "edges, 180 shades everything smooth",
    )


@dataclass(frozen=True, slots=True)
class PaintConfig:
    """How the surface is painted from the reference pictures.

    0 steps or a negative guidance mean: the model's own default.
    """

    paint_model: str = setting(
        "maquette-mini",
        text="Which model paints the surface, if the texture is painted. Maquette Mini comes with "
        "the extension; the others are large and are downloaded first",
        choices=PAINT_MODELS,
    )
    paint_steps: int = setting(
        0,
        0,
        200,
        "",
        "How many steps each view is painted in; more take longer and give cleaner colours. "
        "0 uses the number that suits the model",
    )
    paint_guidance: float = setting(
        -1.0,
        -1.0,
        20.0,
        "",
        "How strongly the colours follow the picture; low values are paler and freer, high ones "
        "stronger in contrast. -1 uses the strength that suits the model",
    )
    further_views: int = setting(
        6,
        0,
        40,
        "",
        "Most views that are painted besides the six standard ones, where these leave surface "
        "unseen. More reach into hollows and take longer, fewer leave more to be filled in",
    )
    delight: str = setting(
        "auto",
        text="Take light and shadow out of the picture before painting, if the model can, so that "
        "the texture can be lit anew; never: they stay in the colours",
        choices=("auto", "never"),
    )
    project_reference: str = setting(
        "auto",
        text="Carry what the picture itself shows, such as emblems and patterns, over to the "
        "surface where the picture and the mesh agree; never: only paint after it",
        choices=("auto", "never"),
    )
    front_deg: float = setting(
        0.0,
        -180.0,
        180.0,
        "degrees",
        "Turns the side that counts as the front of an existing mesh, about its upright axis, "
        "counter-clockwise seen from above",
    )


@dataclass(frozen=True, slots=True)
class TextureConfig:
    """Whether there is a texture, and on which UV map."""

    texture: str = setting(
        "paint",
        text="Paint: carry the pictures over and let the painting model paint what they do not "
        "show. Project: fill that without a model, which is quicker. None: leave the surface bare",
        choices=("paint", "project", "none"),
    )
    uv: str = setting(
        "auto",
        text="UV map of an existing mesh: keep it, make a new one, or keep it if it can be used",
        choices=("auto", "keep", "new"),
    )


@dataclass(frozen=True, slots=True)
class UnwrapConfig:
    """How a new UV map is made."""

    chart_gap_px: float = setting(
        3.0,
        1.0,
        32.0,
        "px",
        "Room between the pieces of a new UV map, in pixels of a texture 1024 wide; it grows with "
        "the texture. More keeps colours apart at a distance, less leaves more room for detail",
    )


@dataclass(frozen=True, slots=True)
class BakeConfig:
    """How painted views become a texture."""

    texture_size: int = setting(
        1024, 512, 4096, "px", "Width and height of the texture; larger keeps finer detail"
    )
    facing_power: float = setting(
        4.0,
        0.5,
        16.0,
        "",
        "How much views that see the surface head-on win over slanted ones; more is crisper, less "
        "blends views more softly into each other",
    )
    max_angle_deg: float = setting(
        78.0,
        45.0,
        89.0,
        "degrees",
        "A view does not paint what it sees at a flatter angle than this; more covers more of the "
        "surface, less avoids smeared colours at the sides",
    )
    guard_px: float = setting(
        4.0,
        0.0,
        8.0,
        "px",
        "How far from outlines background that was painted over the edge is looked for and taken "
        "out, in pixels of a picture 512 wide. More removes wider fringes, 0 keeps every pixel",
    )


@dataclass(frozen=True, slots=True)
class JobConfig:
    """All settings of one job."""

    model: str = setting(
        "maquette-mini",
        text="Which model makes the shape. Maquette Mini comes with the extension; the others are "
        "much larger, need a graphics card with memory to match and are downloaded first",
        choices=MODELS,
    )
    image: ImageConfig = field(default_factory=ImageConfig)
    sample: SampleConfig = field(default_factory=SampleConfig)
    field_: FieldConfig = field(default_factory=FieldConfig)
    mesh: MeshConfig = field(default_factory=MeshConfig)
    paint: PaintConfig = field(default_factory=PaintConfig)
    texture: TextureConfig = field(default_factory=TextureConfig)
    unwrap: UnwrapConfig = field(default_factory=UnwrapConfig)
    bake: BakeConfig = field(default_factory=BakeConfig)


_GROUPS: dict[str, type] = {
    "image": ImageConfig,
    "sample": SampleConfig,
    "field_": FieldConfig,
    "mesh": MeshConfig,
    "paint": PaintConfig,
    "texture": TextureConfig,
    "unwrap": UnwrapConfig,
    "bake": BakeConfig,
}


def setting_names() -> dict[str, tuple[str, Any]]:
    """Flat setting name -> (group attribute of `JobConfig` or "", dataclass field)."""
    names: dict[str, tuple[str, Any]] = {
        "model": ("", next(f for f in fields(JobConfig) if f.name == "model"))
    }
    for group, cls in _GROUPS.items():
        for item in fields(cls):
            names[item.name] = (group, item)
    return names


def overlay(config: JobConfig, values: Mapping[str, Any]) -> JobConfig:
    """Replace settings by flat name, checked against type, range and choices.

    Args:
        config: What to start from.
        values: Flat setting name -> value, e.g. `{"steps": 20, "resolution": 256}`.

    Raises:
        InputError: Unknown name, wrong type or value out of range.
    """
    names = setting_names()
    for name, value in values.items():
        if name not in names:
            raise InputError(
                f"There is no setting called '{name}'.", f"Use one of: {', '.join(sorted(names))}."
            )
        group, item = names[name]
        checked = _checked(name, value, item)
        if group:
            part = replace(getattr(config, group), **{name: checked})
            config = replace(config, **{group: part})
        else:
            config = replace(config, **{name: checked})
    return config


def flatten(config: JobConfig) -> dict[str, Any]:
    """All settings as a flat name -> value dictionary, the inverse of `overlay`."""
    flat: dict[str, Any] = {"model": config.model}
    for group, cls in _GROUPS.items():
        for item in fields(cls):
            flat[item.name] = getattr(getattr(config, group), item.name)
    return flat


def load_preset(name: str, folder: Path = PRESET_FOLDER) -> JobConfig:
    """Read a preset: the default settings overlaid with the values of `<name>.json`.

    Raises:
        InputError: No such preset, not JSON, or an unknown or invalid setting in it.
    """
    path = folder / f"{name}.json"
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(
            f"There is no preset called '{name}'.", "Choose one from the list."
        ) from error
    except ValueError as error:
        raise InputError(
            f"The preset '{name}' is not valid JSON.", "Mend or delete that file."
        ) from error
    if not isinstance(values, dict):
        raise InputError(
            f"The preset '{name}' is not a list of settings.", "Mend or delete that file."
        )
    return overlay(JobConfig(), values)


def _checked(name: str, value: Any, item: Any) -> Any:
    """The value converted to the setting's type, or an InputError that names the allowed range."""
    meta = item.metadata
    if meta["choices"]:
        if value not in meta["choices"]:
            raise InputError(
                f"'{value}' is not a value for '{name}'.",
                f"Use one of: {', '.join(meta['choices'])}.",
            )
        return value
    kind = type(item.default)
    if (
        isinstance(value, bool)
        or not isinstance(value, (int, float))
        or (kind is int and isinstance(value, float) and not value.is_integer())
    ):
        raise InputError(
            f"'{name}' needs a {'whole ' if kind is int else ''}number, not '{value}'.",
            f"Default: {item.default}.",
        )
    if not meta["min"] <= value <= meta["max"]:
        raise InputError(
            f"'{name}' = {value} is out of range.", f"Use {meta['min']} to {meta['max']}."
        )
    return kind(value)
