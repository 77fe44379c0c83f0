# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns a flow's networks into measures of them: shapes from pictures, errors by noise level."""

from functools import partial

import torch
from torch.nn import functional

from backend.latents.flow import integrate, make_shifted_schedule
from backend.latents.guidance import combine_guided
from backend.models.hunyuan3d.conditioner import ImageConditioner
from backend.models.hunyuan3d.denoiser import Denoiser
from backend.models.hunyuan3d.shape_vae import ShapeVAE
from training.datasets import Props, sample_surfaces
from training.entries import Entries, draw_pictures, make_entries
from training.fields import BOX
from training.metrics import crossing_points, evaluate_grid, fscore_and_chamfer, thin_out
from training.pictures import draw_cameras


class FlowLoss(torch.nn.Module):
    """The forward pass of one step, as one module so that it compiles as one graph."""

    def __init__(
        self,
        conditioner: ImageConditioner,
        denoiser: Denoiser,
        vae: ShapeVAE,
        token_drop: float = 0.0,
    ) -> None:
        super().__init__()
        self.conditioner, self.denoiser, self.vae = conditioner, denoiser, vae
        self.dropout = torch.nn.Dropout(token_drop)

    def forward(
        self,
        image: torch.Tensor,
        keep: torch.Tensor,
        clean: torch.Tensor,
        noise: torch.Tensor,
        t: torch.Tensor,
        points: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean squared velocity error, and cross-entropy of the implied shape's occupancy.

        Args:
            image: `[B, 4, H, W]` in -1..1.
            keep: `[B]` 1, or 0 where the picture is dropped.
            clean: `[B, N, C]` latents.
            noise: `[B, N, C]`.
            t: `[B]` flow time.
            points: `[B, Q, 3]`.
        """
        context = self.dropout(self.conditioner(image)) * keep[:, None, None]
        at = t[:, None, None]  # [B, 1, 1]
        noisy = at * clean + (1 - at) * noise
        velocity = self.denoiser(noisy, t, context).float()
        flow = functional.mse_loss(velocity, clean - noise)
        implied = noisy + (1 - at) * velocity
        with torch.no_grad():
            truth = torch.sigmoid(self.vae.query(points, self.vae.decode(clean)).float())
        logits = self.vae.query(points, self.vae.decode(implied)).float()
        return flow, functional.binary_cross_entropy_with_logits(logits, truth)


def sample(
    denoiser: Denoiser,
    context: torch.Tensor,
    noise: torch.Tensor,
    steps: int,
    guidance: float,
    shift: float,
) -> torch.Tensor:
    """Integrate the flow from noise `[B, N, C]` with classifier-free guidance."""

    def predict_velocity(x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        times = t.expand(len(x))
        condition = denoiser(x, times, context).float()
        if guidance == 1:
            return condition
        null = denoiser(x, times, torch.zeros_like(context)).float()
        return combine_guided(null, condition, guidance)

    schedule = make_shifted_schedule(steps, shift).to(noise.device)
    return integrate(noise, schedule, predict_velocity, lambda _done, _of: None)


@torch.no_grad()
def evaluate(
    loss: FlowLoss,
    props: Props,
    entries: Entries,
    settings: tuple[int, float, float],
    count: int,
    cells: int = 64,
) -> dict[str, float]:
    """Picture to shape for the first `count` entries, of which entry k shows shape k.

    Args:
        loss: The networks.
        props: The true shapes.
        entries: Their pictures.
        settings: Sampling steps, guidance and shift.
        count: Entries to measure.
        cells: Resolution of the decoded field.

    Returns:
        Mean F-score and Chamfer-L1.
    """
    device = entries.base.device
    generator = torch.Generator(device).manual_seed(77)
    rows = torch.arange(min(count, props.num_shapes), device=device)
    results = []
    for part in rows.split(64):
        context = loss.conditioner(draw_pictures(entries, part, generator))
        noise = torch.randn(entries.mean[part].shape, device=device, generator=generator)
        results.append(sample(loss.denoiser, context, noise, *settings))
    decoded = torch.cat([loss.vae.decode(x) for x in results])  # [S, N, D]
    scores = []
    for shape in rows.tolist():
        query = partial(_query, loss.vae, decoded[shape : shape + 1])
        values = evaluate_grid(query, cells, BOX, device)
        result = thin_out(crossing_points(values, BOX), 8000, generator)
        truth, _ = sample_surfaces(props, rows[shape : shape + 1], 8000, generator)
        scores.append(fscore_and_chamfer(result, truth[0]))
    return dict(zip(("fscore", "chamfer"), torch.tensor(scores).mean(0).tolist(), strict=True))


def _query(vae: ShapeVAE, decoded: torch.Tensor, points: torch.Tensor) -> torch.Tensor:
    """`vae.query` with the points last."""
    return vae.query(points, decoded)


@torch.no_grad()
def clean_errors(loss: FlowLoss, entries: Entries) -> dict[str, list[float]]:
    """Error of the implied clean latents at t = 0, 0.1, 0.3, 0.6.

    With the right, a wrong and no picture: a denoiser that ignores its picture shows no difference.
    """
    device = entries.base.device
    generator = torch.Generator(device).manual_seed(5)
    rows = torch.arange(min(64, len(entries)), device=device)
    context = loss.conditioner(draw_pictures(entries, rows, generator))
    clean = entries.mean[rows].float()
    noise = torch.randn(clean.shape, device=device, generator=generator)
    found: dict[str, list[float]] = {}
    for name, seen in (
        ("right", context),
        ("shuffled", context.roll(1, 0)),
        ("none", torch.zeros_like(context)),
    ):
        found[name] = []
        for time_value in (0.0, 0.1, 0.3, 0.6):
            t = torch.full((len(rows),), time_value, device=device)
            noisy = time_value * clean + (1 - time_value) * noise
            implied = noisy + (1 - time_value) * loss.denoiser(noisy, t, seen).float()
            found[name].append(round(float(functional.mse_loss(implied, clean)), 4))
    return found


def held_out_entries(
    props: Props, vae: ShapeVAE, size: int, border_ratio: float, split_seed: int
) -> Entries:
    """One fixed view of every shape as it is, not varied."""
    device = props.corners.device
    generator = torch.Generator(device).manual_seed(split_seed)
    cameras = draw_cameras(props.num_shapes, device, generator)
    return make_entries(props, vae, cameras, size, border_ratio, generator)
