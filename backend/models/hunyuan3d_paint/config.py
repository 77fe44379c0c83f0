# SPDX-License-Identifier: GPL-3.0-or-later
"""Sizes of the multi-view painting network, under the name of its published checkpoint."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from ..stable_diffusion.config import UNET_VARIANTS, UNetConfig

NUM_CAMERA_EMBEDS = 49
"""Rows of the camera embedding: those of reference views, which are never read, then the others."""
CAMERA_OFFSET = 5
"""A generated view's row in the camera embedding is its label plus this."""

_LABELS_OF_ELEVATION = {-20: (0, 1), 0: (12, 1), 20: (24, 1), -90: (36, 3), 90: (40, 3)}
"""Elevation in degrees -> first label, and how many steps of 30 degrees share a label."""


def camera_label(azimuth_deg: int, elevation_deg: int) -> int:
    """The label under which the network knows a direction of view.

    Args:
        azimuth_deg: Any angle; 0 sees the front, 90 the side at +X; counts in steps of 30.
        elevation_deg: -90, -20, 0, 20 or 90.

    Returns:
        0..43.

    Raises:
        ValueError: The network was not trained at this elevation.
    """
    if elevation_deg not in _LABELS_OF_ELEVATION:
        raise ValueError(f"no views from {elevation_deg} degrees up were trained")
    first, num_shared = _LABELS_OF_ELEVATION[elevation_deg]
    return first + (azimuth_deg // 30 + 9) % 12 // num_shared


@dataclass(frozen=True, slots=True)
class MultiviewUNetConfig:
    """Sizes of the multi-view painting network.

    Attributes:
        unet: The reference network; the generating one has the same sizes but for its input and
            its camera embedding.
        text_length: Learned text embeddings.
    """

    unet: UNetConfig
    text_length: int = 77

    @property
    def generating_unet(self) -> UNetConfig:
        """Sizes of the generating network, which also reads normal and position latents."""
        return replace(
            self.unet,
            in_channels=3 * self.unet.in_channels,
            num_class_embeds=NUM_CAMERA_EMBEDS,
        )

    @classmethod
    def from_published(
        cls, values: Mapping[str, Any], text_length: int = 77
    ) -> "MultiviewUNetConfig":
        """Read the `config.json` of a published network, which describes the reference network.

        Raises:
            ValueError: It asks for a part that no network of this family has.
        """
        return cls(UNetConfig.from_published(values), text_length)


VARIANTS: dict[str, MultiviewUNetConfig] = {
    "hunyuan3d-paint-2": MultiviewUNetConfig(UNET_VARIANTS["stable-diffusion-2-1"]),
    "maquette-mini": MultiviewUNetConfig(UNET_VARIANTS["maquette-mini"], text_length=8),
}
