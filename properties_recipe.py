# SPDX-License-Identifier: GPL-3.0-or-later
"""What an object and a line of the history know of how a result was made."""

import bpy

# The view of each picture, in the worker's words -> the property that holds it.
VIEWS = {"front": "image", "left": "image_left", "back": "image_back", "right": "image_right"}


class MAQUETTE_PG_recipe(bpy.types.PropertyGroup):
    """How one result was made; empty where `job_id` is. Written by `scene/recipe.py` only.

    The pictures are pointers, so that they stay in the file as long as the recipe does.
    """

    job_id: bpy.props.StringProperty(name="Job")
    kind: bpy.props.StringProperty(name="Kind", description="generate or retexture")
    title: bpy.props.StringProperty(name="Name", description="Name of the result")
    picture: bpy.props.StringProperty(
        name="Picture", description="Name of the reference picture when the job was started"
    )
    image: bpy.props.PointerProperty(type=bpy.types.Image, name="Front")
    image_left: bpy.props.PointerProperty(type=bpy.types.Image, name="Left")
    image_back: bpy.props.PointerProperty(type=bpy.types.Image, name="Back")
    image_right: bpy.props.PointerProperty(type=bpy.types.Image, name="Right")
    mask_image: bpy.props.PointerProperty(type=bpy.types.Image, name="Mask")
    settings: bpy.props.StringProperty(name="Settings", description="All settings, as JSON")
    choices: bpy.props.StringProperty(
        name="Choices", description="What was chosen for painting an object, as JSON"
    )
    size_m: bpy.props.FloatProperty(name="Size", unit="LENGTH")
    versions: bpy.props.StringProperty(
        name="Versions", description="Of Maquette, Blender and the worker's packages, as JSON"
    )
    weights: bpy.props.StringProperty(
        name="Weights", description="What identifies the weights of the models, as JSON"
    )
    digests: bpy.props.StringProperty(
        name="Digests", description="SHA-256 of the pictures and of the result's files, as JSON"
    )
    made_at: bpy.props.StringProperty(name="Made", description="Local date and time")
    seconds: bpy.props.FloatProperty(name="Duration", description="Seconds that the job took")
    confidence: bpy.props.FloatProperty(
        name="Confidence",
        description="How many results of test pictures had less to speak for them; below a tenth, "
        "the shape is probably wrong",
        default=-1.0,
    )


class MAQUETTE_PG_target(bpy.types.PropertyGroup):
    """A mesh that a line of the history has painted; found again by its name or its digest."""

    title: bpy.props.StringProperty(name="Name")
    uv_name: bpy.props.StringProperty(name="UV Map")
    digest: bpy.props.StringProperty(name="Digest", description="Of its faces and that UV map")
    painted: bpy.props.StringProperty(
        name="Painted Faces", description="Packed bits; empty: all faces"
    )


class MAQUETTE_PG_memory(bpy.types.PropertyGroup):
    """A line of the history; written by `scene/history.py` only.

    No pointer to the object: it would keep the object in the file after the artist deleted it.
    """

    recipe: bpy.props.PointerProperty(type=MAQUETTE_PG_recipe)
    folder: bpy.props.StringProperty(name="Folder", description="Of the job's files")
    thumbnail: bpy.props.StringProperty(name="Thumbnail", description="Packed pixels")
    targets: bpy.props.CollectionProperty(type=MAQUETTE_PG_target)


CLASSES = (MAQUETTE_PG_recipe, MAQUETTE_PG_target, MAQUETTE_PG_memory)
