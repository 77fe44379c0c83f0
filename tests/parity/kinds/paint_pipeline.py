# SPDX-License-Identifier: GPL-3.0-or-later
"""Painting from pictures to pictures: encode, sample all views, decode; ordinary and turbo."""

import torch
from safetensors.torch import load_file

from backend.models.hunyuan3d_paint.config import MultiviewUNetConfig
from backend.models.hunyuan3d_paint.multiview_unet import MultiviewUNet
from backend.models.stable_diffusion.autoencoder import Autoencoder
from backend.models.stable_diffusion.config import AutoencoderConfig
from backend.paint.multiview import paint_latents
from backend.paint.schedule import LCM, EulerAncestral, NoiseConfig
from tests.parity.cases import PAINT_TOLERANCE, Case, golden_folder

PREFIXES = ("paint_pipeline",)
IMAGE_TOLERANCE = 1e-3
"""The expected pictures are stored in half precision."""


def read_pictures(case: Case) -> dict[str, torch.Tensor]:
    """Reference, normal and position maps; a turbo case's note says whose pictures it takes."""
    given = case.tensors
    if "reference" not in given:
        source = case.name.replace("_turbo", "")
        given = load_file(golden_folder() / f"{source}.safetensors")
    views = case.config["views"]
    return {
        "reference": to_network(given["reference"][None], torch.float32),
        "normal": to_network(given["normal_maps"][:views], torch.float16),
        "position": to_network(given["position_maps"][:views], torch.float16),
    }


def to_network(pixels: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """`[V, H, W, 3]` uint8 to `[V, 3, H, W]` float32 in -1..1, computed in the given type."""
    unit = (pixels.float() / 255).to(dtype)
    return (unit * 2 - 1).float().permute(0, 3, 1, 2)


@torch.inference_mode()
def check(case: Case) -> None:
    config, given = case.config, case.tensors
    network = MultiviewUNet(
        MultiviewUNetConfig.from_published(config["unet"], config["text_length"])
    )
    network.load_state_dict(case.weights_of("unet"), strict=True)
    autoencoder = Autoencoder(AutoencoderConfig.from_published(config["vae"]))
    autoencoder.load_state_dict(case.weights_of("vae"), strict=True)
    encoded = {
        name: autoencoder.sample(picture, given[f"noise_encode_{name}"])
        for name, picture in read_pictures(case).items()
    }
    noise_config = NoiseConfig.from_published(
        {**config["noise_schedule"], "timestep_spacing": "trailing"}
    )
    is_turbo = config["guidance_scale"] is None
    sampler = (LCM if is_turbo else EulerAncestral).make(noise_config, config["steps"])
    case.assert_close("timesteps", sampler.timesteps, given["timesteps"])
    steps: list[torch.Tensor] = []
    latents = paint_latents(
        network,
        encoded["reference"],
        torch.cat([encoded["normal"], encoded["position"]], dim=1),
        torch.tensor(config["camera_labels"]),
        sampler,
        config["guidance_scale"],
        given["noise_initial"],
        lambda step: given[f"noise_step_{step - 1}"],
        lambda _, latents: steps.append(latents),
    )
    after = torch.stack(steps)
    case.assert_close("latents_after_step", after, given["latents_after_step"], PAINT_TOLERANCE)
    images = (autoencoder.decode(latents) / 2 + 0.5).clamp(0, 1)
    case.assert_close("images", images, given["images"].float(), IMAGE_TOLERANCE)
