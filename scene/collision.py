# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns a mesh into a convex collision hull of few triangles that holds all of it."""

import bmesh
import bpy
import numpy as np
from numpy.typing import NDArray

from ..backend.errors import InputError
from . import mesh as mesh_data
from .variant import base_name, check_mesh, evaluate_mesh

NAMES = {"UNREAL": "UCX_{}", "PLAIN": "{}_collision", "GODOT": "{}-convcolonly"}
_FLAT = 1e-4  # thinner than this share of its length, a shape is given some thickness
_THICKNESS = 5e-3  # as a share of the length
_ROUNDS, _ROUND_SHARE = 20, 0.5  # how often corners move, and how far of the way
_SLACK = 1e-5  # as a share of the hull, so that rounding leaves no vertex outside


def add_hull(
    obj: bpy.types.Object, scene: bpy.types.Scene, num_faces: int, naming: str
) -> bpy.types.Object:
    """Add a hull as a child of the object, drawn as wires and never rendered.

    Args:
        obj: A mesh object; it is not changed. An earlier hull of it is replaced.
        scene: See `variant.evaluate_mesh`.
        num_faces: Most triangles of the hull, at least 8.
        naming: A key of `NAMES`.

    Raises:
        InputError: The object has no faces, or all of them lie on one line.
    """
    check_mesh(obj)
    evaluated = evaluate_mesh(obj, scene)
    points = mesh_data.read_array(evaluated.vertices, "co", 3, np.float32).astype(np.float64)
    bpy.data.meshes.remove(evaluated)
    vertices, faces = find_hull(points, num_faces)
    for former in find_hulls(obj):
        former_mesh = former.data
        bpy.data.objects.remove(former)
        if not former_mesh.users:
            bpy.data.meshes.remove(former_mesh)
    name = NAMES[naming].format(base_name(obj))
    starts = np.arange(0, faces.size, 3, dtype=np.int32)
    mesh = mesh_data.create_polygons(name, vertices, faces, starts)
    mesh.update(calc_edges=True)
    hull = bpy.data.objects.new(name, mesh)
    hull.parent = obj
    hull.maquette.is_hull = True
    hull.display_type = "WIRE"
    hull.hide_render = True
    for collection in obj.users_collection:
        collection.objects.link(hull)
    return hull


def find_hulls(obj: bpy.types.Object) -> list[bpy.types.Object]:
    """The collision hulls that were made for an object."""
    return [child for child in obj.children if child.type == "MESH" and child.maquette.is_hull]


def find_hull(
    points: NDArray[np.float64], num_faces: int
) -> tuple[NDArray[np.float64], NDArray[np.int32]]:
    """A convex hull of few triangles around points.

    The points that stick out most are taken one after the other. Their hull's corners are then
    moved outwards or inwards until its faces touch the points from outside, and what still sticks
    out is taken in by enlarging it about its middle.

    Args:
        points: `[P, 3]`.
        num_faces: Most triangles, at least 8.

    Returns:
        Vertices `[V, 3]` and triangles `[F, 3]`, counter-clockwise seen from outside.

    Raises:
        InputError: The points lie on one line or are none.
    """
    points = _thicken(points)
    _, corners = _convex_hull(points)
    outer = points[np.unique(corners)]  # the others lie within
    # A hull of V points in general position has 2 V - 4 triangles.
    most = num_faces // 2 + 2
    chosen = _extreme_points(outer)
    vertices, faces = _convex_hull(outer[chosen])
    while len(chosen) < min(most, len(outer)):
        distance = _distances(outer, vertices, faces).max(axis=1)
        farthest = int(distance.argmax())
        if distance[farthest] <= _SLACK * np.ptp(outer, axis=0).max() or farthest in chosen:
            break
        chosen.append(farthest)
        vertices, faces = _convex_hull(outer[chosen])
    return _fit_around(outer, vertices[np.unique(faces)])


def _fit_around(
    points: NDArray[np.float64], corners: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.int32]]:
    """The hull of moved corners with the least volume, of those tried, that holds all points."""
    tried = []
    for _ in range(_ROUNDS):
        vertices, faces = _convex_hull(corners)
        around = _enlarge(points, vertices, faces)
        tried.append((_volume(around, faces), around, faces))
        corners = vertices + _ROUND_SHARE * _moves(points, vertices, faces)
    _, vertices, faces = min(tried, key=lambda item: item[0])
    return vertices, faces


