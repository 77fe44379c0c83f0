# SPDX-License-Identifier: GPL-3.0-or-later
"""Image preparation cases: cut-out picture in, framed picture on white out."""

import torch

from backend.config import ImageConfig
from backend.image.prepare import prepare_image
from backend.progress import Progress
from backend.tokens.encode import to_network_range
from tests.parity.cases import Case

PREFIXES: tuple[str, ...] = ("hunyuan2_image_prepare",)
MEAN_TOLERANCE = 0.02
"""Mean difference in -1..1 that another library's resize may make, from the case's note."""
MASK_TOLERANCE = 0.03
"""The published mask is resized by the nearest texel, so its edge is harder than ours."""


def check(case: Case) -> None:
    rgba = case.tensors["rgba"].float().numpy() / 255
    config = ImageConfig(border_ratio=case.config["border_ratio"])
    prepared = prepare_image([rgba], case.config["size"], config, Progress())
    image = to_network_range(torch.from_numpy(prepared.pixels))  # [1, 4, H, W]
    for name, actual, tolerance in (
        ("image", image[:, :3], MEAN_TOLERANCE),
        ("mask", image[:, 3:], MASK_TOLERANCE),
    ):
        expected = case.tensors[name]
        assert actual.shape == expected.shape
        difference = (actual - expected).abs().mean().item()
        assert difference < tolerance, f"{case.name}: {name} differs by {difference:.4f} on average"
