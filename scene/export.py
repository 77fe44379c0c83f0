# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns objects into files for game engines and other programs, through Blender's own exporters."""

import contextlib
import shutil
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import bpy

from ..backend.errors import InputError
from .collision import find_hulls
from .image import encode_png, read_pixels
from .lod import find_levels
from .preview import silent_stdout
from .variant import select_only

SUFFIXES = {"GLB": ".glb", "FBX": ".fbx", "OBJ": ".obj", "USD": ".usdc"}
_NAMES = {"GLB": "glTF", "FBX": "FBX", "OBJ": "OBJ", "USD": "USD"}


@dataclass(frozen=True, slots=True)
class ExportChoices:
    """How files are written.

    Attributes:
        folder: Where they go; made if it is missing.
        file_format: A key of `SUFFIXES`.
        is_for_unity: FBX only: leave no scale and no rotation on objects in Unity.
    """

    folder: Path
    file_format: str
    is_for_unity: bool = False


def export_objects(
    objects: Sequence[bpy.types.Object],
    name: str,
    choices: ExportChoices,
    view_layer: bpy.types.ViewLayer,
) -> Path:
    """Write objects, their levels of detail and collision hulls into one file, modifiers applied.

    The files appear whole or not at all; those of an earlier export are replaced. What is selected
    stays selected.

    Args:
        objects: At least one, visible in the view layer.
        name: Names the file.
        choices: Where and how.
        view_layer: The one that is shown.

    Returns:
        The file; textures that do not fit into it lie beside it.

    Raises:
        InputError: The folder cannot be written, or the exporter is switched off or fails.
    """
    file_name = bpy.path.clean_name(name) + SUFFIXES[choices.file_format]
    parts = list(objects)
    for obj in objects:
        parts += find_levels(obj)
        parts += [hull for hull in find_hulls(obj) if hull.visible_get()]
    everything = list(dict.fromkeys(parts))
    try:
        choices.folder.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=choices.folder, prefix=".maquette-") as made_in:
            made = Path(made_in) / file_name
            with _selection(everything, view_layer), silent_stdout():
                _WRITERS[choices.file_format](made, everything, choices)
            if not made.is_file():
                raise InputError(f"'{name}' could not be exported.", "Try another format.")
            _move_all(made.parent, choices.folder)
    except OSError as error:
        raise InputError(
            f"The folder cannot be written: {choices.folder} ({error.strerror or error}).",
            "Choose another folder.",
        ) from error
    return choices.folder / file_name


def _write_glb(path: Path, _objects: Sequence[bpy.types.Object], _choices: ExportChoices) -> None:
    _call(
        bpy.ops.export_scene.gltf,
        "GLB",
        filepath=str(path),
        export_format="GLB",
        use_selection=True,
        export_apply=True,
        export_yup=True,
        export_image_format="AUTO",
        export_cameras=False,
        export_lights=False,
        export_extras=False,
    )


def _write_fbx(path: Path, _objects: Sequence[bpy.types.Object], choices: ExportChoices) -> None:
    _call(
        bpy.ops.export_scene.fbx,
        "FBX",
        filepath=str(path),
        use_selection=True,
        use_mesh_modifiers=True,
        object_types={"MESH", "EMPTY", "ARMATURE"},
        mesh_smooth_type="FACE",
        path_mode="COPY",
        embed_textures=True,
        add_leaf_bones=False,
        apply_unit_scale=True,
        # Unity reads the file's unit; others take its numbers for centimetres.
        apply_scale_options="FBX_SCALE_ALL" if choices.is_for_unity else "FBX_SCALE_NONE",
        bake_space_transform=choices.is_for_unity,
    )


def _write_obj(path: Path, objects: Sequence[bpy.types.Object], _choices: ExportChoices) -> None:
    with _textures_in(path.parent, objects):
        _call(
            bpy.ops.wm.obj_export,
            "OBJ",
            filepath=str(path),
            export_selected_objects=True,
            apply_modifiers=True,
            export_materials=True,
            export_pbr_extensions=True,
            path_mode="STRIP",
            forward_axis="NEGATIVE_Z",
            up_axis="Y",
        )


def _write_usd(path: Path, objects: Sequence[bpy.types.Object], _choices: ExportChoices) -> None:
    folder = path.parent / f"{path.stem}_textures"
    folder.mkdir()
    with _textures_in(folder, objects):
        _call(
            bpy.ops.wm.usd_export,
            "USD",
            filepath=str(path),
            selected_objects_only=True,
            visible_objects_only=True,
            export_animation=False,
            export_materials=True,
            generate_preview_surface=True,
            export_textures=False,  # they are there already; this is Blender 4.2's name
            export_textures_mode="KEEP",
            evaluation_mode="VIEWPORT",  # hulls are not rendered
            relative_paths=True,
            convert_orientation=True,
            export_global_forward_selection="NEGATIVE_Z",
            export_global_up_selection="Y",
            export_cameras=False,
            export_lights=False,
            convert_world_material=False,
        )
    if not any(folder.iterdir()):
        folder.rmdir()


