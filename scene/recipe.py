# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns what is known of a finished job into a recipe that stays in the file, and back.

An object has up to two: how it was made, and how it was painted last. Each line of the history has
one more.
"""

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import bpy
from bpy.app.translations import pgettext_rpt as rpt_

from ..backend.client.queue_file import SavedPicture
from ..backend.errors import InputError
from ..backend.protocol import Result
from ..properties_recipe import VIEWS, MAQUETTE_PG_recipe
from .asset import read_version


@dataclass(frozen=True, slots=True)
class Made:
    """A finished job, as plain data that outlives undo and the loading of files.

    Attributes:
        job_id: The job's id.
        kind: "generate" or "retexture".
        title: Name of the result.
        pictures: View -> the picture as the worker got it.
        settings: Flat setting name -> value, `seed` as it was used.
        choices: Of a re-texturing, as `session_saved.encode_choices` has it; else empty.
        size_m: Longest side of a new object.
        result: What the worker made.
        folder: The job's folder.
        made_at: Local date and time.
        versions: Name -> version of what took part.
    """

    job_id: str
    kind: str
    title: str
    pictures: Mapping[str, SavedPicture]
    settings: Mapping[str, Any]
    choices: Mapping[str, Any]
    size_m: float
    result: Result
    folder: Path
    made_at: str
    versions: Mapping[str, str]

    @classmethod
    def of_job(
        cls,
        kind: str,
        title: str,
        pictures: Mapping[str, SavedPicture],
        settings: Mapping[str, Any],
        result: Result,
        size_m: float = 0.0,
        choices: Mapping[str, Any] | None = None,
    ) -> "Made":
        """A job that was just finished, by this Blender; see above for the arguments."""
        versions = {"maquette": read_version(), "blender": bpy.app.version_string}
        return cls(
            job_id=result.job_id,
            kind=kind,
            title=title,
            pictures=pictures,
            settings={**settings, "seed": result.seed},
            choices=choices or {},
            size_m=size_m,
            result=result,
            folder=Path(result.mesh_path).parent,
            made_at=time.strftime("%Y-%m-%d %H:%M:%S"),
            versions={**versions, **result.versions},
        )


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a result was made, as it can be used again. Holds Blender data: not for keeping.

    Attributes:
        kind: "generate" or "retexture".
        title: Name of the result.
        picture: Name of the reference picture.
        images: View -> picture, those that are still there.
        digests: View -> SHA-256 of the file that the job got, for all that there were.
        settings: Flat setting name -> value.
        choices: Of a re-texturing, else empty.
        mask_image: Of a re-texturing, or None.
        size_m: Longest side of a new object.
        versions: Name -> version.
        made_at: Local date and time, or empty.
        seconds: How long it took; 0 if unknown.
        confidence: See `protocol.Result`; negative if unknown.
    """

    kind: str
    title: str
    picture: str
    images: dict[str, bpy.types.Image]
    digests: dict[str, str]
    settings: dict[str, Any]
    choices: dict[str, Any] = field(default_factory=dict)
    mask_image: bpy.types.Image | None = None
    size_m: float = 1.0
    versions: dict[str, str] = field(default_factory=dict)
    made_at: str = ""
    seconds: float = 0.0
    confidence: float = -1.0

    @property
    def seed(self) -> int:
        """The seed that was used."""
        return int(self.settings.get("seed", 0))

    def require_images(self) -> dict[str, bpy.types.Image]:
        """View -> picture.

        Raises:
            InputError: One of them is gone.
        """
        if not self.images or set(self.digests) - set(self.images):
            raise InputError(
                f"A picture of this recipe is gone ('{self.picture}').",
                "Copy the settings to the panel and choose the picture there.",
            )
        return dict(self.images)


def write_recipe(
    recipe: MAQUETTE_PG_recipe,
    made: Made,
    images: Mapping[str, bpy.types.Image],
    digests: Mapping[str, str],
) -> None:
    """Fill an empty or outdated recipe.

    Args:
        recipe: Where to.
        made: The finished job.
        images: View -> the data-block that stays in the file.
        digests: View, "mesh" and "texture" -> SHA-256 of the file.
    """
    recipe.job_id, recipe.kind, recipe.title = made.job_id, made.kind, made.title
    recipe.picture = made.pictures["front"].name if "front" in made.pictures else ""
    for view, name in VIEWS.items():
        setattr(recipe, name, images.get(view))
    mask = made.choices.get("choices", {}).get("mask") or {}
    recipe.mask_image = bpy.data.images.get(mask.get("image") or "")
    recipe.settings = json.dumps(dict(made.settings), sort_keys=True)
    recipe.choices = json.dumps(dict(made.choices), sort_keys=True) if made.choices else ""
    recipe.size_m = made.size_m
    recipe.versions = json.dumps(dict(made.versions), sort_keys=True)
    recipe.weights = json.dumps(dict(made.result.weights), sort_keys=True)
    recipe.digests = json.dumps(dict(digests), sort_keys=True)
    recipe.made_at, recipe.seconds = made.made_at, sum(made.result.seconds.values())
    recipe.confidence = -1.0 if made.result.confidence is None else made.result.confidence


