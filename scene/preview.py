# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns an object into a preview picture: three-quarter view, soft light, plain backdrop."""

import contextlib
import math
import os
import sys
from collections.abc import Generator
from pathlib import Path

import bpy
import numpy as np
from mathutils import Euler, Vector

from .material import create_plain_material
from .mesh import read_array

SAMPLES = 32
TURNTABLE_SAMPLES = 16
TURNTABLE_ELEVATION_DEG = 12.0
EVEN_LIGHT = (0.55, 0.56, 0.58)
FOV_DEG = 26.0
CLAY_LINEAR = (0.56, 0.33, 0.19)
BACKDROP_LINEAR = (0.60, 0.63, 0.68)
SIDE_AZIMUTHS_DEG = (0.0, 90.0, 180.0, 270.0)
POWER_W = 85.0  # of a light of strength 1 at 5 m from an object of radius 1 m
# (azimuth from the camera in degrees, elevation in degrees, size and distance in radii, strength)
LIGHTS = ((-45.0, 50.0, 3.0, 5.0, 1.0), (60.0, 25.0, 4.0, 6.0, 0.35), (160.0, 45.0, 2.0, 5.0, 0.8))


def render_preview(
    obj: bpy.types.Object,
    path: Path,
    azimuth_deg: float = 35.0,
    elevation_deg: float = 18.0,
    side_px: int = 512,
) -> None:
    """Render one view of an object with Cycles on the CPU, in a scene made for it and then removed.

    Args:
        obj: A mesh object, front -Y; one without materials is shown in clay.
        path: The PNG to write.
        azimuth_deg: 0 looks at the front, 90 at the side that faces +X.
        elevation_deg: Height of the camera above the horizon.
        side_px: Width and height of the picture.
    """
    scene = bpy.data.scenes.new("Maquette Preview")
    scene.world = bpy.data.worlds.new("Maquette Preview")
    try:
        size = Vector(obj.dimensions)
        centre, radius = Vector((0.0, 0.0, size.z / 2)), max(size.length / 2, 1e-6)
        subject = bpy.data.objects.new("Subject", obj.data.copy())
        subject.scale = obj.scale
        subject.location = -_find_foot(obj)
        _give_materials(subject.data, obj)
        scene.collection.objects.link(subject)
        _add_backdrop(scene, radius, azimuth_deg)
        for angle_deg, height_deg, light_size, distance, strength in LIGHTS:
            _add_light(
                scene,
                centre + distance * radius * _direction(azimuth_deg + angle_deg, height_deg),
                centre,
                light_size * radius,
                strength * POWER_W * radius**2 * distance**2 / 25.0,
            )
        towards_camera = _direction(azimuth_deg, elevation_deg)
        _add_camera(scene, centre, 1.08 * radius, towards_camera)
        _configure_render(scene, path, side_px)
        with silent_stdout():
            bpy.ops.render.render(write_still=True, scene=scene.name)
    finally:
        _remove_scene(scene)


def render_turntable(obj: bpy.types.Object, path: Path, side_px: int = 320) -> None:
    """Render front, +X side, back and -X side of an object in a row, in even light.

    The four are turned copies in one scene before one camera, which takes a fraction of the time
    of four renders.

    Args:
        obj: As for `render_preview`.
        path: The PNG to write, four pictures wide.
        side_px: Width and height of each picture.
    """
    scene = bpy.data.scenes.new("Maquette Turntable")
    scene.world = bpy.data.worlds.new("Maquette Turntable")
    try:
        size = Vector(obj.dimensions)
        turning = math.hypot(size.x, size.y)  # what any of the four can be wide
        width = 1.1 * max(turning, size.z, 1e-6)
        mesh = obj.data.copy()
        for index, azimuth_deg in enumerate(SIDE_AZIMUTHS_DEG):
            subject = bpy.data.objects.new("Subject", mesh)
            subject.scale = obj.scale
            subject.rotation_euler = Euler((0.0, 0.0, -math.radians(azimuth_deg)))
            foot = Vector(_find_foot(obj))
            foot.rotate(subject.rotation_euler)
            subject.location = Vector(((index - 1.5) * width, 0.0, -size.z / 2)) - foot
            scene.collection.objects.link(subject)
        _give_materials(mesh, obj)
        _add_sun(scene)
        _add_flat_camera(scene, len(SIDE_AZIMUTHS_DEG) * width)
        _configure_render(scene, path, side_px)
        scene.render.resolution_x = side_px * len(SIDE_AZIMUTHS_DEG)
        scene.cycles.samples = TURNTABLE_SAMPLES
        scene.world.color = EVEN_LIGHT
        with silent_stdout():
            bpy.ops.render.render(write_still=True, scene=scene.name)
    finally:
        _remove_scene(scene)


def _find_foot(obj: bpy.types.Object) -> Vector:
    """Bottom centre of the object's own bounding box, with its scale but not turned."""
    corners = read_array(obj.data.vertices, "co", 3, np.float32) * np.array(obj.scale)
    low, high = corners.min(axis=0), corners.max(axis=0)
    return Vector(((low[0] + high[0]) / 2, (low[1] + high[1]) / 2, low[2]))


def _give_materials(mesh: bpy.types.Mesh, obj: bpy.types.Object) -> None:
    """Copies of the object's materials, which go with the scene, or clay."""
    shown = [slot.material for slot in obj.material_slots]
    if not any(shown):
        mesh.materials.clear()
        mesh.materials.append(create_plain_material("Clay", CLAY_LINEAR, 0.55))
        return
    for index, material in enumerate(shown):
        mesh.materials[index] = material.copy() if material else None


