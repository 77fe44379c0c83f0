# SPDX-License-Identifier: GPL-3.0-or-later
import math

import pytest
import torch

from tests.unit.training.made_props import write_props
from training.datasets import draw_maps, load_props
from training.pictures import (
    Cameras,
    blur,
    cut_badly,
    draw_cameras,
    erase,
    grade,
    jitter,
    render_materials,
    shade,
    swap_channels,
)

CUBE, SLAB, BALL = range(3)
SIZE = 80


@pytest.fixture(scope="module")
def props(tmp_path_factory):
    folder = write_props(tmp_path_factory.mktemp("props"))
    return load_props(folder, "train", torch.device("cpu"))


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def look(azimuth_deg, elevation_deg, fov_deg=30.0):
    angles = torch.deg2rad(torch.tensor([[azimuth_deg, elevation_deg, fov_deg]]))
    return Cameras(*angles.unbind(1))


def render(props, shape, cameras, supersample=2, size=SIZE):
    unit = torch.eye(3)[None]
    found = render_materials(props, torch.tensor([shape]), unit, cameras, size, 0.15, supersample)
    return found[0][0], found[1][0]


def test_framed_renders_leave_the_border_exactly(props):
    shapes = torch.tensor([CUBE, SLAB, BALL] * 6)
    maps = draw_maps(props, shapes, seeded(), 0.25, 0.25)
    cameras = draw_cameras(18, torch.device("cpu"), seeded(1))
    base, _ = render_materials(props, shapes, maps, cameras, SIZE, 0.15)
    for picture in base:
        rows, columns = (torch.nonzero(picture[..., 3].amax(1 - k) > 0)[:, 0] for k in (0, 1))
        low = torch.stack([rows[0], columns[0]])
        high = torch.stack([rows[-1], columns[-1]]) + 1
        assert (high - low).max() in (round(SIZE * 0.85), round(SIZE * 0.85) - 1)
        assert ((low + high - SIZE).abs() <= 2).all(), "the object is not centred"


def test_front_view_shows_the_front_with_x_to_the_right_and_y_up(props):
    """Corners are coloured by their position, so a colour is the place it was seen at."""
    base, normal = render(props, CUBE, look(0, 0, 8))
    seen = base[..., 3] == 255
    colour = base[..., :3].float() / 127.5 - 1
    assert (colour[seen][:, 2] > 0.99).all()
    line = (torch.arange(SIZE) + 0.5 - SIZE / 2) / (SIZE * 0.85 / 2)
    expected = torch.stack(torch.meshgrid(-line, line, indexing="ij")[::-1], -1)
    assert (colour[..., :2] - expected)[seen].abs().max() < 0.03
    assert (normal[seen] == torch.tensor([0, 0, 127], dtype=torch.int8)).all()


@pytest.mark.parametrize(("azimuth", "axis", "sign"), [(90, 0, 1), (180, 2, -1), (-90, 0, -1)])
def test_camera_looks_from_its_azimuth(props, azimuth, axis, sign):
    base, normal = render(props, CUBE, look(azimuth, 0, 8))
    seen = base[..., 3] == 255
    assert (normal[seen][:, axis] == 127 * sign).all()
    assert ((base[seen][:, axis].float() / 127.5 - 1) * sign > 0.99).all()


def test_supersampling_gives_soft_edges_and_straight_colours(props):
    base, _ = render(props, BALL, look(0, 0), supersample=4)
    soft = (base[..., 3] > 0) & (base[..., 3] < 255)
    assert soft.sum() > 50
    area = base[..., 3].double().sum() / 255
    assert area == pytest.approx(math.pi * (SIZE * 0.85 / 2) ** 2, rel=0.03)
    # Blue is 255 (z + 1) / 2, on a ball's rim near 128; black background would halve it.
    assert (base[soft][:, 2] > 100).all()


def test_cameras_stay_in_their_ranges_and_fill_them():
    cameras = draw_cameras(5000, torch.device("cpu"), seeded())
    for angle, low, high in (
        (cameras.azimuth, -60, 60), (cameras.elevation, -10, 40), (cameras.fov, 8, 55)
    ):  # fmt: skip
        degrees = torch.rad2deg(angle)
        assert low <= degrees.min() < low + 1 and high - 1 < degrees.max() <= high + 1e-4


def test_shading_differs_between_pictures_and_keeps_the_coverage(props):
    base, normal = render(props, BALL, look(0, 0))
    base, normal = base.expand(40, -1, -1, -1), normal.expand(40, -1, -1, -1)
    pictures = shade(base, normal, torch.zeros(40), seeded())
    assert pictures.amin() >= 0 and pictures.amax() <= 1
    assert torch.equal(pictures[..., 3], base[..., 3].float() / 255)
    mean = pictures[:, 20:60, 20:60, :3].mean((1, 2))
    assert (torch.pdist(mean) > 1e-3).all() and mean.std(0).min() > 0.02