def copy_recipe(source: MAQUETTE_PG_recipe, target: MAQUETTE_PG_recipe) -> None:
    """Make `target` the same recipe as `source`."""
    for name in MAQUETTE_PG_recipe.__annotations__:
        setattr(target, name, getattr(source, name))


def read_recipe(recipe: MAQUETTE_PG_recipe) -> Recipe | None:
    """What a `MAQUETTE_PG_recipe` says, or None if it is empty."""
    if not recipe.job_id:
        return None
    chosen = {view: getattr(recipe, name) for view, name in VIEWS.items()}
    return Recipe(
        kind=recipe.kind,
        title=recipe.title,
        picture=recipe.picture,
        images={view: image for view, image in chosen.items() if image is not None},
        digests={v: digest for v, digest in read_digests(recipe).items() if v in VIEWS},
        settings=_read_json(recipe.settings),
        choices=_read_json(recipe.choices),
        mask_image=recipe.mask_image,
        size_m=recipe.size_m,
        versions=_read_json(recipe.versions),
        made_at=recipe.made_at,
        seconds=recipe.seconds,
        confidence=recipe.confidence,
    )


def making_of(obj: bpy.types.Object) -> Recipe | None:
    """How an object was made, or None; files of the first versions know less of it."""
    kept = obj.maquette
    if (found := read_recipe(kept.made)) is not None:
        return found
    if not kept.settings:
        return None
    front = bpy.data.images.get(kept.picture)
    return Recipe(
        kind="generate",
        title=obj.name,
        picture=kept.picture,
        images={"front": front} if front is not None else {},
        digests={},
        settings={"model": kept.model, **_read_json(kept.settings), "seed": kept.seed},
        size_m=max(obj.dimensions) or 1.0,
        versions={"maquette": kept.version},
    )


def painting_of(obj: bpy.types.Object) -> Recipe | None:
    """How an object was painted last, or None if it was not, beyond its making."""
    return read_recipe(obj.maquette.paint)


def all_recipes() -> Iterator[MAQUETTE_PG_recipe]:
    """Every recipe of this file that says something."""
    for obj in bpy.data.objects:
        if obj.library is None:
            yield from (r for r in (obj.maquette.made, obj.maquette.paint) if r.job_id)
    for scene in bpy.data.scenes:
        if scene.library is None:
            lines: Any = scene.maquette.history
            yield from (line.recipe for line in lines)


def read_digests(recipe: MAQUETTE_PG_recipe) -> dict[str, str]:
    """View, "mesh" and "texture" -> SHA-256 of the file."""
    return _read_json(recipe.digests)


def compare_with_twin(recipe: MAQUETTE_PG_recipe) -> str:
    """Tell whether the same pictures and settings gave the same result as before.

    Args:
        recipe: Of a new result.

    Returns:
        A sentence, or nothing if there is no other result of the same pictures and settings.
    """
    if recipe.kind != "generate":
        return ""  # what a painting becomes depends on the mesh, too
    key, outcome = _split_digests(recipe)
    for other in all_recipes():
        if other.job_id == recipe.job_id or other.settings != recipe.settings:
            continue
        other_key, other_outcome = _split_digests(other)
        if other.kind != recipe.kind or other_key != key:
            continue
        if other_outcome == outcome:
            text = rpt_("This is the same result as '{name}', bit for bit.")
        elif (other.versions, other.weights) == (recipe.versions, recipe.weights):
            text = rpt_("This differs from '{name}', although it was made alike.")
        else:
            text = rpt_("This differs from '{name}', which other versions or devices have made.")
        return text.format(name=other.title)
    return ""


def _split_digests(recipe: MAQUETTE_PG_recipe) -> tuple[dict[str, str], dict[str, str]]:
    """The digests of the pictures, and those of the result."""
    found = read_digests(recipe)
    pictures = {name: value for name, value in found.items() if name in VIEWS}
    return pictures, {name: value for name, value in found.items() if name not in VIEWS}


def _read_json(text: str) -> dict[str, Any]:
    """A JSON object; an empty one for anything else, as a file may hold anything."""
    try:
        found = json.loads(text) if text else {}
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
