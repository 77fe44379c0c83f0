# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns a number of steps into noise levels, and a network's prediction into a step along them.

Three samplers with one interface: Euler ancestral and DDIM for ordinary models, LCM for distilled
ones. Tables are float64; what is done to latents has the latents' type.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal, Protocol, get_args

import torch
from torch import Tensor

PredictionType = Literal["epsilon", "v_prediction"]
Spacing = Literal["linspace", "leading", "trailing"]
BetaSchedule = Literal["linear", "scaled_linear"]

LCM_GRID_STEPS = 30
"""Steps of the grid on which the turbo model was distilled."""
_LCM_TIME_FACTOR, _LCM_DATA_STD = 10.0, 0.5
_SMALLEST_ALPHA = 2.0**-24
"""Stands for zero signal, whose noise level would be infinite; the smallest float16."""


@dataclass(frozen=True, slots=True)
class NoiseConfig:
    """How a model's training mixed data with noise; the names are those of `scheduler_config.json`.

    Attributes:
        num_train_timesteps: Timesteps of the training, T.
        beta_start: Variance added at the first timestep.
        beta_end: The same at the last one.
        beta_schedule: What grows linearly between them: the variance, or its square root.
        prediction_type: What the network predicts: the noise, or the velocity.
        timestep_spacing: Which timesteps are sampled: both ends included, multiples of one number
            from the data's end, or from the noise's end.
        steps_offset: Added to each timestep if the spacing is "leading".
        rescale_betas_zero_snr: Scale the table so that its last entry holds no signal.
        start_share: Where sampling begins, in 0..1 of the timesteps, if the spacing is "trailing":
            1 with noise alone, less with a guess that is noised so far. Not a published name.
    """

    num_train_timesteps: int = 1000
    beta_start: float = 0.00085
    beta_end: float = 0.012
    beta_schedule: BetaSchedule = "scaled_linear"
    prediction_type: PredictionType = "epsilon"
    timestep_spacing: Spacing = "linspace"
    steps_offset: int = 0
    rescale_betas_zero_snr: bool = False
    start_share: float = 1.0

    @classmethod
    def from_published(cls, values: Mapping[str, Any]) -> "NoiseConfig":
        """Read a published `scheduler_config.json`; what it leaves out has the defaults above.

        Raises:
            ValueError: It asks for something that is not known here.
        """
        config = cls(**{f.name: values[f.name] for f in fields(cls) if f.name in values})
        words = (config.beta_schedule, config.prediction_type, config.timestep_spacing)
        for word, known in zip(words, (BetaSchedule, PredictionType, Spacing), strict=True):
            if word not in get_args(known):
                raise ValueError(f"the noise setting '{word}' is not known")
        return config


def make_signal_table(config: NoiseConfig) -> Tensor:
    """Share of the data's variance at each training timestep.

    Args:
        config: The training's noise.

    Returns:
        `[T]` float64 in (0, 1), falling: the product of 1 - beta up to each timestep.

    Source: Ho et al. 2020, "Denoising Diffusion Probabilistic Models", section 2; Lin et al. 2024,
    "Common Diffusion Noise Schedules and Sample Steps are Flawed", algorithm 1 (no signal at T).
    """
    power = 2 if config.beta_schedule == "scaled_linear" else 1
    ends = config.beta_start ** (1 / power), config.beta_end ** (1 / power)
    betas = torch.linspace(*ends, config.num_train_timesteps, dtype=torch.float64) ** power
    signal = (1 - betas).cumprod(0)  # [T]
    if config.rescale_betas_zero_snr:
        root = signal.sqrt()
        root = (root - root[-1]) * root[0] / (root[0] - root[-1])
        signal = root.square()
        signal[-1] = _SMALLEST_ALPHA
    return signal


