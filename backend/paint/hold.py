# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns a sampler into one that keeps known parts of the latents as they are."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from .schedule import DDIM, LCM, EulerAncestral


@dataclass(frozen=True, slots=True)
class HoldingSampler:
    """Steps of another sampler, after each of which the known latents are put back.

    Noised anew, so that the network sees known and new parts at one noise level and fits the new
    ones in; or clean, for a network that was trained to continue clean parts.

    Attributes:
        sampler: The steps.
        known: Scaled latents without noise, any shape; what is free in them is a guess.
        is_free: Which latents are sampled, bool, broadcasts to the shape of `known`.
        noise: Unit noise of that shape, the same for all steps.
        is_noised: Whether the known latents are noised; clean ones suit `DDIM` and `LCM`, whose
            latents are not scaled by the noise.
        is_guessed: Whether the free latents begin as the guess in `known`, noised as the first step
            expects, and not as noise alone; with `DDIM` only.

    Source: Avrahami et al. 2023, "Blended Latent Diffusion", section 4.1.
    """

    sampler: EulerAncestral | DDIM | LCM
    known: Tensor
    is_free: Tensor
    noise: Tensor
    is_noised: bool = True
    is_guessed: bool = False

    @property
    def timesteps(self) -> Tensor:
        """`[S]` float64, from noise to data."""
        return self.sampler.timesteps

    @property
    def initial_scale(self) -> float:
        """Standard deviation of the first latents."""
        return self.sampler.initial_scale

    def make_start(self) -> Tensor:
        """What the first latents are, once they are multiplied by `initial_scale`."""
        free = self._noised_at(0) / self.initial_scale if self.is_guessed else self.noise
        return torch.where(self.is_free, free, self._known_at(0) / self.initial_scale)

    def scale_input(self, latents: Tensor, step: int) -> Tensor:
        """The latents as the network knows them."""
        return self.sampler.scale_input(latents, step)

    def take_step(self, latents: Tensor, prediction: Tensor, step: int, noise: Tensor) -> Tensor:
        """Latents of the next step; the known ones at its noise level."""
        moved = self.sampler.take_step(latents, prediction, step, noise)
        return torch.where(self.is_free, moved, self._known_at(step + 1))

    def _known_at(self, step: int) -> Tensor:
        """The known latents as a step finds them."""
        return self._noised_at(step) if self.is_noised else self.known

    def _noised_at(self, step: int) -> Tensor:
        """The known latents with the noise of a step."""
        if isinstance(self.sampler, EulerAncestral):
            return self.known + self.sampler.sigmas[step].item() * self.noise
        signal = self.sampler.signals[step].item()
        return math.sqrt(signal) * self.known + math.sqrt(1 - signal) * self.noise
