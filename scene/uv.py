# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns UV maps into a verdict whether they can hold a painting, and meshes into new UV maps."""

import math

import bpy
import numpy as np
from numpy.typing import NDArray

from .. import compat
from . import mesh as mesh_data

NAME = "Maquette"
MAX_LAYERS = 8  # Blender's limit
MAX_OVERLAP = 0.01  # share of the covered area; artists' unwraps overlap by a sliver here and there
MIN_COVERAGE = 0.02  # of the unit square; palettes of flat colours use hardly any
MAX_FLAT = 0.01  # share of the surface whose faces have no area in the UV map
BORDER = 1e-3  # how far beyond 0..1 counts as rounding
WIDE_ANGLE_DEG = 66.0  # between neighbours that are projected together
NARROW_ANGLE_DEG = 30.0  # if that makes charts which overlap themselves
GRID = 512  # samples along each edge when overlaps are looked for
_MAX_PAIRS = 1 << 22  # (triangle, sample) pairs held at once
_TOO_MANY_PAIRS = 1 << 26


def find_fault(uv: NDArray[np.float32], area: NDArray[np.float64]) -> str:
    """Why a UV map cannot hold one painting of the whole surface.

    Args:
        uv: `[F, 3, 2]`, corners of the triangles.
        area: `[F]`, the triangles' areas in space.

    Returns:
        A phrase that goes on from "The UV map", or an empty string for a map that can be used.
    """
    if not np.isfinite(uv).all():
        return "holds values that are no numbers"
    if uv.min() < -BORDER or uv.max() > 1.0 + BORDER:
        return "lies partly outside of the square from 0 to 1"
    uv_area = np.abs(_double_area(uv)) / 2
    if area[uv_area < 1e-12].sum() > MAX_FLAT * area.sum():
        return "leaves faces without room"
    if uv_area.sum() < MIN_COVERAGE:
        return "uses hardly any of the texture"
    if uv_area.sum() > 1.0 + BORDER or measure_overlap(uv) > MAX_OVERLAP:
        return "overlaps itself"
    return ""


def measure_overlap(uv: NDArray[np.float32], grid: int = GRID) -> float:
    """The share of the covered area that more than one triangle covers.

    Args:
        uv: `[F, 3, 2]`, finite.
        grid: Samples along each edge of the unit square; made coarser where triangles are so many
            and so large that testing them would take seconds. A map whose triangles' boxes cover
            the square thousands of times is taken as overlapping without a test.
    """
    points = np.clip(uv.astype(np.float64), 0.0, 1.0) * grid  # [F, 3, 2]
    low = np.ceil(points.min(axis=1) - 0.5).astype(np.int64)
    span = np.maximum(np.floor(points.max(axis=1) - 0.5).astype(np.int64) - low + 1, 0)  # [F, 2]
    pairs = span.prod(axis=1)
    if pairs.sum() > _TOO_MANY_PAIRS:
        return measure_overlap(uv, grid // 2) if grid > 64 else 1.0
    counts = np.zeros(grid * grid, np.int64)
    ends = np.cumsum(pairs)
    start = 0
    while start < len(pairs):
        done = ends[start - 1] if start else 0
        stop = max(int(np.searchsorted(ends, done + _MAX_PAIRS, "right")), start + 1)
        part = slice(start, stop)
        cells = _cells_inside(points[part], low[part], span[part], pairs[part], grid)
        counts += np.bincount(cells, minlength=grid * grid)
        start = stop
    return float((counts > 1).sum() / max((counts > 0).sum(), 1))


def project_mesh(
    vertices: NDArray[np.float64],
    loop_vertices: NDArray[np.int32],
    loop_starts: NDArray[np.int32],
    gap: float,
) -> NDArray[np.float32]:
    """Unwrap polygons by Blender's Smart UV Project, in a scene made for it and then removed.

    Polygons stay whole: a quad or n-gon is never cut along the diagonals of its triangles.

    Args:
        vertices: `[P, 3]`.
        loop_vertices: `[L]`, the polygons' corners one after the other.
        loop_starts: `[N]`, where each polygon begins.
        gap: Room between charts, as a share of the texture's width.

    Returns:
        `[L, 2]` inside 0..1.
    """
    mesh = mesh_data.create_polygons(NAME, vertices, loop_vertices, loop_starts)
    mesh.update(calc_edges=True)
    mesh.uv_layers.new(name=NAME, do_init=False)
    compat.select_everything(mesh)
    try:
        uv = _smart_project(mesh, math.radians(WIDE_ANGLE_DEG), gap)
        mesh.calc_loop_triangles()
        triangles = mesh_data.read_array(mesh.loop_triangles, "loops", 3, np.int32)
        if measure_overlap(uv[triangles]) > MAX_OVERLAP:
            uv = _smart_project(mesh, math.radians(NARROW_ANGLE_DEG), gap)
    finally:
        bpy.data.meshes.remove(mesh)
    return uv


def _smart_project(mesh: bpy.types.Mesh, angle_rad: float, margin: float) -> NDArray[np.float32]:
    """Run the operator on an object that only a new scene has; `[L, 2]`."""
    scene = bpy.data.scenes.new(NAME)
    obj = bpy.data.objects.new(NAME, mesh)
    try:
        scene.collection.objects.link(obj)
        layer = scene.view_layers[0]
        layer.objects.active = obj
        obj.select_set(True, view_layer=layer)
        members = {"active_object": obj, "object": obj, "edit_object": obj}
        with bpy.context.temp_override(
            scene=scene, view_layer=layer, selected_objects=[obj], **members
        ):
            bpy.ops.object.mode_set(mode="EDIT")
            bpy.ops.uv.smart_project(
                angle_limit=angle_rad, island_margin=margin, margin_method="FRACTION"
            )
            bpy.ops.object.mode_set(mode="OBJECT")
    finally:
        bpy.data.scenes.remove(scene)
        bpy.data.objects.remove(obj)
    return mesh_data.read_array(mesh.uv_layers[0].uv, "vector", 2, np.float32)


def _cells_inside(
    points: NDArray[np.float64],
    low: NDArray[np.int64],
    span: NDArray[np.int64],
    pairs: NDArray[np.int64],
    grid: int,
) -> NDArray[np.int64]:
    """Index of each sample strictly inside of each triangle; `points` `[F, 3, 2]` in samples."""
    owner = np.repeat(np.arange(len(pairs)), pairs)
    rank = np.arange(len(owner)) - np.repeat(np.cumsum(pairs) - pairs, pairs)
    column = low[owner, 0] + rank % span[owner, 0]
    row = low[owner, 1] + rank // span[owner, 0]
    centre = np.stack([column, row], axis=1) + 0.5  # [pairs, 2]
    sign = np.sign(_double_area(points))[owner]
    # Samples on an edge belong to neither neighbour: a shared edge is no overlap.
    is_inside = sign != 0
    for corner in range(3):
        a, b = points[owner, corner], points[owner, (corner + 1) % 3]
        side = (b[:, 0] - a[:, 0]) * (centre[:, 1] - a[:, 1])
        side -= (b[:, 1] - a[:, 1]) * (centre[:, 0] - a[:, 0])
        is_inside &= side * sign > 1e-6
    return (row * grid + column)[is_inside]


def _double_area(points: NDArray[np.floating]) -> NDArray[np.float64]:
    """Twice the signed area of `[F, 3, 2]` triangles."""
    a, b = (points[:, i].astype(np.float64) - points[:, 0] for i in (1, 2))
    return a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]
