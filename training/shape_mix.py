# SPDX-License-Identifier: GPL-3.0-or-later
"""Which shapes a run draws: props, and generated shapes beside them."""

import torch

from training.datasets import Props
from training.procedural import add_procedural


class ShapeMix:
    """Props and generated shapes, drawn in a fixed ratio.

    Args:
        props: What is drawn; the generated shapes come after it in `ShapeMix.props`.
        count: Generated shapes; 0: there are none.
        share: Of the generated ones among the shapes drawn, < 1.
        seed: Of the generated shapes.
    """

    def __init__(self, props: Props, count: int, share: float, seed: int) -> None:
        self._num_props, self._count, self._share = props.num_shapes, count, share
        self._device = props.corners.device
        self.props = add_procedural(props, count, seed)

    def spread(self, repeats: int) -> torch.Tensor:
        """Every prop so many times, and generated shapes in turn in their share: `[E]`."""
        shapes = torch.arange(self._num_props, device=self._device).repeat(repeats)
        if not self._count:
            return shapes
        number = round(len(shapes) * self._share / (1 - self._share))
        made = torch.arange(number, device=self._device) % self._count + self._num_props
        return torch.cat([shapes, made])

    def draw(self, count: int, generator: torch.Generator) -> torch.Tensor:
        """Random shapes `[count]`."""
        shape, device = (count,), self._device
        shapes = torch.randint(self._num_props, shape, device=device, generator=generator)
        if not self._count:
            return shapes
        made = torch.randint(self._count, shape, device=device, generator=generator)
        is_made = torch.rand(count, device=device, generator=generator) < self._share
        return torch.where(is_made, made + self._num_props, shapes)
