# SPDX-License-Identifier: GPL-3.0-or-later
import numpy as np
import pytest
import torch
from torch.nn import functional

from backend.data import PreparedImage
from backend.errors import CancelledError
from backend.paint.delight import LightRemover, recolour, remove_light
from backend.paint.schedule import NoiseConfig, make_signal_table
from backend.progress import Progress, Report

NOISE = NoiseConfig(prediction_type="epsilon")
STEPS, SIZE = 4, 32


class HalvingCoder:
    """Latents are the picture at half its size."""

    def encode(self, image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        small = functional.avg_pool2d(image, 2)
        return small, torch.zeros_like(small)

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        return functional.interpolate(latents, scale_factor=2.0)


def make_remover(gain: float, seen: list[torch.Tensor] | None = None) -> LightRemover:
    """A remover whose network knows that the unlit picture is the lit one times a number."""
    signal = make_signal_table(NOISE)

    def predict(inputs: torch.Tensor, timestep: torch.Tensor) -> torch.Tensor:
        noisy, picture = inputs.chunk(2, dim=1)
        if seen is not None:
            seen.append(picture)
        share = signal[timestep.long()].item()
        data = (picture + 1) * gain - 1
        return (noisy - share**0.5 * data) / (1 - share) ** 0.5

    return LightRemover(HalvingCoder(), predict, NOISE, torch.device("cpu"), steps=STEPS, size=SIZE)


def make_picture(size: int = SIZE) -> PreparedImage:
    pixels = np.zeros((1, size, size, 4), np.float32)
    inner = slice(size // 4, -size // 4)
    pixels[0, inner, inner, :3] = np.linspace(0.2, 0.6, size // 2, dtype=np.float32)[None, :, None]
    pixels[0, inner, inner, 3] = 1
    return PreparedImage(pixels, (2,), ("note.",))


def test_what_the_network_paints_comes_out_with_white_around_it():
    unlit = remove_light(make_picture(), make_remover(1.0), 0, Progress())
    pixels = unlit.pixels[0]
    assert unlit.view_labels == (2,) and unlit.warnings == ("note.",)
    assert pixels.dtype == np.float32
    assert (pixels[pixels[..., 3] == 0][:, :3] == 1).all()
    inside = slice(SIZE // 4 + 2, -SIZE // 4 - 2)  # the halved picture mixes white into the rim
    expected = make_picture().pixels[0, inside, inside, :3]
    assert np.abs(pixels[inside, inside, :3] - expected).max() < 0.05


def test_opaque_part_loses_one_pixel_and_hidden_colours_become_white():
    seen: list[torch.Tensor] = []
    picture = make_picture()
    unlit = remove_light(picture, make_remover(1.0, seen), 0, Progress())
    assert (unlit.pixels[..., 3] > 0).sum() == (SIZE // 2 - 2) ** 2
    assert seen[0][0, :, 0, 0] == pytest.approx([1, 1, 1])
    assert len(seen) == STEPS


def test_too_dark_a_picture_gets_the_statistics_of_the_original_back():
    original = make_picture()
    unlit = remove_light(original, make_remover(0.3), 0, Progress()).pixels[0]
    inside = slice(SIZE // 4 + 1, -SIZE // 4 - 1)
    mean = original.pixels[0, inside, inside, :3].mean()
    assert unlit[inside, inside, :3].mean() == pytest.approx(mean, abs=0.02)


def test_picture_of_another_size_is_brought_to_the_models():
    unlit = remove_light(make_picture(48), make_remover(1.0), 0, Progress())
    assert unlit.pixels.shape == (1, SIZE, SIZE, 4)


def test_seed_decides_and_steps_of_all_pictures_are_counted():
    reports: list[Report] = []
    two = PreparedImage(np.repeat(make_picture().pixels, 2, axis=0), (0, 1))
    first = remove_light(two, make_remover(1.0), 5, Progress(reports.append))
    again = remove_light(two, make_remover(1.0), 5, Progress())
    assert np.array_equal(first.pixels, again.pixels)
    assert [r.step for r in reports] == [0, 1, 2, 3, 4, 4, 5, 6, 7, 8]
    assert {r.of for r in reports} == {2 * STEPS}


def test_cancel_is_seen_between_steps():
    calls: list[torch.Tensor] = []
    progress = Progress(is_cancelled=lambda: len(calls) >= 2)
    with pytest.raises(CancelledError):
        remove_light(make_picture(), make_remover(1.0, calls), 0, progress)
    assert len(calls) == 2


def test_flat_or_nearly_empty_pictures_stay_finite():
    flat, ramp = torch.full((8, 8, 3), 0.5), torch.rand(8, 8, 3)
    assert recolour(flat, ramp, torch.ones(8, 8, 1)).isfinite().all()
    assert torch.equal(recolour(ramp, flat, torch.zeros(8, 8, 1)), ramp)
