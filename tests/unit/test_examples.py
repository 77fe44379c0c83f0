# SPDX-License-Identifier: GPL-3.0-or-later
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from examples.camera import frame_object
from examples.objects.catalogue import OBJECTS, build_parts, triangles
from examples.objects.shapes import ball, box, lathe, prism, rotation, split_polygons, tube

EXAMPLES = Path(__file__).parents[2] / "examples"


def volume_of(vertices, faces):
    """Signed volume of closed triangles by the divergence theorem."""
    a, b, c = (vertices[faces[:, k]].astype(np.float64) for k in range(3))
    return np.einsum("fi,fi->", a, np.cross(b, c)) / 6


def assert_closed(part):
    edges = Counter((p[k - 1], p[k]) for p in part.polygons for k in range(len(p)))
    assert set(edges.values()) == {1}, "two polygons run along an edge in the same direction"
    assert all((b, a) in edges for a, b in edges), "an edge has a polygon on one side only"
    assert volume_of(part.vertices, split_polygons(part)) > 0, "the part is inside out"


@pytest.mark.parametrize("name", OBJECTS)
def test_every_part_of_an_object_is_closed_and_faces_outwards(name):
    for part in build_parts(name):
        assert_closed(part)


@pytest.mark.parametrize("name", OBJECTS)
def test_object_is_centred_and_its_longest_side_is_two(name):
    vertices, faces = triangles(name)
    assert vertices.dtype == np.float32 and faces.dtype == np.int32
    low, high = vertices.min(axis=0), vertices.max(axis=0)
    np.testing.assert_allclose(low, -high, atol=1e-6)
    assert (high - low).max() == pytest.approx(2, abs=1e-6)
    assert set(faces.ravel()) == set(range(len(vertices)))


@pytest.mark.parametrize(
    ("name", "color"), [("cottage", "#e0b34c"), ("truck", "#fff0b8"), ("chest", "#33291f")]
)
def test_front_faces_plus_z(name, color):
    marks = [part for part in build_parts(name) if part.color == color]  # knob, headlights, keyhole
    depth = max(part.vertices[:, 2].max() for part in build_parts(name))
    assert marks and all(part.vertices[:, 2].mean() > 0.75 * depth for part in marks)


def test_stool_stands_on_four_feet():
    vertices, _ = triangles("stool")
    feet = vertices[vertices[:, 1] < vertices[:, 1].min() + 0.02]
    assert {(x > 0, z > 0) for x, _, z in feet} == {(a, b) for a in (0, 1) for b in (0, 1)}


@pytest.mark.parametrize("name", OBJECTS)
def test_picture_shows_the_object_as_the_camera_projects_it(name):
    picture = Image.open(EXAMPLES / f"{name}.png")
    alpha = np.asarray(picture.convert("RGBA"))[..., 3] > 127
    vertices, faces = triangles(name)
    seen = frame_object(vertices.astype(np.float64)).project(vertices)
    pixels = (seen * (1, -1) + 1) / 2 * picture.size
    mask = Image.new("1", picture.size)
    draw = ImageDraw.Draw(mask)
    for face in faces:
        draw.polygon([tuple(pixels[k]) for k in face], fill=1)
    silhouette = np.asarray(mask)
    assert (alpha & silhouette).sum() / (alpha | silhouette).sum() > 0.96


@pytest.mark.parametrize("name", OBJECTS)
def test_picture_is_small_and_framed(name):
    path = EXAMPLES / f"{name}.png"
    picture = Image.open(path)
    assert picture.size == (512, 512) and picture.mode == "RGBA"
    assert path.stat().st_size < 200_000
    left, top, right, bottom = picture.getchannel("A").getbbox()
    assert max(right - left, bottom - top) == pytest.approx(0.75 * 512, abs=4)
    assert (left + right) / 2 == pytest.approx(256, abs=2)
    assert (top + bottom) / 2 == pytest.approx(256, abs=2)


@pytest.mark.parametrize(
    ("azimuth", "elevation", "place"),
    [(0, 0, (0, 0, 1)), (90, 0, (1, 0, 0)), (0, 60, (0, 0.866, 0.5))],
)
def test_camera_sits_where_azimuth_and_elevation_say(azimuth, elevation, place):
    sphere = ball(0.5, "#ffffff").vertices
    camera = frame_object(sphere, azimuth, elevation)
    towards = camera.position / np.linalg.norm(camera.position)
    np.testing.assert_allclose(towards, place, atol=0.02)
    assert camera.project(np.array([[0, 0.1, 0.0]]))[0, 1] > 0


def test_box_has_the_volume_of_its_size():
    plain = box((1, 2, 3), (5, 6, 7), "#ffffff")
    assert volume_of(plain.vertices, split_polygons(plain)) == pytest.approx(6)
    rounded = box((2, 2, 2), (0, 0, 0), "#ffffff", 0.25)
    assert_closed(rounded)
    # Twelve prisms are cut off the edges, and what is left of the eight corners.
    wedge = 0.25**2 / 2
    cut = 12 * wedge * 1.5 + 8 * (0.25**3 * 5 / 6)
    assert volume_of(rounded.vertices, split_polygons(rounded)) == pytest.approx(8 - cut)


def test_lathe_and_tube_make_prisms_of_the_regular_polygon():
    area = 12 / 2 * np.sin(2 * np.pi / 12)
    for part in (
        lathe([(1, 0), (1, 2)], "#ffffff", 12),
        tube([(0, 0, 0), (2, 0, 0)], 1, "#ffffff", 12),
    ):
        assert_closed(part)
        assert volume_of(part.vertices, split_polygons(part)) == pytest.approx(2 * area)
    ring = lathe([(1, 0), (2, 0), (2, 1), (1, 1)], "#ffffff", 12, is_ring=True)
    assert_closed(ring)
    assert volume_of(ring.vertices, split_polygons(ring)) == pytest.approx(3 * area)


def test_mirrored_part_still_faces_outwards():
    part = prism([(0, 0), (2, 0), (0, 1)], 1, "#ffffff")
    for copy in (part, part.scale(x=-1), part.turn("z", 40).move(1, 2, 3)):
        assert_closed(copy)
        assert volume_of(copy.vertices, split_polygons(copy)) == pytest.approx(1)


def test_turn_is_right_handed():
    np.testing.assert_allclose(rotation("y", 90) @ (0, 0, 1), (1, 0, 0), atol=1e-12)
    np.testing.assert_allclose(rotation("x", 90) @ (0, 1, 0), (0, 0, 1), atol=1e-12)
