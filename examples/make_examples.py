# SPDX-License-Identifier: GPL-3.0-or-later
"""Renders the example pictures from the objects in `examples/objects` with Cycles on the CPU.

Run from the repository's root: `.venv/bin/python examples/make_examples.py [NAME ...] [--out DIR]`.
"""

import argparse
import sys
import time
from pathlib import Path

import bpy
import numpy as np
from mathutils import Matrix, Vector

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from examples.camera import Camera, frame_object  # noqa: E402
from examples.objects.catalogue import OBJECTS, build_parts  # noqa: E402
from examples.objects.shapes import Part  # noqa: E402

SIZE_PX = 512
SAMPLES = 128
TO_BLENDER = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])  # Y up -> Z up


def main(arguments: list[str] | None = None) -> None:
    """Render the named objects, or all of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of: {', '.join(OBJECTS)}")
    parser.add_argument("--out", type=Path, default=ROOT / "examples", help="folder for the PNGs")
    parser.add_argument("--samples", type=int, default=SAMPLES, help="rays per pixel")
    options = parser.parse_args(arguments)
    unknown = set(options.names) - set(OBJECTS)
    if unknown:
        parser.error(f"no such object: {', '.join(sorted(unknown))}")
    options.out.mkdir(parents=True, exist_ok=True)
    for name in options.names or OBJECTS:
        start = time.perf_counter()
        path = options.out / f"{name}.png"
        render_object(name, path, options.samples)
        print(f"{path}  {time.perf_counter() - start:.1f} s  {path.stat().st_size // 1024} kB")


def render_object(name: str, path: Path, samples: int = SAMPLES) -> None:
    """Render one object from its canonical side into a PNG with transparency."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    parts = build_parts(name)
    for index, part in enumerate(parts):
        _add_part(f"{name}_{index}", part)
    camera = frame_object(np.concatenate([part.vertices for part in parts]))
    _add_camera(camera)
    _add_lights()
    _set_up_render(path, samples)
    bpy.ops.render.render(write_still=True)


def _add_part(name: str, part: Part) -> None:
    """One solid as a mesh object with a matt material."""
    mesh = bpy.data.meshes.new(name)
    mesh.from_pydata((part.vertices @ TO_BLENDER.T).tolist(), [], part.polygons)
    mesh.materials.append(_material(part.color))
    bpy.context.collection.objects.link(bpy.data.objects.new(name, mesh))


def _material(color: str) -> bpy.types.Material:
    """The matt material of one colour, made once for each scene."""
    if color in bpy.data.materials:
        return bpy.data.materials[color]
    material = bpy.data.materials.new(color)
    if material.node_tree is None:  # Blender 5 makes the nodes itself
        material.use_nodes = True
    shader = material.node_tree.nodes["Principled BSDF"]
    srgb = np.array([int(color[k : k + 2], 16) for k in (1, 3, 5)]) / 255
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    shader.inputs["Base Color"].default_value = (*linear.tolist(), 1.0)
    shader.inputs["Roughness"].default_value = 0.85
    shader.inputs["Specular IOR Level"].default_value = 0.2
    return material


def _add_camera(camera: Camera) -> None:
    """Blender's camera looks along its -Z with +Y up, as the rows of `axes` say."""
    data = bpy.data.cameras.new("camera")
    data.sensor_fit, data.angle = "HORIZONTAL", float(np.radians(camera.fov_deg))
    matrix = np.eye(4)
    matrix[:3, :3] = TO_BLENDER @ camera.axes.T
    matrix[:3, 3] = TO_BLENDER @ camera.position
    item = bpy.data.objects.new("camera", data)
    item.matrix_world = Matrix(matrix.tolist())
    bpy.context.collection.objects.link(item)
    bpy.context.scene.camera = item


def _add_lights() -> None:
    """A large warm sun from the upper left, a weak cool one from the right, and a grey sky."""
    for name, direction, strength, color in (
        ("key", (-0.55, 1.0, 0.75), 2.6, (1.0, 0.96, 0.9)),
        ("fill", (0.9, 0.45, 0.25), 0.7, (0.88, 0.94, 1.0)),
    ):
        light = bpy.data.lights.new(name, "SUN")
        light.energy, light.color, light.angle = strength, color, float(np.radians(25))
        item = bpy.data.objects.new(name, light)
        bpy.context.collection.objects.link(item)
        item.rotation_mode = "QUATERNION"
        item.rotation_quaternion = Vector(TO_BLENDER @ direction).to_track_quat("Z", "Y")
    world = bpy.data.worlds.new("world")
    if world.node_tree is None:
        world.use_nodes = True
    world.node_tree.nodes["Background"].inputs["Color"].default_value = (0.9, 0.95, 1.0, 1.0)
    world.node_tree.nodes["Background"].inputs["Strength"].default_value = 0.45
    bpy.context.scene.world = world


def _set_up_render(path: Path, samples: int) -> None:
    """Cycles on the CPU with a fixed seed, no denoiser, and colours written as they are."""
    scene = bpy.context.scene
    scene.render.engine = "CYCLES"
    scene.cycles.device = "CPU"
    scene.cycles.samples = samples
    scene.cycles.seed = 0
    scene.cycles.use_denoising = False
    scene.cycles.use_adaptive_sampling = False
    scene.cycles.max_bounces = 3
    scene.render.film_transparent = True
    scene.render.dither_intensity = 0.0
    scene.render.resolution_x = scene.render.resolution_y = SIZE_PX
    scene.render.resolution_percentage = 100
    scene.render.image_settings.file_format = "PNG"
    scene.render.image_settings.color_mode = "RGBA"
    scene.render.image_settings.color_depth = "8"
    scene.render.image_settings.compression = 100
    scene.render.filepath = str(path)
    scene.display_settings.display_device = "sRGB"
    scene.view_settings.view_transform = "Standard"
    scene.view_settings.look = "None"


if __name__ == "__main__":
    main()
