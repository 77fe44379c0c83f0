# SPDX-License-Identifier: GPL-3.0-or-later
"""Light removal of one picture, all steps: as published, and with guidance by text and image."""

import torch

from backend.models.stable_diffusion.autoencoder import Autoencoder
from backend.models.stable_diffusion.config import AutoencoderConfig, UNetConfig
from backend.models.stable_diffusion.unet import Context, UNet
from backend.paint.guidance import guide_by_text_and_image
from backend.paint.schedule import EulerAncestral, NoiseConfig, denoise
from tests.parity.cases import PAINT_TOLERANCE, Case

PREFIXES = ("delight_sampling",)
SPACINGS = ("linspace", "leading", "trailing")
NEGATIVE_TEXT = 0.1
IMAGE_TOLERANCE = 1e-3
"""The expected picture is stored in half precision."""


class Remover:
    """The case's networks and its encoded picture."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self.unet = UNet(UNetConfig.from_published(case.config["unet"]))
        self.unet.load_state_dict(case.weights_of("unet"), strict=True)
        self.autoencoder = Autoencoder(AutoencoderConfig.from_published(case.config["vae"]))
        self.autoencoder.load_state_dict(case.weights_of("vae"), strict=True)
        picture = case.tensors["picture"].permute(2, 0, 1)[None] / 127.5 - 1  # [1, 3, H, W]
        self.image = self.autoencoder.encode(picture)[0]

    def predict(self, x: torch.Tensor, timestep: torch.Tensor) -> torch.Tensor:
        """One forward pass, as published."""
        return self.unet(
            torch.cat([x, self.image], dim=1), timestep, Context(self.case.tensors["text"])
        )

    def predict_guided(self, x: torch.Tensor, timestep: torch.Tensor) -> torch.Tensor:
        """Three rows, combined by both scales."""
        text = self.case.tensors["text"]
        negative = torch.full_like(text, NEGATIVE_TEXT)
        images = torch.cat([self.image, self.image, torch.zeros_like(self.image)])
        rows = torch.cat([x.expand(3, -1, -1, -1), images], dim=1)
        out = self.unet(rows, timestep, Context(torch.cat([text, negative, negative])))
        scales = (
            self.case.config["guidance_scale_guided"],
            self.case.config["image_guidance_scale"],
        )
        return guide_by_text_and_image(*out[:, None], *scales)


def make_config(case: Case, **changes: str) -> NoiseConfig:
    return NoiseConfig.from_published({**case.config["noise_schedule"], **changes})


def check_tables(case: Case) -> None:
    """All three spacings at the published number of steps, and the case's own."""
    config = case.config
    runs = {f"steps{config['published_steps']}_{kind}.": kind for kind in SPACINGS}
    for run, spacing in {**runs, "": config["timestep_spacing"]}.items():
        steps = config["published_steps"] if run else config["steps"]
        sampler = EulerAncestral.make(make_config(case, timestep_spacing=spacing), steps)
        results = {"timesteps": sampler.timesteps, "sigmas": sampler.sigmas}
        if run:
            results["initial_sigma"] = torch.tensor([sampler.initial_scale])
        for name, actual in results.items():
            case.assert_close(f"{run}{name}", actual, case.tensors[f"{run}{name}"], PAINT_TOLERANCE)


def check_run(remover: Remover, run: str, kind: str) -> None:
    """Compare the latents before and after the steps, and the picture."""
    case, given = remover.case, remover.case.tensors
    noise = given["noise"][:, None]  # [S + 1, 1, 4, h, w]
    spacing = case.config["timestep_spacing"]
    config = make_config(case, prediction_type=kind, timestep_spacing=spacing)
    sampler = EulerAncestral.make(config, case.config["steps"])
    predict = {"published": remover.predict, "guided": remover.predict_guided}[run]
    latents: list[torch.Tensor] = []
    last = denoise(sampler, noise[0], predict, lambda k: noise[k], lambda _, x: latents.append(x))
    start = noise[0] * sampler.initial_scale
    case.assert_close("initial_latents", start, given["initial_latents"], PAINT_TOLERANCE)
    name = f"{run}_{kind}.latents_after_step"
    case.assert_close(name, torch.cat(latents), given[name], PAINT_TOLERANCE)
    name = f"{run}_{kind}.image"
    if name in given:
        image = (remover.autoencoder.decode(last) / 2 + 0.5).clamp(0, 1)
        case.assert_close(name, image, given[name].float(), IMAGE_TOLERANCE)


@torch.inference_mode()
def check(case: Case) -> None:
    check_tables(case)
    remover = Remover(case)
    for run in ("published", "guided"):
        for kind in ("epsilon", "v_prediction"):
            check_run(remover, run, kind)
