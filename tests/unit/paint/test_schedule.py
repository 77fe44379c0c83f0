# SPDX-License-Identifier: GPL-3.0-or-later
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from backend.paint.schedule import (
    DDIM,
    LCM,
    EulerAncestral,
    NoiseConfig,
    Sampler,
    denoise,
    make_lcm_timesteps,
    make_signal_table,
    make_timesteps,
    split_prediction,
)

CONFIG = NoiseConfig(timestep_spacing="trailing")
MAKERS = {
    "euler": EulerAncestral.make,
    "ddim": DDIM.make,
    "ddim_with_noise": lambda config, steps: DDIM.make(config, steps, eta=1.0),
    "lcm": LCM.make,
}
MakeSampler = Callable[[NoiseConfig, int], Sampler]
every_sampler = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
every_type = pytest.mark.parametrize("kind", ["epsilon", "v_prediction"])


def signal_at(config: NoiseConfig, timestep: torch.Tensor) -> float:
    return make_signal_table(config)[round(timestep.item())].item()


def predict_known(config: NoiseConfig, data_of: Callable[[torch.Tensor, float], torch.Tensor]):
    """A perfect network, given the expected data for latents and their share of signal."""

    def predict(x: torch.Tensor, timestep: torch.Tensor) -> torch.Tensor:
        signal = signal_at(config, timestep)
        data = data_of(x, signal)
        noise = (x - signal**0.5 * data) / (1 - signal) ** 0.5
        if config.prediction_type == "epsilon":
            return noise
        return signal**0.5 * noise - (1 - signal) ** 0.5 * data

    return predict


def run(sampler: Sampler, predict, shape: tuple[int, ...], seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)

    def draw(step: int) -> torch.Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    return denoise(sampler, draw(0), predict, draw, lambda done, latents: None)


@every_type
@every_sampler
@pytest.mark.parametrize("steps", [1, 4, 10])
def test_network_that_knows_the_picture_leads_to_it(make: MakeSampler, kind, steps: int) -> None:
    config = replace(CONFIG, prediction_type=kind)
    picture = torch.linspace(-2, 2, 24, dtype=torch.float64).view(2, 3, 4)
    out = run(make(config, steps), predict_known(config, lambda x, _: picture), (2, 3, 4))
    assert torch.allclose(out, picture, atol=1e-3)


@every_type
@pytest.mark.parametrize("name", ["euler", "ddim", "ddim_with_noise"])
def test_samples_have_the_spread_of_the_data(name: str, kind) -> None:
    config, std = replace(CONFIG, prediction_type=kind), 0.5

    def expected(x: torch.Tensor, signal: float) -> torch.Tensor:
        """Mean of data ~ N(0, std^2), given latents."""
        return x * signal**0.5 * std**2 / (signal * std**2 + 1 - signal)

    out = run(MAKERS[name](config, 200), predict_known(config, expected), (20000,))
    assert out.std().item() == pytest.approx(std, rel=0.04)
    assert abs(out.mean().item()) < 0.02


@every_sampler
def test_both_prediction_types_are_the_same_step(make: MakeSampler) -> None:
    velocity_config = replace(CONFIG, prediction_type="v_prediction")
    data, noise, fresh = torch.randn(3, 50, generator=torch.Generator().manual_seed(4)).double()
    for step in range(5):
        by_noise, by_velocity = make(CONFIG, 5), make(velocity_config, 5)
        signal = signal_at(CONFIG, by_noise.timesteps[step])
        clean, dirty = signal**0.5, (1 - signal) ** 0.5
        latents = clean * data + dirty * noise
        if isinstance(by_noise, EulerAncestral):
            latents = latents / clean
        one = by_noise.take_step(latents, noise, step, fresh)
        other = by_velocity.take_step(latents, clean * noise - dirty * data, step, fresh)
        assert torch.allclose(one, other, rtol=1e-9, atol=1e-9)


@every_sampler
def test_noise_of_the_last_step_has_no_effect(make: MakeSampler) -> None:
    sampler = make(CONFIG, 3)
    latents, prediction, noise = torch.randn(3, 50, generator=torch.Generator().manual_seed(5))
    last = [sampler.take_step(latents, prediction, 2, n) for n in (noise, -noise)]
    assert torch.equal(*last)


