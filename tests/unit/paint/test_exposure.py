# SPDX-License-Identifier: GPL-3.0-or-later
"""The network that tells the light is shown the object framed and in the picture's own axes."""

import math

import pytest
import torch
from torch import Tensor

from backend.paint.exposure import find_level_axes, guess_exposure
from backend.paint.unlight import remove_shading
from backend.pipelines.families import load_light_guess
from backend.render.camera import orbit_camera
from backend.texture.colour import srgb_to_linear
from tests.unit.paint.test_unlight import light_up, make_albedo, make_ball

CAMERA = orbit_camera(0, 0, 2.0, fov_deg=40)


class Recorder:
    """Remembers what it was shown; says what it was told to."""

    size_px = 64
    filled = 0.8

    def __init__(self, answer: float = 0.0) -> None:
        self.answer = answer
        self.seen: tuple[Tensor, Tensor, Tensor] | None = None

    def __call__(self, colour: Tensor, alpha: Tensor, normal: Tensor) -> Tensor:
        self.seen = (colour[0], alpha[0, 0], normal[0])
        return torch.full_like(alpha, self.answer)


def rectangle() -> tuple[Tensor, Tensor, Tensor]:
    """A red rectangle that faces +Z, off the middle of a wide picture."""
    mask = torch.zeros(200, 300, dtype=torch.bool)
    mask[20:120, 200:280] = True
    colour = torch.rand(200, 300, 3, generator=torch.Generator().manual_seed(0))
    colour[mask] = torch.tensor([0.8, 0.1, 0.1])
    return colour, torch.tensor([0.0, 0.0, 1.0]).expand(200, 300, 3), mask


def test_object_fills_the_usual_share_and_nothing_else_is_seen():
    recorder = Recorder(-0.4)
    assert guess_exposure(*rectangle(), CAMERA, recorder) == pytest.approx(-0.4)
    colour, alpha, normal = recorder.seen
    assert colour.shape == (3, 64, 64)
    covered = alpha > 0.99
    assert int(covered.any(1).sum()) == pytest.approx(0.8 * 64, abs=2)
    assert int(covered.any(0).sum()) == pytest.approx(0.8 * 0.8 * 64, abs=2)
    assert torch.allclose(colour[:, covered], torch.tensor([[0.8], [0.1], [0.1]]), atol=1e-5)
    assert torch.allclose(normal[:, covered], torch.tensor([[0.0], [0.0], [1.0]]), atol=1e-5)
    assert (colour * alpha)[:, alpha == 0].abs().max() == 0


def test_object_at_the_border_and_of_one_pixel():
    colour, normals, mask = rectangle()
    for rows, columns in ((slice(0, 5), slice(0, 300)), (slice(7, 8), slice(9, 10))):
        part = torch.zeros_like(mask)
        part[rows, columns] = True
        assert guess_exposure(colour, normals, part, CAMERA, Recorder(0.2)) == pytest.approx(0.2)


@pytest.mark.parametrize(("azimuth", "elevation"), [(0, 0), (40, 0), (-130, 30), (90, -20)])
def test_axes_turn_with_the_camera_and_stay_level(azimuth, elevation):
    axes = find_level_axes(orbit_camera(azimuth, elevation, 2.0, fov_deg=40))
    angle = math.radians(azimuth)
    towards = torch.tensor([math.sin(angle), 0.0, math.cos(angle)])
    expected = torch.stack(
        [torch.tensor([math.cos(angle), 0, -math.sin(angle)]), torch.tensor([0.0, 1, 0]), towards]
    )
    assert torch.allclose(axes, expected, atol=1e-5)


def test_the_guess_sets_most_of_the_brightness():
    normals, mask = make_ball()
    lit = light_up(make_albedo(), normals)

    def brightness(guess: float | None) -> float:
        return float(srgb_to_linear(remove_shading(lit, normals, mask, guess)[mask]).log().mean())

    dim, bright = brightness(-1.0), brightness(-0.5)
    assert dim - bright == pytest.approx(0.85 * 0.5, abs=0.12)  # some colours reach white
    assert dim > brightness(None)


def test_shipped_network_tells_how_strong_light_is_from_how_it_falls():
    guesser = load_light_guess(torch.device("cpu"))
    normals, mask = make_ball()
    even, lit = make_albedo(), light_up(make_albedo(), normals)
    light = srgb_to_linear(lit)[mask].sum(1) / srgb_to_linear(even)[mask].sum(1)
    true = float(light.log().mean())
    assert true < -0.5
    found = [guess_exposure(x, normals, mask, CAMERA, guesser) for x in (even, lit)]
    assert found == pytest.approx([0.0, true], abs=0.15)
