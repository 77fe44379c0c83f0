# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns the settings declared in `backend/config.py` into Blender properties, and back."""

from collections.abc import Mapping
from dataclasses import Field
from typing import Any

import bpy

from . import properties_finish, session
from .backend import config
from .backend.errors import InputError
from .properties_recipe import CLASSES as RECIPE_CLASSES
from .properties_recipe import VIEWS, MAQUETTE_PG_memory, MAQUETTE_PG_recipe


def _title(name: str) -> str:
    """`target_faces` -> `Target Faces`, `front_deg` -> `Front (°)`."""
    title = name.removesuffix("_px").replace("_", " ").replace("-", " ").title()
    title = title.replace("Uv", "UV")
    return f"{title.removesuffix(' Deg')} (°)" if title.endswith(" Deg") else title


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
    if meta["unit"] == "px":
        limits["subtype"] = "PIXEL"
    if isinstance(item.default, int):
        return bpy.props.IntProperty(**limits, **texts)
    return bpy.props.FloatProperty(**limits, **texts)


SAVED_PRESETS = "maquette"
"""Sub-folder of Blender's preset folders that holds what users save with Add Preset."""
# Names of the properties below that only re-texturing has, with what their values mean.
ATLASES = (
    ("each", "One Each", "Every object gets a texture of its own"),
    ("shared", "Shared", "All selected objects share one texture and one material"),
)
MASKS = (
    ("all", "Everywhere", "Paint all faces"),
    ("selection", "Selected Faces", "Paint the faces that are selected in Edit Mode"),
    ("alpha", "Transparent Parts", "Paint where the present texture is transparent"),
    ("image", "Mask Picture", "Paint where a picture on the active UV map is bright"),
    ("attribute", "Attribute", "Paint where a color attribute, or another one, is bright"),
)


class MAQUETTE_PG_settings(bpy.types.PropertyGroup):
    """What the next job uses: reference pictures, size, and every setting of `config.py`."""

    image: bpy.props.PointerProperty(
        type=bpy.types.Image,
        name="Picture",
        description="The reference picture, seen from the front; it decides shape and colors most",
    )
    image_left: bpy.props.PointerProperty(
        type=bpy.types.Image,
        name="Left",
        description="The object's left side, if you have it: it decides how that side looks",
    )
    image_back: bpy.props.PointerProperty(
        type=bpy.types.Image,
        name="Back",
        description="The object's back, if you have it: it decides how the back looks",
    )
    image_right: bpy.props.PointerProperty(
        type=bpy.types.Image,
        name="Right",
        description="The object's right side, if you have it: it decides how that side looks",
    )
    size_m: bpy.props.FloatProperty(
        name="Size",
        description="Length of the new object's longest side",
        default=1.0,
        min=0.001,
        soft_max=10.0,
        max=1000.0,
        unit="LENGTH",
    )
    variants: bpy.props.IntProperty(
        name="Variants",
        description="How many variations to make at once, with this seed and those after it; they "
        "stand beside each other",
        default=1,
        min=1,
        max=16,
    )
    saved_queue: bpy.props.StringProperty(
        name="Unfinished Jobs",
        description="Filled while the file is saved: jobs that can be queued again",
        options={"HIDDEN"},
    )
    history: bpy.props.CollectionProperty(
        type=MAQUETTE_PG_memory, name="History", description="Results, the newest first"
    )
    active_memory: bpy.props.IntProperty(name="Result", description="The result that is chosen")
    retexture_atlas: bpy.props.EnumProperty(
        name="Texture",
        description="Whether several selected objects get a texture each, or share one",
        items=ATLASES,
        default="each",
    )
    retexture_mask: bpy.props.EnumProperty(
        name="Paint",
        description="Where to paint; everything else stays as it is",
        items=MASKS,
        default="all",
    )
    mask_image: bpy.props.PointerProperty(
        type=bpy.types.Image, name="Mask", description="Bright where to paint, on the active UV map"
    )
    mask_attribute: bpy.props.StringProperty(
        name="Attribute", description="Name of the attribute that is bright where to paint"
    )
    keep_colours: bpy.props.BoolProperty(
        name="Keep Present Colors",
        description="Combine the picture with the texture that is there, which is a reference too",
        default=False,
    )
    finish: bpy.props.PointerProperty(type=properties_finish.MAQUETTE_PG_finish)
    cutout: bpy.props.PointerProperty(type=properties_finish.MAQUETTE_PG_cutout)


MAQUETTE_PG_settings.__annotations__.update(
    {name: _property_of(name, item) for name, (_, item) in config.setting_names().items()}
)