def test_ddim_draws_from_noise_only_if_asked() -> None:
    latents, prediction, noise = torch.randn(3, 50, generator=torch.Generator().manual_seed(6))
    for eta, is_same in ((0.0, True), (1.0, False)):
        sampler = DDIM.make(CONFIG, 4, eta)
        one, other = (sampler.take_step(latents, prediction, 1, n) for n in (noise, -noise))
        assert torch.equal(one, other) == is_same


def test_ddim_and_euler_scale_inputs_to_the_same_picture() -> None:
    euler, ddim = EulerAncestral.make(CONFIG, 7), DDIM.make(CONFIG, 7)
    x = torch.ones(3, dtype=torch.float64)
    for step in range(7):
        sigma, signal = euler.sigmas[step].item(), ddim.signals[step].item()
        assert euler.scale_input(x, step)[0].item() == pytest.approx(signal**0.5, rel=1e-9)
        assert sigma**2 == pytest.approx((1 - signal) / signal, rel=1e-9)
        assert torch.equal(ddim.scale_input(x, step), x)


def test_spacings_by_hand() -> None:
    expected = {
        "trailing": [999, 749, 499, 249],
        "leading": [751, 501, 251, 1],
        "linspace": [999, 666, 333, 0],
    }
    for spacing, timesteps in expected.items():
        config = NoiseConfig(timestep_spacing=spacing, steps_offset=1)
        assert make_timesteps(config, 4).tolist() == timesteps
    assert make_lcm_timesteps(CONFIG, 10).tolist() == list(range(989, 97, -99))
    assert make_lcm_timesteps(CONFIG, 1).tolist() == [989]
    assert len(make_lcm_timesteps(CONFIG, 7)) == 7


def test_a_later_start_spaces_the_steps_over_what_is_left() -> None:
    config = NoiseConfig(timestep_spacing="trailing", start_share=0.1)
    assert make_timesteps(config, 1).tolist() == [99]
    assert make_timesteps(config, 4).tolist() == [99, 74, 49, 24]


@pytest.mark.parametrize("kind", ["linear", "scaled_linear"])
def test_signal_falls_from_nearly_all_to_nearly_none(kind) -> None:
    table = make_signal_table(NoiseConfig(beta_schedule=kind))
    assert table[0].item() == pytest.approx(1 - 0.00085, rel=1e-12)
    assert (table.diff() < 0).all()
    assert 0 < table[-1] < 0.01
    without = make_signal_table(NoiseConfig(beta_schedule=kind, rescale_betas_zero_snr=True))
    assert without[0].item() == pytest.approx(table[0].item(), rel=1e-12)
    assert without[-1].item() == 2**-24


def test_prediction_is_split_into_what_it_was_made_of() -> None:
    data, noise = torch.randn(2, 30, generator=torch.Generator().manual_seed(7)).double()
    latents = 0.3**0.5 * data + 0.7**0.5 * noise
    velocity = 0.3**0.5 * noise - 0.7**0.5 * data
    for prediction, kind in ((noise, "epsilon"), (velocity, "v_prediction")):
        parts = split_prediction(latents, prediction, 0.3, kind)
        assert torch.allclose(parts[0], data)
        assert torch.allclose(parts[1], noise)


def test_every_step_is_reported_and_draws_fresh_noise_but_the_last() -> None:
    drawn, done = [], []
    denoise(
        LCM.make(CONFIG, 4),
        torch.ones(3),
        lambda x, t: x,
        lambda step: drawn.append(step) or torch.zeros(3),
        lambda step, latents: done.append(step),
    )
    assert drawn == [1, 2, 3]
    assert done == [1, 2, 3, 4]


@pytest.mark.parametrize("steps", [0, 1001])
def test_impossible_number_of_steps_is_refused(steps: int) -> None:
    with pytest.raises(ValueError, match="steps"):
        make_timesteps(CONFIG, steps)
    with pytest.raises(ValueError, match="steps"):
        make_lcm_timesteps(CONFIG, steps)


@pytest.mark.parametrize("name", ["beta_schedule", "prediction_type", "timestep_spacing"])
def test_unknown_word_in_a_published_configuration_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="'cosine' is not known"):
        NoiseConfig.from_published({name: "cosine"})


def test_published_configuration_is_read_and_other_keys_ignored() -> None:
    config = NoiseConfig.from_published({"_class_name": "x", "prediction_type": "v_prediction"})
    assert config == NoiseConfig(prediction_type="v_prediction")