def _moves(
    points: NDArray[np.float64], vertices: NDArray[np.float64], faces: NDArray[np.int32]
) -> NDArray[np.float64]:
    """How each corner moves `[V, 3]` so that all its faces lie outside of the points, just so."""
    a, b, c = (vertices[faces[:, i]] for i in range(3))
    doubled = np.cross(b - a, c - a)
    area = np.linalg.norm(doubled, axis=1)
    is_face = area > 1e-12 * area.max()
    faces, normals = faces[is_face], doubled[is_face] / area[is_face, None]
    gaps = (points @ normals.T).max(axis=0) - np.einsum("fk,fk->f", normals, a[is_face])
    outwards = np.zeros_like(vertices)
    for corner in range(3):
        np.add.at(outwards, faces[:, corner], doubled[is_face])
    outwards /= np.maximum(np.linalg.norm(outwards, axis=1, keepdims=True), 1e-300)
    steps = np.full(len(vertices), -np.inf)
    for corner in range(3):
        slope = np.einsum("fk,fk->f", normals, outwards[faces[:, corner]])
        np.maximum.at(steps, faces[:, corner], gaps / np.clip(slope, 0.2, 1.0))
    return np.where(np.isfinite(steps), steps, 0.0)[:, None] * outwards


def _volume(vertices: NDArray[np.float64], faces: NDArray[np.int32]) -> float:
    """What closed triangles enclose."""
    a, b, c = (vertices[faces[:, i]] for i in range(3))
    return float(np.einsum("fk,fk->", a, np.cross(b, c))) / 6


def _thicken(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Points that span a volume: those on a plane are doubled on both sides of it."""
    if not len(points) or not np.isfinite(points).all():
        raise InputError("The mesh has no place.", "Look for vertices without coordinates.")
    middle = points - points.mean(axis=0)
    # The axes of the cloud, from its 3 x 3 moments: the points themselves may be a million.
    _, axes = np.linalg.eigh(middle.T @ middle)
    lengths = np.ptp(middle @ axes, axis=0)
    if lengths[1:].min() <= _FLAT * lengths.max():
        raise InputError("The mesh has no surface to collide with.", "Give it some width.")
    if lengths[0] > _FLAT * lengths.max():
        return points
    offset = axes[:, 0] * _THICKNESS * lengths.max()
    return np.concatenate([points - offset, points + offset])


def _extreme_points(points: NDArray[np.float64]) -> list[int]:
    """Four points that span a volume, and those that lie farthest along the axes."""
    first = int(points[:, 0].argmin())
    second = int(np.linalg.norm(points - points[first], axis=1).argmax())
    line = points[second] - points[first]
    beside = np.linalg.norm(np.cross(points - points[first], line), axis=1)
    third = int(beside.argmax())
    normal = np.cross(line, points[third] - points[first])
    fourth = int(np.abs((points - points[first]) @ normal).argmax())
    return list(dict.fromkeys((first, second, third, fourth)))


def _convex_hull(
    points: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.int32]]:
    """All points, and the triangles `[F, 3]` of their hull, turned outwards."""
    work = bmesh.new()
    for index, point in enumerate(points):
        work.verts.new(point).index = index
    bmesh.ops.convex_hull(work, input=work.verts, use_existing_faces=False)
    faces = [[vertex.index for vertex in face.verts] for face in work.faces]
    work.free()
    corners = np.array(faces, np.int32).reshape(-1, 3)
    a, b, c = (points[corners[:, i]] for i in range(3))
    middle = points[np.unique(corners)].mean(axis=0)
    is_inward = np.einsum("fk,fk->f", np.cross(b - a, c - a), a - middle) < 0
    corners[is_inward] = corners[is_inward][:, ::-1]
    return points, corners


def _distances(
    points: NDArray[np.float64], vertices: NDArray[np.float64], faces: NDArray[np.int32]
) -> NDArray[np.float64]:
    """How far each point lies outside of each face's plane: `[P, F]`."""
    normals, offsets = _planes(vertices, faces)
    return points @ normals.T - offsets


def _planes(
    vertices: NDArray[np.float64], faces: NDArray[np.int32]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Unit normals `[F, 3]` and offsets `[F]`, faces without area left out."""
    a, b, c = (vertices[faces[:, i]] for i in range(3))
    normals = np.cross(b - a, c - a)
    lengths = np.linalg.norm(normals, axis=1)
    is_face = lengths > 1e-12 * max(float(lengths.max()), 1e-300)
    normals = normals[is_face] / lengths[is_face, None]
    return normals, np.einsum("fk,fk->f", normals, a[is_face])


def _enlarge(
    points: NDArray[np.float64], vertices: NDArray[np.float64], faces: NDArray[np.int32]
) -> NDArray[np.float64]:
    """Scale the hull's vertices about its middle until all points are inside."""
    middle = vertices[np.unique(faces)].mean(axis=0)
    normals, offsets = _planes(vertices, faces)
    inner = offsets - normals @ middle  # how far the faces are from the middle
    needed = ((points - middle) @ normals.T / inner).max()
    return middle + (vertices - middle) * (max(float(needed), 1.0) + _SLACK)
