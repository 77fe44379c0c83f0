# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns the recipe of a result into another job, or back into settings of the panel."""

import math
import random
from collections.abc import Iterable
from dataclasses import fields, replace
from typing import Any

import bpy
from bpy.app.translations import pgettext_rpt as rpt_
from mathutils import Vector

from .. import properties, session
from ..backend.config import JobConfig, flatten
from ..backend.errors import InputError, MaquetteError
from ..scene.asset import Origin, read_version
from ..scene.bake import Mask
from ..scene.kept_pictures import choose_original
from ..scene.recipe import Recipe, making_of, painting_of, read_recipe
from ..scene.submission import Choices
from ..translations import localize
from .job import StartsJob

_NUM_SEEDS = 2**31
SOURCES = (
    ("MADE", "Making", "How the active object was made"),
    ("PAINT", "Painting", "How the active object was painted last"),
    ("HISTORY", "History", "The result that is chosen in the history"),
)
_MISSING = {
    "MADE": "Select an object that Maquette has made",
    "PAINT": "Select an object that Maquette has painted",
    "HISTORY": "Choose a result in the history",
}


class _FromRecipe:
    """What the operators below have in common."""

    source: bpy.props.EnumProperty(
        name="Recipe", items=SOURCES, default="MADE", options={"HIDDEN", "SKIP_SAVE"}
    )


class _StartsFromRecipe(_FromRecipe, StartsJob):
    """An operator that starts a job from a recipe."""