_WRITERS: dict[str, Callable[[Path, Sequence[bpy.types.Object], ExportChoices], None]] = {
    "GLB": _write_glb,
    "FBX": _write_fbx,
    "OBJ": _write_obj,
    "USD": _write_usd,
}


def _call(operator: Any, file_format: str, **settings: Any) -> None:
    """Run an exporter with those settings that this Blender's version of it has.

    Raises:
        InputError: It is switched off, or it fails.
    """
    name = _NAMES[file_format]
    try:
        known = operator.get_rna_type().properties
    except KeyError as error:
        raise InputError(
            f"Blender's {name} exporter is switched off.",
            f"Switch on {name} format in the preferences' add-ons.",
        ) from error
    try:
        operator(**{key: value for key, value in settings.items() if key in known})
    except RuntimeError as error:
        raise InputError(
            f"Blender's {name} exporter failed: {str(error).strip()}", "Try another format."
        ) from error


@contextlib.contextmanager
def _selection(
    objects: Sequence[bpy.types.Object], view_layer: bpy.types.ViewLayer
) -> Generator[None, None, None]:
    """Only these objects are selected, and none of them is hidden, while the block runs."""
    selected, active = list(view_layer.objects.selected), view_layer.objects.active
    hidden = [obj for obj in objects if obj.hide_get(view_layer=view_layer)]
    try:
        for obj in hidden:
            obj.hide_set(False, view_layer=view_layer)
        select_only(list(objects), view_layer)
        yield
    finally:
        for obj in hidden:
            obj.hide_set(True, view_layer=view_layer)
        select_only(selected, view_layer)
        view_layer.objects.active = active


@contextlib.contextmanager
def _textures_in(folder: Path, objects: Sequence[bpy.types.Object]) -> Generator[None, None, None]:
    """The objects' materials show textures that are files in a folder while the block runs.

    Exporters treat packed and generated images each in its own way, files all in the same.
    """
    nodes = _find_texture_nodes(objects)
    files: dict[bpy.types.Image, bpy.types.Image] = {}
    taken: set[str] = set()
    try:
        for node in nodes:
            image = node.image
            if image not in files:
                files[image] = _load_copy(image, folder / _free_name(image, taken))
        for node in nodes:
            node.image = files[node.image]
        yield
    finally:
        originals = {file: image for image, file in files.items()}
        for node in nodes:
            node.image = originals.get(node.image, node.image)
        bpy.data.batch_remove(list(files.values()))


def _find_texture_nodes(objects: Sequence[bpy.types.Object]) -> list[bpy.types.Node]:
    """The nodes in the objects' materials whose images have pixels, in the order of their names."""
    materials = {slot.material for obj in objects for slot in obj.material_slots if slot.material}
    trees = [material.node_tree for material in materials if material.node_tree]
    nodes = [
        node
        for tree in trees
        for node in tree.nodes
        if node.type == "TEX_IMAGE" and node.image and node.image.size[0]
    ]
    return sorted(nodes, key=lambda node: node.image.name)


def _load_copy(image: bpy.types.Image, path: Path) -> bpy.types.Image:
    """The same picture as a file, and a data-block that shows it."""
    _write_image(image, path)
    copy = bpy.data.images.load(str(path))
    copy.colorspace_settings.name = image.colorspace_settings.name
    copy.alpha_mode = image.alpha_mode
    return copy


def _free_name(image: bpy.types.Image, taken: set[str]) -> str:
    """A file name after the image that no other one has; PNG unless a file can be copied."""
    source = Path(bpy.path.abspath(image.filepath_raw, library=image.library))
    suffix = source.suffix.lower() if _has_own_file(image) and source.suffix else ".png"
    stem = bpy.path.clean_name(Path(image.name).stem)
    name, number = f"{stem}{suffix}", 1
    while name.lower() in taken:
        name, number = f"{stem}_{number}{suffix}", number + 1
    taken.add(name.lower())
    return name


def _write_image(image: bpy.types.Image, path: Path) -> None:
    """The image's own bytes where it is a file, else its pixels."""
    source = Path(bpy.path.abspath(image.filepath_raw, library=image.library))
    if not _has_own_file(image):
        path.write_bytes(encode_png(read_pixels(image)))
    elif image.packed_file is not None:
        path.write_bytes(image.packed_file.data)
    else:
        shutil.copyfile(source, path)


def _has_own_file(image: bpy.types.Image) -> bool:
    """Whether the image is a file as it stands, packed or on disk, without unsaved paint."""
    if image.source != "FILE" or image.is_dirty:
        return False
    source = Path(bpy.path.abspath(image.filepath_raw, library=image.library))
    return image.packed_file is not None or source.is_file()


def _move_all(source: Path, target: Path) -> None:
    """Move files over those of an earlier export, folders into those that are there."""
    for path in source.iterdir():
        if path.is_dir():
            (target / path.name).mkdir(exist_ok=True)
            _move_all(path, target / path.name)
        else:
            path.replace(target / path.name)
