# SPDX-License-Identifier: GPL-3.0-or-later
"""What the painting network is trained to do: continue what is known of several views."""

import torch
from torch import Tensor

from backend.models.hunyuan3d_paint.multiview_unet import MultiviewUNet


class PaintLoss(torch.nn.Module):
    """The forward pass of one step, as one module so that it compiles as one graph.

    Args:
        network: In training.
        signals: `[T]` share of the data's variance at each timestep.
        start: Timestep at which sampling begins from a guess.
    """

    def __init__(self, network: MultiviewUNet, signals: Tensor, start: int) -> None:
        super().__init__()
        self.network = network
        self.start = start
        self.signals: Tensor
        self.register_buffer("signals", signals)

    def forward(
        self,
        clean: Tensor,
        given: Tensor,
        free: Tensor,
        reference: Tensor,
        geometry: Tensor,
        labels: Tensor,
        keep: Tensor,
        noise: Tensor,
        timestep: Tensor,
    ) -> Tensor:
        """Mean squared error of the velocity where the network paints.

        At the start it sees the guess with noise, later the data with less noise; in both cases
        the velocity it is asked for leads to the data.

        Args:
            clean: `[B, V, C, h, w]` latents.
            given: `[B, V, C, h, w]` what is known, and guessed from it where the network paints.
            free: `[B, V, 1, h, w]` bool, where the network paints.
            reference: `[B, R, C, h, w]` latents.
            geometry: `[B, V, 2 C, h, w]` latents of the maps.
            labels: `[B, V]` of the cameras.
            keep: `[B]` 1, or 0 where the reference is dropped.
            noise: `[B, V, C, h, w]`.
            timestep: `[B]` int64.
        """
        network, wide = self.network, keep[:, None, None]
        # A dropped picture is one of zeros, unread, without text: as the guided sampler builds it.
        reference = (reference * wide[..., None, None]).to(network.text.dtype)
        wide = wide.to(network.text.dtype)
        tokens = network.encode_reference(reference)
        signal = self.signals[timestep].view(-1, 1, 1, 1, 1)  # [B, 1, 1, 1, 1]
        data_part, noise_part = signal.sqrt(), (1 - signal).sqrt()
        is_start = (timestep == self.start).view(-1, 1, 1, 1, 1)
        source = torch.where(is_start, given, clean)
        noisy = torch.where(free, data_part * source + noise_part * noise, given)
        velocity = (data_part * noisy - clean) / noise_part
        times = timestep.repeat_interleave(clean.shape[1])  # [B*V]
        noisy, geometry, keep = (x.to(network.text.dtype) for x in (noisy, geometry, keep))
        out = network(noisy, times, geometry, labels, tokens, network.text * wide, keep)
        weight = free.float()
        error = (out.float() - velocity).square().mean(2, keepdim=True) * weight
        return error.sum() / weight.sum().clamp(min=1)