class MAQUETTE_OT_generate_again(_StartsFromRecipe, bpy.types.Operator):
    """Make it once more from the same pictures, settings and seed, at the 3D cursor; on the same machine the result is the same"""  # noqa: D415, E501 (tooltip)

    bl_idname = "maquette.generate_again"
    bl_label = "Generate Again"
    bl_options = {"REGISTER"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        return self.start(context, lambda c: _order_again(c, find_recipe(c, self.source)))


class MAQUETTE_OT_generate_variation(_StartsFromRecipe, bpy.types.Operator):
    """Make another variation from the same pictures and settings, at the 3D cursor"""  # noqa: D415 (tooltip)

    bl_idname = "maquette.generate_variation"
    bl_label = "Same with Another Seed"
    bl_options = {"REGISTER"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        def order(context: bpy.types.Context) -> None:
            recipe = find_recipe(context, self.source)
            step = random.randrange(1, _NUM_SEEDS)  # never back to the same
            seed = (recipe.seed + step) % _NUM_SEEDS
            _order_again(context, replace(recipe, settings={**recipe.settings, "seed": seed}))

        return self.start(context, order)


class MAQUETTE_OT_texture_again(_StartsFromRecipe, bpy.types.Operator):
    """Paint the active object anew as it was painted last, or from the pictures it was made from; its mesh stays as it is"""  # noqa: D415, E501 (tooltip)

    bl_idname = "maquette.texture_again"
    bl_label = "Only Texture Again"
    bl_options = {"REGISTER"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        if context.object is None or context.object.type != "MESH":
            cls.poll_message_set("Select a mesh object")
            return False
        return super().poll(context)

    def execute(self, context: bpy.types.Context) -> set[str]:
        def order(context: bpy.types.Context) -> None:
            obj = context.object
            recipe = painting_of(obj) or _as_painting(find_recipe(context, "MADE"), obj)
            _order_painting(recipe, [obj])

        return self.start(context, order)


class MAQUETTE_OT_copy_settings(_FromRecipe, bpy.types.Operator):
    """Put the pictures and settings of this result into the panel, to change some of them"""  # noqa: D415 (tooltip)

    bl_idname = "maquette.copy_settings"
    bl_label = "Copy Settings to Panel"
    bl_options = {"REGISTER", "UNDO"}

    def execute(self, context: bpy.types.Context) -> set[str]:
        try:
            recipe = find_recipe(context, self.source)
        except MaquetteError as error:
            self.report({"ERROR"}, localize(error))
            return {"CANCELLED"}
        panel = context.scene.maquette
        unknown = properties.from_settings(panel, recipe.settings)
        _copy_pictures(recipe, panel)
        if recipe.kind == "retexture":
            _copy_choices(recipe, panel)
        else:
            panel.size_m = recipe.size_m
        if unknown:
            self.report({"WARNING"}, _left_out(unknown))
        return {"FINISHED"}


def find_recipe(context: bpy.types.Context, source: str) -> Recipe:
    """The recipe that is meant.

    Args:
        context: Names the active object and the scene.
        source: One of `SOURCES`; an object that was not made by Maquette has its painting only.

    Raises:
        InputError: There is none.
    """
    recipe = None
    if source == "HISTORY":
        panel = context.scene.maquette
        if 0 <= panel.active_memory < len(panel.history):
            recipe = read_recipe(panel.history[panel.active_memory].recipe)
    elif (obj := context.object) is not None:
        recipe = painting_of(obj) if source == "PAINT" else making_of(obj) or painting_of(obj)
    if recipe is None:
        raise InputError("There is no recipe.", f"{_MISSING[source]}.")
    return recipe


def _order_again(context: bpy.types.Context, recipe: Recipe) -> None:
    """Queue a recipe as it is.

    Raises:
        MaquetteError: A picture, a setting or an object of it cannot be used any more.
    """
    if recipe.kind == "retexture":
        names = recipe.choices.get("objects", [])
        objects = [bpy.data.objects[name] for name in names if name in bpy.data.objects]
        is_there = objects and len(objects) == len(names)
        if not is_there:
            raise InputError(
                f"What was painted as '{recipe.title}' is gone.",
                "Select an object and use Copy Settings to Panel, then Re-Texture.",
            )
        _order_painting(recipe, objects)
        return
    scene = context.scene
    origin = Origin(
        picture=recipe.picture,
        scene_uid=scene.session_uid,
        location=tuple(scene.cursor.location),
        size_m=recipe.size_m,
        version=read_version(),
        settings=recipe.settings,
    )
    known = properties.known_settings(recipe.settings)
    session.current().submit(recipe.require_images(), known, origin)
    _tell_left_out(recipe)


def _order_painting(recipe: Recipe, objects: list[bpy.types.Object]) -> None:
    """Queue the painting of objects as a recipe says.

    Raises:
        MaquetteError: A picture or setting cannot be used any more, or an object cannot be painted.
    """
    choices = _choices_of(recipe)
    settings = {**properties.known_settings(recipe.settings), "uv": choices.uv}
    is_shared = len(objects) > 1
    session.current().retexture(recipe.require_images(), settings, objects, is_shared, choices)
    _tell_left_out(recipe)


def _left_out(names: Iterable[str]) -> str:
    text = rpt_("Left out, as this version has no such setting or value: {names}.")
    return text.format(names=", ".join(names))


def _tell_left_out(recipe: Recipe) -> None:
    """Say which settings of a recipe of another version could not be used."""
    known = properties.known_settings(recipe.settings)
    if unknown := [name for name in recipe.settings if name not in known]:
        session.current().status.tell_notes([_left_out(unknown)])


def _choices_of(recipe: Recipe) -> Choices:
    """What was chosen for a painting.

    Raises:
        InputError: The mask's picture is gone, or the recipe is damaged.
    """
    known = {item.name for item in fields(Choices)}
    plain = {n: v for n, v in recipe.choices.get("choices", {}).items() if n in known}
    mask: dict[str, Any] | None = plain.pop("mask", None)
    if mask and mask.get("kind") == "image" and recipe.mask_image is None:
        raise InputError("The mask picture of this recipe is gone.", "Paint again from the panel.")
    try:
        made = mask and Mask(mask["kind"], recipe.mask_image, mask["attribute"])
        return Choices(**plain, mask=made or None)
    except (TypeError, KeyError) as error:
        raise InputError("This recipe is damaged.", "Paint again from the panel.") from error


def _as_painting(recipe: Recipe, obj: bpy.types.Object) -> Recipe:
    """The recipe of an object's making as one of painting it where it stands now."""
    front = obj.matrix_world.to_3x3() @ Vector((0.0, -1.0, 0.0))  # where its -Y looks now
    settings = {**flatten(JobConfig()), **recipe.settings}
    settings["front_deg"] = round(math.degrees(math.atan2(front.x, -front.y)), 3)
    if settings["texture"] == "none":
        settings["texture"] = "project"
    gap = settings["chart_gap_px"] / 1024  # the setting counts pixels of such a texture
    choices = {"uv": "auto", "size_px": settings["texture_size"], "gap": gap}
    return replace(
        recipe,
        kind="retexture",
        settings=settings,
        choices={"objects": [obj.name], "choices": choices},
    )


def _copy_pictures(recipe: Recipe, panel: properties.MAQUETTE_PG_settings) -> None:
    """Choose the pictures of a recipe, as the artist's own images where they are the same."""
    for view, name in properties.VIEWS.items():
        image = recipe.images.get(view)
        if image is not None and view == "front":
            image = choose_original(image, recipe.picture, recipe.digests.get(view, ""))
        setattr(panel, name, image)


def _copy_choices(recipe: Recipe, panel: properties.MAQUETTE_PG_settings) -> None:
    """Set the fields of Re-Texture Selected."""
    choices: dict[str, Any] = recipe.choices.get("choices", {})
    mask: dict[str, Any] = choices.get("mask") or {}
    kind = "selection" if choices.get("selection_only") else mask.get("kind", "all")
    panel.retexture_mask = kind if kind in {name for name, *_ in properties.MASKS} else "all"
    panel.mask_image, panel.mask_attribute = recipe.mask_image, mask.get("attribute") or ""
    panel.keep_colours = bool(choices.get("keep_colours"))
    panel.retexture_atlas = "shared" if len(recipe.choices.get("objects", [])) > 1 else "each"
    properties.from_settings(panel, {"uv": choices.get("uv", "auto")})


CLASSES = (
    MAQUETTE_OT_generate_again,
    MAQUETTE_OT_generate_variation,
    MAQUETTE_OT_texture_again,
    MAQUETTE_OT_copy_settings,
)
