# SPDX-License-Identifier: GPL-3.0-or-later
"""The stage with a coder that halves pictures, and a network that knows what is to be painted."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from torch.nn import functional

from backend.config import PaintConfig
from backend.data import Camera, PaintedViews, PreparedImage
from backend.errors import CancelledError
from backend.models.maquette.colour_guess import ColourGuess
from backend.paint.sample import PaintDefaults, PaintNetworks, paint_views, view_angles
from backend.progress import Progress, Report
from backend.render.camera import camera_axes
from tests.unit.paint.stand_ins import NOISE, HalvingCoder, MeanPainter

SIZE, VIEWS = 16, 3
ANGLES = [(0, 0), (90, 0), (180, -90)]
RED = (0.8, 0.2, 0.1)


def make_networks(painter: MeanPainter, **changes) -> PaintNetworks:
    defaults = PaintDefaults(4, 2.0, "euler_ancestral", NOISE, SIZE, SIZE)
    return PaintNetworks(
        HalvingCoder(),
        painter,
        lambda azimuth, elevation: round(azimuth) % 360 + 1000 * round(elevation),
        replace(defaults, **changes),
        guesser=ColourGuess(),
    )


@dataclass
class Maps:
    normal: torch.Tensor
    position: torch.Tensor
    alpha: torch.Tensor


def make_cameras() -> list[Camera]:
    radians = torch.deg2rad(torch.tensor(ANGLES, dtype=torch.float32))
    axes = camera_axes(radians[:, 0], radians[:, 1])
    return [
        Camera(np.concatenate([a, [[0], [0], [-2]]], axis=1).astype(np.float32), True, 2.4)
        for a in axes.numpy()
    ]


def make_maps(size: int = SIZE) -> Maps:
    """Views of a disc."""
    axis = torch.linspace(-1, 1, size)
    inside = (axis[None] ** 2 + axis[:, None] ** 2 < 0.6).expand(VIEWS, -1, -1)
    maps = torch.rand(VIEWS, size, size, 3, generator=torch.Generator().manual_seed(0))
    white = torch.where(inside[..., None], maps, 1.0)
    return Maps(white, white, inside.float())


def make_reference(colour=RED, alpha: float = 1.0, count: int = 1) -> PreparedImage:
    pixels = np.empty((count, SIZE, SIZE, 4), np.float32)
    pixels[..., :3], pixels[..., 3] = colour, alpha
    return PreparedImage(pixels, tuple(range(count)))


def paint(painter=None, maps=None, references=None, config=None, progress=None, **changes):
    known, seed = changes.pop("known", None), changes.pop("seed", 0)
    draft = changes.pop("draft", None)
    return paint_views(
        references or make_reference(),
        maps or make_maps(),
        make_cameras(),
        make_networks(painter or MeanPainter(), **changes),
        config or PaintConfig(paint_guidance=1.0),
        progress or Progress(),
        (1.0, 0.1, 0.05),
        seed,
        known,
        draft,
    )


@pytest.mark.parametrize("sampler", ["euler_ancestral", "ddim"])
def test_views_get_the_references_colour_and_keep_their_cameras(sampler):
    painted = paint(sampler=sampler)
    assert painted.colour.shape == (VIEWS, SIZE, SIZE, 3)
    assert torch.allclose(painted.colour, torch.tensor(RED).expand_as(painted.colour), atol=2e-3)
    assert [c.width for c in painted.cameras] == [2.4] * VIEWS
    assert painted.weights == (1.0, 0.1, 0.05)
    assert painted.mask is not None and torch.equal(painted.mask, make_maps().alpha > 0.5)


def test_transparent_references_are_put_on_white_and_all_are_read():
    half = paint(references=make_reference((0.0, 0.0, 0.0), 0.25))
    assert half.colour.mean() == pytest.approx(0.75, abs=2e-3)
    two = make_reference((0.2, 0.2, 0.2), count=2)
    two.pixels[1, ..., :3] = 0.6
    assert paint(references=two).colour.mean() == pytest.approx(0.4, abs=2e-3)


def test_normal_map_comes_before_the_position_map_and_larger_views_are_reduced():
    painter, maps = MeanPainter(), make_maps(4 * SIZE)
    paint(painter, replace(maps, position=torch.full_like(maps.position, 0.25)))
    geometry = painter.calls[0]["geometry"]
    assert geometry.shape == (1, VIEWS, 6, SIZE // 2, SIZE // 2)
    assert torch.allclose(geometry[:, :, 3:], torch.tensor(-0.5))
    assert geometry[:, :, :3].std() > 0.1


def test_labels_follow_the_cameras_directions_at_the_pole_too():
    painter = MeanPainter()
    paint(painter)
    assert painter.calls[0]["cameras"].tolist() == [[0, 90, 180 - 90_000]]
    angles = [view_angles(camera) for camera in make_cameras()]
    assert [(round(a) % 360, round(e)) for a, e in angles] == ANGLES


def test_guidance_adds_a_row_without_text_and_a_distilled_model_takes_none():
    guided, plain, distilled = MeanPainter(), MeanPainter(), MeanPainter()
    paint(guided, config=PaintConfig())
    paint(plain, config=PaintConfig(paint_guidance=1.0))
    paint(distilled, config=PaintConfig(paint_guidance=3.0), guidance=None)
    assert guided.calls[0]["sample"].shape[0] == 2
    assert not guided.calls[0]["text"][0].any() and guided.calls[0]["text"][1].all()
    assert plain.calls[0]["sample"].shape[0] == distilled.calls[0]["sample"].shape[0] == 1


def test_zero_steps_are_the_models_and_each_is_reported():
    for steps, expected in ((0, 4), (7, 7)):
        painter, reports = MeanPainter(), list[Report]()
        paint(painter, config=PaintConfig(paint_steps=steps), progress=Progress(reports.append))
        assert len(painter.calls) == expected
        assert [(r.step, r.of) for r in reports] == [(n + 1, expected) for n in range(expected)]


def test_seed_decides_the_noise():
    first, same, other = MeanPainter(), MeanPainter(), MeanPainter()
    for painter, seed in ((first, 1), (same, 1), (other, 2)):
        paint(painter, seed=seed)
    samples = [painter.calls[0]["sample"] for painter in (first, same, other)]
    assert torch.equal(samples[0], samples[1])
    assert not torch.equal(samples[0], samples[2])


def test_known_pixels_keep_their_colour_and_only_the_free_ones_are_painted():
    mask = make_maps().alpha > 0.5
    is_known = torch.zeros(VIEWS, SIZE, SIZE, dtype=torch.bool)
    is_known[0] = True  # only informs
    is_known[1, :, : SIZE // 2] = True
    colour = torch.full((VIEWS, SIZE, SIZE, 3), 0.3)
    colour[~is_known] = 1e9  # never read
    known = PaintedViews(tuple(make_cameras()), colour, (1.0,) * VIEWS, is_known)
    painted = paint(known=known).colour
    kept = is_known & mask
    free = ~is_known & mask
    assert (painted[kept] == 0.3).all()
    assert torch.allclose(painted[free], torch.tensor(RED), atol=2e-3)
    assert free[1].any() and free[2].any() and not free[0].any()


def test_known_views_are_shown_to_the_network_among_the_others():
    painter = MeanPainter()
    is_known = torch.zeros(VIEWS, SIZE, SIZE, dtype=torch.bool)
    is_known[0] = True
    colour = torch.full((VIEWS, SIZE, SIZE, 3), 0.9)
    paint(painter, known=PaintedViews(tuple(make_cameras()), colour, (1.0,), is_known))
    inside = functional.avg_pool2d(make_maps().alpha[:1, None], 2)[0, 0] == 1
    last = painter.calls[-1]["sample"][0, 0][:, inside]  # nearly without noise
    first = painter.calls[0]["sample"][0, 0][:, inside]
    assert (last - 0.8).abs().mean() < (first - 0.8).abs().mean()


def test_networks_in_half_precision_give_float32():
    seen: list[torch.dtype] = []

    class Half(MeanPainter):
        def __call__(self, sample, *rest):
            seen.append(sample.dtype)
            return super().__call__(sample, *rest)

    networks = replace(make_networks(Half()), dtype=torch.bfloat16)
    painted = paint_views(
        make_reference(),
        make_maps(),
        make_cameras(),
        networks,
        PaintConfig(),
        Progress(),
        (1.0,) * VIEWS,
    )
    assert set(seen) == {torch.bfloat16}
    assert painted.colour.dtype == torch.float32


def test_cancel_is_seen_between_steps():
    painter = MeanPainter()
    progress = Progress(is_cancelled=lambda: len(painter.calls) == 2)
    with pytest.raises(CancelledError):
        paint(painter, progress=progress)
    assert len(painter.calls) == 2


def test_a_model_that_is_told_what_is_known_sees_it_clean_and_the_background_always():
    blue = torch.tensor((0.1, 0.3, 0.9))
    mask = torch.zeros(VIEWS, SIZE, SIZE, dtype=torch.bool)
    mask[0] = True
    colour = blue.expand(VIEWS, SIZE, SIZE, 3)
    known = PaintedViews(tuple(make_cameras()), colour, (1.0,) * VIEWS, mask)
    painter, alone = MeanPainter(), MeanPainter()
    options = {"sampler": "ddim", "is_told_known": True}
    painted = paint(painter, known=known, **options)
    paint(alone, **options)
    inside = painted.mask[0]
    assert torch.allclose(painted.colour[0][inside], blue, atol=1e-5)
    middle = (SIZE // 4, SIZE // 4)
    for call in painter.calls:  # latents are pictures in -1..1 of half the size
        assert torch.allclose(call["sample"][0, 0, :, *middle], blue * 2 - 1, atol=1e-5)
    for call in alone.calls:
        assert torch.allclose(call["sample"][0, :, :, 0, 0], torch.tensor(1.0))
        assert not torch.allclose(call["sample"][0, 0, :, *middle], blue * 2 - 1, atol=0.05)


def test_a_network_that_is_told_what_is_known_starts_from_a_guess_made_of_it():
    maps, blue = make_maps(), torch.tensor([0.1, 0.2, 0.9])
    colour = torch.rand(VIEWS, SIZE, SIZE, 3)
    mask = maps.alpha > 0.5
    mask[1:] = False
    colour[0] = blue
    known = PaintedViews(tuple(make_cameras()), colour, (1.0,) * VIEWS, mask)
    noise = replace(NOISE, start_share=0.001)  # hardly any noise, so the start can be read
    shown = []
    for other in (colour, torch.where(mask[..., None], colour, 1 - colour)):
        painter = MeanPainter()
        paint(
            painter, maps, known=replace(known, colour=other), sampler="ddim", noise=noise,
            is_told_known=True,
        )  # fmt: skip
        shown.append(painter.calls[0]["sample"][-1] / 2 + 0.5)  # [V, C, h, w]
    assert torch.equal(*shown)  # hidden colours are never read
    inner = shown[0][1, :, 3:5, 3:5].mean((1, 2))
    assert (inner - blue).abs().max() < 0.05
    assert (shown[0][:, :, 0, 0] - 1).abs().max() < 0.1  # the background is white


def test_what_is_painted_keeps_the_share_of_the_guess_that_the_model_asks_for():
    maps, blue = make_maps(), torch.tensor([0.1, 0.2, 0.9])
    mask = maps.alpha > 0.5
    mask[1:] = False
    colour = blue.expand(VIEWS, SIZE, SIZE, 3)
    known = PaintedViews(tuple(make_cameras()), colour, (1.0,) * VIEWS, mask)
    noise = replace(NOISE, start_share=0.1)
    shown = [
        paint(
            maps=maps, known=known, sampler="ddim", noise=noise, is_told_known=True,
            guess_weight=weight,
        ).colour[1, 6:10, 6:10]
        for weight in (0.0, 0.25, 1.0)
    ]  # fmt: skip
    assert (shown[0].mean((0, 1)) - torch.tensor(RED)).abs().max() < 0.05
    assert (shown[2].mean((0, 1)) - blue).abs().max() < 0.05
    assert torch.allclose(shown[1], torch.lerp(shown[0], shown[2], 0.25), atol=1e-5)


def test_a_draft_has_half_of_the_weight_of_the_guess():
    maps, green = make_maps(), torch.tensor([0.1, 0.8, 0.2])
    mask = maps.alpha > 0.5
    mask[1:] = False
    colour = torch.tensor([0.1, 0.2, 0.9]).expand(VIEWS, SIZE, SIZE, 3)
    known = PaintedViews(tuple(make_cameras()), colour, (1.0,) * VIEWS, mask)
    draft = green.expand(VIEWS, SIZE, SIZE, 3)
    painted, guess, both = (
        paint(
            maps=maps, known=known, sampler="ddim", noise=replace(NOISE, start_share=0.1),
            is_told_known=True, guess_weight=weight, draft=chosen,
        ).colour
        for weight, chosen in ((0.0, None), (1.0, None), (0.6, draft))
    )  # fmt: skip
    inner = (1, slice(6, 10), slice(6, 10))
    expected = 0.4 * painted[inner] + 0.3 * guess[inner] + 0.3 * green
    assert torch.allclose(both[inner], expected, atol=1e-5)
    assert torch.equal(both[0][mask[0]], guess[0][mask[0]])  # what is known stays
