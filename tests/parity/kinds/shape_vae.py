# SPDX-License-Identifier: GPL-3.0-or-later
"""The shape autoencoder: latents to logits, and for 2.1 surface points to latents."""

from dataclasses import fields

import torch

from backend.models.hunyuan3d.config import ShapeVAEConfig
from backend.models.hunyuan3d.shape_vae import ShapeVAE
from backend.models.hunyuan3d.surface_points import sample_farthest_points, select_points
from tests.parity.cases import Case

PREFIXES = ("hunyuan2_vae", "shape21_encoder")
BOX = 1.01


@torch.inference_mode()
def check(case: Case) -> None:
    known = {item.name for item in fields(ShapeVAEConfig)}
    config = ShapeVAEConfig(**{k: v for k, v in case.config.items() if k in known})
    vae = ShapeVAE(config)
    vae.load_state_dict(case.weights())
    if "surface" in case.tensors:
        check_encoder(case, vae)
    if "latents" in case.tensors:
        check_decoder(case, vae)


def check_decoder(case: Case, vae: ShapeVAE) -> None:
    given = case.tensors
    decoded = vae.decode(given["latents"])
    case.assert_close("decoded", decoded, given["decoded"])
    logits = vae.query(given["queries"], given["decoded"])
    case.assert_close("logits", logits, given["logits"].squeeze(-1))
    for name in (name for name in given if name.startswith("grid_dense_")):
        axis = torch.linspace(-BOX, BOX, given[name].shape[-1])
        points = torch.cartesian_prod(axis, axis, axis)[None]  # [1, (R + 1)^3, 3], "ij"
        grid = torch.cat([vae.query(part, decoded) for part in points.split(8192, dim=1)], dim=1)
        case.assert_close(name, grid.view_as(given[name]) - given["bias_shift"], given[name])


def check_encoder(case: Case, vae: ShapeVAE) -> None:
    given, config = case.tensors, vae.config
    kinds = [kind for kind in ("uniform", "sharp") if f"permutation_{kind}" in given]
    orders = [given[f"permutation_{kind}"] for kind in kinds]
    queries, inputs = select_points(given["surface"], config, permutations=orders)
    assert torch.equal(queries[..., :3], given["query_points"])
    assert torch.equal(inputs[..., :3], given["input_points"])
    check_indices(case, kinds, inputs[..., :3])
    case.assert_close("encoded", vae.encoder(queries, inputs), given["encoded"])
    mean, logvar = vae.encode(given["surface"], permutations=orders)
    case.assert_close("mean", mean, given["mean"])
    case.assert_close("logvar", logvar, given["logvar"])
    case.assert_close("decoded", vae.decode(mean * config.scale_factor), given["decoded"])


def check_indices(case: Case, kinds: list[str], points: torch.Tensor) -> None:
    """The farthest-point indices themselves, in order of selection, rows flattened."""
    batch, start = len(points), 0
    for kind in kinds:
        expected = case.tensors[f"query_{kind}"].view(batch, -1)
        size = expected.shape[1] * case.config["downsample_ratio"]
        size = min(size, len(case.tensors[f"permutation_{kind}"]))
        picked = sample_farthest_points(points[:, start : start + size], expected.shape[1])
        assert torch.equal(picked + size * torch.arange(batch)[:, None], expected)
        start += size