class MAQUETTE_PG_slot(bpy.types.PropertyGroup):
    """A material slot as it was before an object was painted."""

    mesh_material: bpy.props.PointerProperty(type=bpy.types.Material, name="Mesh's Material")
    object_material: bpy.props.PointerProperty(type=bpy.types.Material, name="Object's Material")
    is_of_object: bpy.props.BoolProperty(name="Object's Material Counts")


class MAQUETTE_PG_paint(bpy.types.PropertyGroup):
    """A material that was added by painting."""

    material: bpy.props.PointerProperty(type=bpy.types.Material, name="Material")


class MAQUETTE_PG_provenance(bpy.types.PropertyGroup):
    """How an object was made or painted; empty on objects that Maquette did not touch.

    What has `former` in its name is written and read by `scene/assignment.py` only.
    """

    picture: bpy.props.StringProperty(name="Picture")
    model: bpy.props.StringProperty(name="Model")
    seed: bpy.props.IntProperty(name="Seed")
    settings: bpy.props.StringProperty(name="Settings", description="All settings, as JSON")
    version: bpy.props.StringProperty(name="Version", description="Version of Maquette")
    made: bpy.props.PointerProperty(type=MAQUETTE_PG_recipe, name="How It Was Made")
    paint: bpy.props.PointerProperty(type=MAQUETTE_PG_recipe, name="How It Was Painted Last")
    former_slots: bpy.props.CollectionProperty(type=MAQUETTE_PG_slot)
    former_indices: bpy.props.StringProperty(
        name="Former Slots of the Faces", description="Packed numbers; empty: nothing is painted"
    )
    painted: bpy.props.CollectionProperty(type=MAQUETTE_PG_paint)
    is_hull: bpy.props.BoolProperty(
        name="Collision Hull", description="Made as the collision hull of its parent"
    )


class MAQUETTE_PG_job(bpy.types.PropertyGroup):
    """A row of the list of jobs: `name` is the job's id, all else is in the session."""


class MAQUETTE_PG_status(bpy.types.PropertyGroup):
    """What the running job does now, read from the session: nothing here is stored in a file."""

    is_running: bpy.props.BoolProperty(get=lambda _: session.current().is_running)
    stage: bpy.props.StringProperty(get=lambda _: session.current().status.stage)
    fraction: bpy.props.FloatProperty(get=lambda _: session.current().status.fraction)
    error: bpy.props.StringProperty(get=lambda _: session.current().status.error)
    hint: bpy.props.StringProperty(get=lambda _: session.current().status.hint)
    jobs: bpy.props.CollectionProperty(type=MAQUETTE_PG_job)
    active_job: bpy.props.IntProperty(name="Job", description="The job that is chosen")


CLASSES = (
    *RECIPE_CLASSES,
    *properties_finish.CLASSES,
    MAQUETTE_PG_settings,
    MAQUETTE_PG_slot,
    MAQUETTE_PG_paint,
    MAQUETTE_PG_provenance,
    MAQUETTE_PG_job,
    MAQUETTE_PG_status,
)


def to_images(settings: "MAQUETTE_PG_settings") -> dict[str, bpy.types.Image]:
    """View ("front", "left", "back", "right") -> picture, for those that are chosen."""
    chosen = {view: getattr(settings, name) for view, name in VIEWS.items()}
    return {view: image for view, image in chosen.items() if image is not None}


def to_settings(settings: "MAQUETTE_PG_settings") -> dict[str, Any]:
    """Flat setting name -> value, as the worker wants it (see `config.overlay`)."""
    values = {name: getattr(settings, name) for name in config.setting_names()}
    # Blender stores single precision: 0.15 comes back as 0.15000000596.
    return {name: round(v, 6) if isinstance(v, float) else v for name, v in values.items()}


def from_settings(settings: "MAQUETTE_PG_settings", values: Mapping[str, Any]) -> list[str]:
    """Set the panel's fields, the inverse of `to_settings`.

    Args:
        settings: Where to.
        values: Flat setting name -> value; recipes of other versions may hold what is not known.

    Returns:
        The names that are not settings any more, or whose value is no choice any more.
    """
    known = known_settings(values)
    for name, value in known.items():
        setattr(settings, name, value)
    return [name for name in values if name not in known]


def known_settings(values: Mapping[str, Any]) -> dict[str, Any]:
    """Those that this version has, with values that it allows."""
    known = {}
    for name, value in values.items():
        try:
            config.overlay(config.JobConfig(), {name: value})
        except InputError:
            continue
        known[name] = value
    return known


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