def make_timesteps(config: NoiseConfig, steps: int) -> Tensor:
    """Timesteps at which the network is asked, from noise to data.

    Args:
        config: Says how they are spaced.
        steps: S, 1..T.

    Returns:
        `[S]` float64, falling from the start; whole numbers unless the spacing is "linspace".

    Raises:
        ValueError: The number of steps is out of range.

    Source: Lin et al. 2024, "Common Diffusion Noise Schedules and Sample Steps are Flawed",
    table 2; Meng et al. 2022, "SDEdit", section 3 (a start between noise and data).
    """
    total = config.num_train_timesteps
    if not 1 <= steps <= total:
        raise ValueError(f"{steps} steps are not in 1..{total}")
    count = torch.arange(steps, dtype=torch.float64)  # [S]
    if config.timestep_spacing == "trailing":
        begin = round(total * config.start_share)
        return (begin - count * (begin / steps)).round() - 1
    if config.timestep_spacing == "leading":
        return count.flip(0) * (total // steps) + config.steps_offset
    return torch.linspace(0, total - 1, steps, dtype=torch.float64).flip(0)


def make_lcm_timesteps(config: NoiseConfig, steps: int) -> Tensor:
    """Timesteps of a distilled model: evenly taken off the grid of its training, noise first.

    Args:
        config: The training's noise.
        steps: S, 1..`LCM_GRID_STEPS`.

    Returns:
        `[S]` float64, falling, whole numbers.

    Raises:
        ValueError: The number of steps is out of range.

    Source: Luo et al. 2023, "Latent Consistency Models", section 4.3; golden `paint_sampling`.
    """
    if not 1 <= steps <= LCM_GRID_STEPS:
        raise ValueError(f"{steps} steps are not in 1..{LCM_GRID_STEPS}")
    stride = config.num_train_timesteps // LCM_GRID_STEPS
    grid = torch.arange(LCM_GRID_STEPS, 0, -1, dtype=torch.float64) * stride - 1
    return grid[:: LCM_GRID_STEPS // steps][:steps]


class Sampler(Protocol):
    """What all samplers offer; latents begin as unit noise times `initial_scale`."""

    @property
    def timesteps(self) -> Tensor:
        """`[S]` float64, from noise to data."""
        ...

    @property
    def initial_scale(self) -> float:
        """Standard deviation of the first latents."""
        ...

    def scale_input(self, latents: Tensor, step: int) -> Tensor:
        """The latents as the network knows them."""
        ...

    def take_step(self, latents: Tensor, prediction: Tensor, step: int, noise: Tensor) -> Tensor:
        """Latents of the next step, given the network's prediction and fresh unit noise."""
        ...


@dataclass(frozen=True, slots=True)
class EulerAncestral:
    """Euler steps towards the data that go too far, then fresh noise back to the wanted level.

    Latents are data plus noise of standard deviation sigma.

    Attributes:
        timesteps: `[S]` float64.
        sigmas: `[S + 1]` float64, falling to 0.
        initial_scale: Standard deviation of the first latents.
        prediction_type: What the network predicts.

    Source: Karras et al. 2022, "Elucidating the Design Space of Diffusion-Based Generative Models",
    section 4 and appendix C; golden `paint_sampling`.
    """

    timesteps: Tensor
    sigmas: Tensor
    initial_scale: float
    prediction_type: PredictionType

    @classmethod
    def make(cls, config: NoiseConfig, steps: int) -> "EulerAncestral":
        """Tables for a number of steps, 1..T.

        Raises:
            ValueError: The number of steps is out of range.
        """
        timesteps = make_timesteps(config, steps)
        signal = make_signal_table(config)
        table = ((1 - signal) / signal).sqrt()  # [T]
        below = timesteps.floor().long().clamp(0, len(table) - 1)
        above = (below + 1).clamp(max=len(table) - 1)
        sigmas = torch.lerp(table[below], table[above], timesteps - below)  # [S]
        largest = sigmas.max().item()
        scale = math.hypot(largest, 1.0) if config.timestep_spacing == "leading" else largest
        sigmas = torch.cat([sigmas, sigmas.new_zeros(1)])  # [S + 1]
        return cls(timesteps, sigmas, scale, config.prediction_type)

    def scale_input(self, latents: Tensor, step: int) -> Tensor:
        """Bring latents of any noise level to unit variance."""
        return latents / math.hypot(self.sigmas[step].item(), 1.0)

    def take_step(self, latents: Tensor, prediction: Tensor, step: int, noise: Tensor) -> Tensor:
        """Move latents to the next noise level.

        Args:
            latents: Any shape, at `sigmas[step]`.
            prediction: The network's, same shape.
            step: 0..S-1.
            noise: Unit noise, same shape; without effect in the last step.

        Returns:
            Latents at `sigmas[step + 1]`.
        """
        sigma, target = self.sigmas[step].item(), self.sigmas[step + 1].item()
        if self.prediction_type == "epsilon":
            data = latents - sigma * prediction
        else:
            scale = math.hypot(sigma, 1.0)
            data = latents / scale**2 - prediction * (sigma / scale)
        up = target * math.sqrt(1 - (target / sigma) ** 2)
        down = math.sqrt(target**2 - up**2)
        slope = (latents - data) / sigma
        return latents + slope * (down - sigma) + noise * up


@dataclass(frozen=True, slots=True)
class DDIM:
    """Steps that keep data and noise as they are predicted and only change the mixture.

    Latents have unit variance.

    Attributes:
        timesteps: `[S]` float64, whole numbers.
        signals: `[S + 1]` float64, share of the data's variance, rising to 1.
        prediction_type: What the network predicts.
        eta: Share of fresh noise: 0 none, 1 as much as the training's own reverse process.

    Source: Song et al. 2021, "Denoising Diffusion Implicit Models", equations 12 and 16.
    """

    timesteps: Tensor
    signals: Tensor
    prediction_type: PredictionType
    eta: float = 0.0
    initial_scale: float = 1.0

    @classmethod
    def make(cls, config: NoiseConfig, steps: int, eta: float = 0.0) -> "DDIM":
        """Tables for a number of steps, 1..T.

        Raises:
            ValueError: The number of steps is out of range.
        """
        timesteps = make_timesteps(config, steps).round()
        return cls(timesteps, _signals_at(config, timesteps), config.prediction_type, eta)

    def scale_input(self, latents: Tensor, step: int) -> Tensor:
        """Latents as they are: the network was trained on unit variance."""
        return latents

    def take_step(self, latents: Tensor, prediction: Tensor, step: int, noise: Tensor) -> Tensor:
        """Move latents from `signals[step]` to `signals[step + 1]`.

        Args:
            latents: Any shape.
            prediction: The network's, same shape.
            step: 0..S-1.
            noise: Unit noise, same shape; without effect if eta is 0, and in the last step.

        Returns:
            Latents of the same shape.
        """
        signal, target = self.signals[step].item(), self.signals[step + 1].item()
        data, direction = split_prediction(latents, prediction, signal, self.prediction_type)
        variance = (1 - target) / (1 - signal) * (1 - signal / target)
        fresh = self.eta * math.sqrt(max(variance, 0.0))
        kept = math.sqrt(max(1 - target - fresh**2, 0.0))
        return math.sqrt(target) * data + kept * direction + fresh * noise


@dataclass(frozen=True, slots=True)
class LCM:
    """Steps of a distilled model: all the way to the data, then fresh noise to the next mixture.

    Latents have unit variance.

    Attributes:
        timesteps: `[S]` float64, whole numbers.
        signals: `[S + 1]` float64, share of the data's variance, rising to 1.
        prediction_type: What the network predicts.

    Source: Luo et al. 2023, "Latent Consistency Models", sections 4.1 and 4.2 and algorithm 3;
    golden `paint_sampling`.
    """

    timesteps: Tensor
    signals: Tensor
    prediction_type: PredictionType
    initial_scale: float = 1.0

    @classmethod
    def make(cls, config: NoiseConfig, steps: int) -> "LCM":
        """Tables for a number of steps, 1..`LCM_GRID_STEPS`.

        Raises:
            ValueError: The number of steps is out of range.
        """
        timesteps = make_lcm_timesteps(config, steps)
        return cls(timesteps, _signals_at(config, timesteps), config.prediction_type)

    def scale_input(self, latents: Tensor, step: int) -> Tensor:
        """Latents as they are: the network was trained on unit variance."""
        return latents

    def take_step(self, latents: Tensor, prediction: Tensor, step: int, noise: Tensor) -> Tensor:
        """Denoise fully, then mix with fresh noise.

        Args:
            latents: Any shape, at `signals[step]`.
            prediction: The network's, same shape.
            step: 0..S-1.
            noise: Unit noise, same shape; without effect in the last step.

        Returns:
            Latents at `signals[step + 1]`.
        """
        signal, target = self.signals[step].item(), self.signals[step + 1].item()
        data, _ = split_prediction(latents, prediction, signal, self.prediction_type)
        # Weights that make the network the identity at time 0.
        time = _LCM_TIME_FACTOR * self.timesteps[step].item()
        spread = math.hypot(time, _LCM_DATA_STD)
        denoised = time / spread * data + (_LCM_DATA_STD / spread) ** 2 * latents
        return math.sqrt(target) * denoised + math.sqrt(1 - target) * noise


def split_prediction(
    latents: Tensor, prediction: Tensor, signal: float, prediction_type: PredictionType
) -> tuple[Tensor, Tensor]:
    """Data and noise that a prediction says the latents are made of.

    Args:
        latents: sqrt(signal) data + sqrt(1 - signal) noise, any shape.
        prediction: The network's, same shape.
        signal: Share of the data's variance, in (0, 1).
        prediction_type: What the network predicts.

    Returns:
        Data and noise, same shape each.

    Source: Salimans and Ho 2022, "Progressive Distillation for Fast Sampling of Diffusion Models",
    section 4 and appendix D (velocity).
    """
    data_part, noise_part = math.sqrt(signal), math.sqrt(1 - signal)
    if prediction_type == "epsilon":
        return (latents - noise_part * prediction) / data_part, prediction
    data = data_part * latents - noise_part * prediction
    return data, noise_part * latents + data_part * prediction


def denoise(
    sampler: Sampler,
    noise: Tensor,
    predict: Callable[[Tensor, Tensor], Tensor],
    draw_noise: Callable[[int], Tensor],
    on_step: Callable[[int, Tensor], None],
) -> Tensor:
    """Carry unit noise to data.

    Args:
        sampler: The steps.
        noise: Unit noise, any shape, float32.
        predict: Called with the scaled latents and the timestep `[]` float32; returns the guided
            prediction, same shape.
        draw_noise: Called with 1..S-1 before that many steps are done; returns unit noise of the
            same shape. The last step needs none.
        on_step: Called after each step with the number of steps done and the latents.

    Returns:
        Latents without noise, same shape.
    """
    latents = noise * sampler.initial_scale
    count = len(sampler.timesteps)
    for step, timestep in enumerate(sampler.timesteps.float()):
        prediction = predict(sampler.scale_input(latents, step), timestep.to(latents.device))
        is_last = step == count - 1
        fresh = torch.zeros_like(latents) if is_last else draw_noise(step + 1)
        latents = sampler.take_step(latents, prediction, step, fresh)
        on_step(step + 1, latents)
    return latents


def _signals_at(config: NoiseConfig, timesteps: Tensor) -> Tensor:
    """Share of the data's variance at whole timesteps, then 1: `[S + 1]` float64."""
    signals = make_signal_table(config)[timesteps.long()]
    return torch.cat([signals, signals.new_ones(1)])