def test_key_light_stays_on_the_cameras_side(props):
    """On average over lights the side towards the camera is brighter than its rim."""
    base, normal = render(props, BALL, look(0, 0))
    base = base.clone()
    base[..., :3] = 128
    base, normal = base.expand(300, -1, -1, -1), normal.expand(300, -1, -1, -1)
    picture = shade(base, normal, torch.zeros(300), seeded())[..., :3].mean((0, 3))
    assert picture[40, 40] > picture[40, 8] and picture[40, 40] > picture[40, 71]
    assert picture[15, 40] > picture[65, 40]  # light comes from above


def test_channel_swap_permutes_colours_and_never_coverage():
    image = torch.rand(400, 2, 2, 4, generator=seeded())
    swapped = swap_channels(image, seeded(1))
    assert torch.equal(swapped[..., 3], image[..., 3])
    colours = image[..., :3].sort(-1).values
    assert torch.equal(swapped[..., :3].sort(-1).values, colours)
    changed = (swapped != image).flatten(1).any(1).float().mean()
    assert changed == pytest.approx(0.4 * 5 / 6, abs=0.07)


def test_jitter_moves_a_spot_a_little_and_premultiplies():
    image = torch.zeros(200, 41, 41, 4)
    image[:, 18:23, 18:23] = torch.tensor([0.8, 0.4, 0.2, 0.5])
    moved = jitter(image, seeded())
    assert moved.shape == (200, 4, 41, 41)
    assert torch.allclose(moved[:, :3], moved[:, 3:] * torch.tensor([0.8, 0.4, 0.2])[:, None, None])
    mass = moved[:, 3]
    line = torch.arange(41.0) - 20
    place = torch.stack([(mass.sum(k) * line).sum(1) / mass.sum((1, 2)) for k in (1, 2)], 1)
    assert place.abs().max() < 1.3 and place.std(0).min() > 0.3


def premultiplied(count, alpha_value=1.0):
    """A square of colour in the middle of pictures of 40 pixels."""
    image = torch.zeros(count, 4, 40, 40)
    colour = torch.tensor([0.6, 0.3, 0.2]) * alpha_value
    image[:, :, 10:30, 10:30] = torch.cat([colour, torch.tensor([alpha_value])])[:, None, None]
    return image


def test_grading_keeps_coverage_and_changes_colours_more_the_stronger():
    image = torch.rand(200, 6, 6, 4, generator=seeded())
    assert torch.allclose(grade(image, 0.0, seeded(1))[..., :3], image[..., :3], atol=0.2)
    apart = []
    for strength in (0.2, 1.0):
        graded = grade(image, strength, seeded(1))
        assert graded.amin() >= 0 and graded.amax() <= 1
        assert torch.equal(graded[..., 3], image[..., 3])
        apart.append(float((graded - image).abs().mean()))
    assert apart[1] > 2 * apart[0] > 0.01


def test_badly_cut_pictures_lose_a_rim_or_keep_one():
    image = premultiplied(300)
    cut = cut_badly(image, 1.0, seeded())
    area = cut[:, 3].sum((1, 2))
    assert set(area.tolist()) == {18.0**2, 22.0**2}
    assert (area == 18**2).float().mean() == pytest.approx(0.5, abs=0.1)
    assert torch.equal(cut[:, :, 12:28, 12:28], image[:, :, 12:28, 12:28])
    rim = cut[area == 22**2][:, :3, 9, 9]
    assert rim.std(0).min() > 0.2, "the background's colour differs"
    assert torch.equal(cut_badly(image, 0.0, seeded()), image)


def test_erasing_touches_one_rectangle_of_the_chosen_share():
    image = premultiplied(400)
    erased = erase(image, 0.5, seeded())
    changed = (erased != image).any(1)
    # Half of the pictures, less the rectangles that miss the square or paint beside it.
    assert 0.15 < changed.any((1, 2)).float().mean() < 0.5
    for k in torch.nonzero(changed.any((1, 2)))[:20, 0]:
        rows, columns = changed[k].any(1), changed[k].any(0)
        assert changed[k].sum() == rows.sum() * columns.sum()
    assert (erased[:, :3] <= erased[:, 3:] + 1e-6).all(), "still premultiplied"


def test_blur_keeps_the_mass_and_softens_edges():
    image = premultiplied(60)
    soft = blur(image, 1.0, seeded())
    assert torch.allclose(soft.sum((2, 3)), image.sum((2, 3)), rtol=1e-4)
    edge = soft[:, 3, 20, 9]
    assert edge.max() > 0.15 and edge.std() > 0.02
    assert torch.allclose(blur(image, 0.0, seeded()), image, atol=1e-6)