@contextlib.contextmanager
def silent_stdout() -> Generator[None, None, None]:
    """Drop what native code prints: a render writes pages, and a command's stdout is its result."""
    sys.stdout.flush()
    kept, nothing = os.dup(1), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 1)
    try:
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)
        os.close(nothing)


def _direction(azimuth_deg: float, elevation_deg: float) -> Vector:
    """Unit vector from the object towards a camera or light; azimuth 0 is -Y, 90 is +X."""
    azimuth, elevation = math.radians(azimuth_deg), math.radians(elevation_deg)
    flat = math.cos(elevation)
    return Vector((flat * math.sin(azimuth), -flat * math.cos(azimuth), math.sin(elevation)))


def _add_backdrop(scene: bpy.types.Scene, radius: float, azimuth_deg: float) -> None:
    """A floor that curves up into a wall behind the object, as in a photo studio."""
    floor, bend, wall, half_width = 40.0 * radius, 8.0 * radius, 40.0 * radius, 60.0 * radius
    profile = [(-floor, 0.0)]
    for step in range(17):
        angle = math.pi / 2 * step / 16
        profile.append((4.0 * radius + bend * math.sin(angle), bend * (1.0 - math.cos(angle))))
    profile.append((4.0 * radius + bend, wall))
    vertices = [(x, y, z) for y, z in profile for x in (-half_width, half_width)]
    faces = [(2 * i, 2 * i + 1, 2 * i + 3, 2 * i + 2) for i in range(len(profile) - 1)]
    mesh = bpy.data.meshes.new("Backdrop")
    mesh.from_pydata(vertices, [], faces)
    mesh.shade_smooth()
    mesh.materials.append(create_plain_material("Backdrop", BACKDROP_LINEAR, 0.9))
    backdrop = bpy.data.objects.new("Backdrop", mesh)
    backdrop.rotation_euler = Euler((0.0, 0.0, math.radians(azimuth_deg)))
    scene.collection.objects.link(backdrop)


def _add_light(
    scene: bpy.types.Scene, location: Vector, target: Vector, size: float, power_w: float
) -> None:
    """A square area light that looks at the target."""
    light = bpy.data.lights.new("Light", "AREA")
    light.size, light.energy = size, power_w
    lamp = bpy.data.objects.new("Light", light)
    lamp.location = location
    lamp.rotation_euler = (target - location).to_track_quat("-Z", "Y").to_euler()
    scene.collection.objects.link(lamp)


def _add_camera(
    scene: bpy.types.Scene, centre: Vector, radius: float, towards_camera: Vector
) -> None:
    """A camera that just sees a sphere of this radius around the centre."""
    camera = bpy.data.cameras.new("Camera")
    camera.angle = math.radians(FOV_DEG)
    distance = radius / math.sin(camera.angle / 2)
    camera.clip_start, camera.clip_end = 0.01 * distance, 100.0 * distance
    viewer = bpy.data.objects.new("Camera", camera)
    viewer.location = centre + distance * towards_camera
    viewer.rotation_euler = (-towards_camera).to_track_quat("-Z", "Y").to_euler()
    scene.collection.objects.link(viewer)
    scene.camera = viewer


def _add_sun(scene: bpy.types.Scene) -> None:
    """A soft light from the upper left, which shows the shape where the texture is plain."""
    sun = bpy.data.lights.new("Sun", "SUN")
    sun.energy, sun.angle = 2.0, math.radians(20.0)
    lamp = bpy.data.objects.new("Sun", sun)
    lamp.rotation_euler = (-_direction(-40.0, 50.0)).to_track_quat("-Z", "Y").to_euler()
    scene.collection.objects.link(lamp)


def _add_flat_camera(scene: bpy.types.Scene, width: float) -> None:
    """A camera without perspective, a little above the origin, that sees so much of X."""
    camera = bpy.data.cameras.new("Camera")
    camera.type, camera.ortho_scale = "ORTHO", width
    camera.clip_start, camera.clip_end = 0.01 * width, 10.0 * width
    viewer = bpy.data.objects.new("Camera", camera)
    towards_camera = _direction(0.0, TURNTABLE_ELEVATION_DEG)
    viewer.location = 2.0 * width * towards_camera
    viewer.rotation_euler = (-towards_camera).to_track_quat("-Z", "Y").to_euler()
    scene.collection.objects.link(viewer)
    scene.camera = viewer


def _configure_render(scene: bpy.types.Scene, path: Path, side_px: int) -> None:
    """Cycles on the CPU without denoising, which not every build of Blender has."""
    scene.render.engine = "CYCLES"
    scene.cycles.device = "CPU"
    scene.cycles.samples = SAMPLES
    scene.cycles.use_denoising = False
    scene.cycles.max_bounces = 2
    scene.cycles.use_light_tree = (
        False  # three lights: choosing among them costs more than it saves
    )
    scene.cycles.adaptive_threshold, scene.cycles.adaptive_min_samples = 0.1, 8
    scene.render.resolution_x = scene.render.resolution_y = side_px
    scene.render.resolution_percentage = 100
    scene.render.image_settings.file_format = "PNG"
    scene.render.image_settings.color_mode = "RGB"
    scene.render.filepath = str(path)
    scene.view_settings.view_transform = "Standard"
    scene.world.color = (0.25, 0.26, 0.28)


def _remove_scene(scene: bpy.types.Scene) -> None:
    """Remove the scene and everything that was made for it."""
    objects = list(scene.collection.objects)
    made: list[bpy.types.ID] = list({obj.data: None for obj in objects})
    for obj in objects:
        made.extend(material for material in getattr(obj.data, "materials", ()) if material)
    if scene.world:
        made.append(scene.world)
    bpy.data.scenes.remove(scene)
    bpy.data.batch_remove([*objects, *made])
