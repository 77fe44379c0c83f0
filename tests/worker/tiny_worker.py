# SPDX-License-Identifier: GPL-3.0-or-later
"""The real worker with networks made small for tests; the model's name chooses their behaviour."""

import os
import time
from collections.abc import Callable

import torch

from backend.errors import ModelMissingError
from backend.latents.sample import SamplerDefaults
from backend.models.dinov2.config import Dinov2Config
from backend.models.hunyuan3d.conditioner import ImageConditioner
from backend.models.hunyuan3d.config import ConditionerConfig, DenoiserConfig
from backend.models.hunyuan3d.denoiser import Denoiser
from backend.models.hunyuan3d_paint.config import MultiviewUNetConfig
from backend.models.hunyuan3d_paint.multiview_unet import MultiviewUNet
from backend.models.stable_diffusion.autoencoder import Autoencoder
from backend.models.stable_diffusion.config import AutoencoderConfig, UNetConfig
from backend.paint.sample import PaintDefaults, PaintNetworks
from backend.paint.schedule import NoiseConfig
from backend.pipelines.families import Networks, nearest_camera_label
from backend.worker import main

ENCODER = Dinov2Config(
    hidden_size=32,
    num_hidden_layers=1,
    num_attention_heads=2,
    patch_size=14,
    image_size=56,
    num_channels=4,
)
DENOISER = DenoiserConfig(
    in_channels=4,
    context_in_dim=32,
    hidden_size=32,
    mlp_ratio=2.0,
    num_heads=2,
    depth=1,
    depth_single_blocks=1,
    axes_dim=(16,),
    theta=10000,
    qkv_bias=True,
)
AUTOENCODER = AutoencoderConfig(block_out_channels=(8, 8), layers_per_block=1, norm_num_groups=4)
UNET = UNetConfig(
    in_channels=4,
    out_channels=4,
    block_out_channels=(8, 8),
    down_has_attention=(True, False),
    up_has_attention=(False, True),
    layers_per_block=1,
    num_heads=(1, 1),
    cross_attention_dim=8,
    norm_num_groups=4,
    norm_eps=1e-5,
    use_linear_projection=True,
)
PAINT = PaintDefaults(
    steps=2,
    guidance=2.0,
    sampler="ddim",
    noise=NoiseConfig(prediction_type="v_prediction", timestep_spacing="trailing"),
    view_size=32,
    reference_size=32,
    supersample=1,
    is_corner_aligned=False,
)
RADIUS = 0.7
STEP_S = 0.05


class BallDecoder:
    """A field whose surface is a ball of radius 0.7, whatever the latents."""

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        assert torch.isfinite(latents).all()
        return latents

    def query(self, points: torch.Tensor, decoded: torch.Tensor) -> torch.Tensor:
        return RADIUS - points.norm(dim=-1)  # [B, Q]


def sleep(*_: object) -> None:
    time.sleep(STEP_S)


def run_out_of_memory(*_: object) -> None:
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.")


def fail(*_: object) -> None:
    raise RuntimeError("shapes (3,) and (4,) do not match")


def chatter(*_: object) -> None:
    print("a library prints to stdout")  # noqa: T201
    os.write(1, b"native code writes to descriptor 1\n")


BEFORE_STEP: dict[str, Callable[..., None]] = {
    "maquette-mini": lambda *_: None,
    "hunyuan3d-2": sleep,
    "hunyuan3d-2-turbo": run_out_of_memory,
    "hunyuan3d-2.1": fail,
    "hunyuan3d-2-mini": chatter,
}


def load_tiny(name: str, device: torch.device, dtype: torch.dtype) -> Networks:
    """Randomly initialised networks; "hunyuan3d-2-mv" stands for a model that is not there."""
    if name not in BEFORE_STEP:
        raise ModelMissingError(f"The model '{name}' is not on this machine.", "Download it.")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        conditioner = ImageConditioner(ConditionerConfig(ENCODER, image_size=56))
        denoiser = Denoiser(DENOISER)
    denoiser.register_forward_pre_hook(lambda *_: BEFORE_STEP[name]())
    return Networks(
        conditioner=conditioner.to(device, dtype).eval(),
        denoiser=denoiser.to(device, dtype).eval(),
        decoder=BallDecoder(),
        sampler=SamplerDefaults(steps=4, guidance=2.0, shift=3.0),
        image_size=56,
        latent_shape=(8, 4),
        dtype=dtype,
    )


def load_tiny_paint(name: str, device: torch.device, dtype: torch.dtype) -> PaintNetworks:
    """Randomly initialised painting networks; "hunyuan3d-paint-2-turbo" stands for a gap."""
    if name == "hunyuan3d-paint-2-turbo":
        raise ModelMissingError(f"The model '{name}' is not on this machine.", "Download it.")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        autoencoder = Autoencoder(AUTOENCODER).to(device, dtype).eval()
        unet = MultiviewUNet(MultiviewUNetConfig(UNET, text_length=2)).to(device, dtype).eval()
    if name == "hunyuan3d-paint-2":
        unet.register_forward_pre_hook(sleep)
    return PaintNetworks(autoencoder, unet, nearest_camera_label, PAINT, dtype=dtype)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(load=load_tiny, load_paint=load_tiny_paint)
