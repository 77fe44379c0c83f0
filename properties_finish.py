# SPDX-License-Identifier: GPL-3.0-or-later
"""The properties of the inputs' preview and of the work on finished objects.

The dictionaries describe properties that a panel remembers and an operator has too.
"""

from collections.abc import Iterable

import bpy

from .scene.catalogs import read_catalogs

VIEW_ITEMS = (
    ("front", "Front", "The picture that the object is made from"),
    ("left", "Left", "The object's left side"),
    ("back", "Back", "The object's back"),
    ("right", "Right", "The object's right side"),
)
HULL_NAMES = (
    ("UNREAL", "UCX_Name", "What Unreal Engine looks for on import"),
    ("PLAIN", "Name_collision", "A name that says what it is"),
    ("GODOT", "Name-convcolonly", "What Godot looks for on import"),
)
ORIGINS = (
    ("BOTTOM", "Bottom Center", "The middle of the bounding box's lowest side: where it stands"),
    ("VOLUME", "Center of Volume", "Where a solid of this shape balances"),
    ("BOUNDS", "Bounding Box Center", "The middle of the bounding box"),
)
FORMATS = (
    ("GLB", "glTF Binary (.glb)", "One file with the textures inside; for the web and all engines"),
    ("FBX", "FBX (.fbx)", "One file with the textures inside; for Unity and Unreal Engine"),
    ("OBJ", "Wavefront (.obj)", "The mesh, a material file and the textures beside it"),
    ("USD", "USD (.usdc)", "The mesh, and the textures in a folder beside it"),
)
ENGINES = (
    ("GENERAL", "Any Program", "Sizes are right in every program; objects may have a scale of 100"),
    ("UNITY", "Unity", "No scale and no rotation is left on the objects in Unity"),
)

FACES = {
    "name": "Faces",
    "description": "How many triangles the lighter mesh may have",
    "default": 5000,
    "min": 4,
    "soft_min": 100,
    "max": 2_000_000,
}
VOXELS = {
    "name": "Voxels",
    "description": "How many voxels lie along the longest side. More keep finer detail and make "
    "more faces",
    "default": 64,
    "min": 8,
    "soft_max": 512,
    "max": 1024,
}
TEXTURE_PX = {
    "name": "Texture Size",
    "description": "Edge of the new texture in pixels. 0: as large as the present one",
    "default": 0,
    "min": 0,
    "max": 8192,
    "subtype": "PIXEL",
}
MIDDLE_SHARE = {
    "name": "Middle",
    "description": "Share of the triangles that the middle level keeps",
    "default": 40.0,
    "min": 0.1,
    "max": 100.0,
    "subtype": "PERCENTAGE",
    "precision": 1,
}
FAR_SHARE = {
    "name": "Far",
    "description": "Share of the triangles that the far level keeps",
    "default": 10.0,
    "min": 0.1,
    "max": 100.0,
    "subtype": "PERCENTAGE",
    "precision": 1,
}
HULL_FACES = {
    "name": "Hull Faces",
    "description": "Most triangles of the collision hull. Fewer are faster to test, more fit "
    "closer",
    "default": 64,
    "min": 8,
    "max": 255,
}
HULL_NAME = {
    "name": "Hull Name",
    "description": "How the hull is named",
    "items": HULL_NAMES,
    "default": "UNREAL",
}
ORIGIN = {
    "name": "Origin",
    "description": "Where the object's origin goes; the shape stays where it is",
    "items": ORIGINS,
    "default": "BOTTOM",
}
TAGS = {
    "name": "Tags",
    "description": "Your own tags, with commas between them, beside picture and model",
}
FOLDER = {
    "name": "Folder",
    "description": "Where exported files go; empty: beside the saved .blend",
    "subtype": "DIR_PATH",
}
FORMAT = {
    "name": "Format",
    "description": "Kind of the exported file",
    "items": FORMATS,
    "default": "GLB",
}
ENGINE = {
    "name": "FBX for",
    "description": "What the FBX file is made for",
    "items": ENGINES,
    "default": "GENERAL",
}
ONE_EACH = {
    "name": "One File per Object",
    "description": "Write every selected object to a file of its own, with its collision hull",
    "default": True,
}


def find_catalogs(_self: object, _context: bpy.types.Context, text: str) -> Iterable[str]:
    """Paths of the catalogs that an artist may mean by the text typed so far."""
    return [path for path in read_catalogs() if text.casefold() in path.casefold()]


CATALOG = {
    "name": "Catalog",
    "description": "Asset catalog, for example Props/Wood; one that is not there is made. Empty: "
    "none",
    "search": find_catalogs,
    "search_options": {"SUGGESTION"},
}


class MAQUETTE_PG_finish(bpy.types.PropertyGroup):
    """What the panels of finished objects remember in the scene."""

    faces: bpy.props.IntProperty(**FACES)
    voxels: bpy.props.IntProperty(**VOXELS)
    texture_px: bpy.props.IntProperty(**TEXTURE_PX)
    middle_share: bpy.props.FloatProperty(**MIDDLE_SHARE)
    far_share: bpy.props.FloatProperty(**FAR_SHARE)
    hull_faces: bpy.props.IntProperty(**HULL_FACES)
    hull_name: bpy.props.EnumProperty(**HULL_NAME)
    origin: bpy.props.EnumProperty(**ORIGIN)
    catalog: bpy.props.StringProperty(**CATALOG)
    tags: bpy.props.StringProperty(**TAGS)
    folder: bpy.props.StringProperty(**FOLDER)
    file_format: bpy.props.EnumProperty(**FORMAT)
    engine: bpy.props.EnumProperty(**ENGINE)
    one_each: bpy.props.BoolProperty(**ONE_EACH)


class MAQUETTE_PG_cutout(bpy.types.PropertyGroup):
    """The preview of what the model will see of a picture."""

    image: bpy.props.PointerProperty(type=bpy.types.Image, name="Cut-Out")
    source: bpy.props.PointerProperty(type=bpy.types.Image, name="Picture")
    recipe: bpy.props.StringProperty(
        name="Recipe", description="The settings that it was made with"
    )
    note: bpy.props.StringProperty(name="Note", description="What the model's eye had trouble with")


# Before the group of settings, which points at both.
CLASSES = (MAQUETTE_PG_finish, MAQUETTE_PG_cutout)


def recipe_of(border_ratio: float, remove_background: str) -> str:
    """What decides how a picture is cut out: a preview with another recipe is out of date."""
    return f"{remove_background} {border_ratio:.4f}"
