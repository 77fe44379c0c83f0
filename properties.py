# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns the settings declared in `backend/config.py` into Blender properties, and back."""

from dataclasses import Field
from typing import Any

import bpy

from . import session
from .backend import config


def _title(name: str) -> str:
    """`target_faces` -> `Target Faces`."""
    return name.replace("_", " ").replace("-", " ").title()


CHOICES = {
    name: tuple((choice, _title(choice), "") for choice in item.metadata["choices"])
    for name, (_, item) in config.setting_names().items()
    if item.metadata["choices"]
}


def _property_of(name: str, item: "Field[Any]") -> Any:
    """The Blender property with the setting's default, range and tooltip."""
    meta = item.metadata
    texts = {"name": _title(name), "description": meta["text"]}
    if name in CHOICES:
        return bpy.props.EnumProperty(items=CHOICES[name], default=item.default, **texts)
    limits = {"min": meta["min"], "max": meta["max"], "default": item.default}
    if isinstance(item.default, int):
        return bpy.props.IntProperty(**limits, **texts)
    return bpy.props.FloatProperty(**limits, **texts)


class MAQUETTE_PG_settings(bpy.types.PropertyGroup):
    """What the next job uses: reference pictures, size, and every setting of `config.py`."""

    image: bpy.props.PointerProperty(
        type=bpy.types.Image,
        name="Picture",
        description="The reference picture, seen from the front",
    )
    image_left: bpy.props.PointerProperty(
        type=bpy.types.Image, name="Left", description="The object's left side, if you have it"
    )
    image_back: bpy.props.PointerProperty(
        type=bpy.types.Image, name="Back", description="The object's back, if you have it"
    )
    image_right: bpy.props.PointerProperty(
        type=bpy.types.Image, name="Right", description="The object's right side, if you have it"
    )
    size_m: bpy.props.FloatProperty(
        name="Size",
        description="Longest side of the new object",
        default=1.0,
        min=0.001,
        soft_max=10.0,
        max=1000.0,
        unit="LENGTH",
    )


MAQUETTE_PG_settings.__annotations__.update(
    {name: _property_of(name, item) for name, (_, item) in config.setting_names().items()}
)


class MAQUETTE_PG_provenance(bpy.types.PropertyGroup):
    """How an object was made; empty on objects that Maquette did not make."""

    picture: bpy.props.StringProperty(name="Picture")
    model: bpy.props.StringProperty(name="Model")
    seed: bpy.props.IntProperty(name="Seed")
    settings: bpy.props.StringProperty(name="Settings", description="All settings, as JSON")
    version: bpy.props.StringProperty(name="Version", description="Version of Maquette")


class MAQUETTE_PG_status(bpy.types.PropertyGroup):
    """What the running job does now, read from the session: nothing here is stored in a file."""

    is_running: bpy.props.BoolProperty(get=lambda _: session.current().is_running)
    stage: bpy.props.StringProperty(get=lambda _: session.current().status.stage)
    fraction: bpy.props.FloatProperty(get=lambda _: session.current().status.fraction)
    error: bpy.props.StringProperty(get=lambda _: session.current().status.error)
    hint: bpy.props.StringProperty(get=lambda _: session.current().status.hint)


CLASSES = (MAQUETTE_PG_settings, MAQUETTE_PG_provenance, MAQUETTE_PG_status)
# The view of each picture, in the worker's words -> the property that holds it.
VIEWS = {"front": "image", "left": "image_left", "back": "image_back", "right": "image_right"}


def to_settings(settings: "MAQUETTE_PG_settings") -> dict[str, Any]:
    """Flat setting name -> value, as the worker wants it (see `config.overlay`)."""
    values = {name: getattr(settings, name) for name in config.setting_names()}
    # Blender stores single precision: 0.15 comes back as 0.15000000596.
    return {name: round(v, 6) if isinstance(v, float) else v for name, v in values.items()}


def register() -> None:
    """Register the groups and hang them on the three data-blocks that carry them."""
    for cls in CLASSES:
        bpy.utils.register_class(cls)
    bpy.types.Scene.maquette = bpy.props.PointerProperty(type=MAQUETTE_PG_settings)
    bpy.types.Object.maquette = bpy.props.PointerProperty(type=MAQUETTE_PG_provenance)
    bpy.types.WindowManager.maquette = bpy.props.PointerProperty(type=MAQUETTE_PG_status)


def unregister() -> None:
    """Take the groups off again."""
    del bpy.types.WindowManager.maquette
    del bpy.types.Object.maquette
    del bpy.types.Scene.maquette
    for cls in reversed(CLASSES):
        bpy.utils.unregister_class(cls)
