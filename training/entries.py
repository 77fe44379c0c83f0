# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns props into what the flow trains on: a rendered view, latents and query points of each."""

from dataclasses import dataclass, fields

import torch
from torch.nn import functional

from backend.models.hunyuan3d.shape_vae import ShapeVAE
from training.datasets import Props, near_and_uniform, sample_edges, sample_surfaces
from training.pictures import (
    Cameras,
    blur,
    cut_badly,
    draw_cameras,
    erase,
    grade,
    jitter,
    render_materials,
    shade,
    swap_channels,
)
from training.variations import Variation, vary

_STORED_QUERIES = 1024
"""Near the surface, and as many all over the box."""
_BATCH = 64


@dataclass(frozen=True, slots=True)
class PictureChanges:
    """Chances and strengths of what happens to a picture each time it is drawn.

    Attributes:
        grade: See `pictures.grade`.
        blur_chance: See `pictures.blur`.
        cut_chance: See `pictures.cut_badly`.
        erase_chance: See `pictures.erase`.
    """

    grade: float = 0.0
    blur_chance: float = 0.0
    cut_chance: float = 0.0
    erase_chance: float = 0.0


@dataclass(slots=True)
class Entries:
    """E shapes, each with one view and its latents.

    Attributes:
        base: `[E, H, W, 4]` uint8, from `render_materials`.
        normal: `[E, H, W, 3]` int8.
        azimuth: `[E]`.
        mean: `[E, N, C]` float16, in the denoiser's scale.
        deviation: `[E, N, C]` float16, standard deviation in the same scale.
        points: `[E, Q, 3]` float16 query points, near ones first.
    """

    base: torch.Tensor
    normal: torch.Tensor
    azimuth: torch.Tensor
    mean: torch.Tensor
    deviation: torch.Tensor
    points: torch.Tensor

    def __len__(self) -> int:
        """E."""
        return len(self.azimuth)

    def tensors(self) -> dict[str, torch.Tensor]:
        """All of it by name."""
        return {item.name: getattr(self, item.name) for item in fields(self)}

    def replace_rows(self, rows: torch.Tensor, new: "Entries") -> None:
        """Put R new entries in the place of rows `[R]`."""
        for name, tensor in self.tensors().items():
            tensor[rows] = getattr(new, name)


@torch.no_grad()
def make_entries(
    props: Props,
    vae: ShapeVAE,
    cameras: Cameras,
    size: int,
    border_ratio: float,
    generator: torch.Generator,
) -> Entries:
    """Render and encode every shape once, in batches of 64.

    Args:
        props: S shapes.
        vae: The frozen autoencoder.
        cameras: S cameras.
        size: Pixels per side of a picture.
        border_ratio: Empty share of a framed picture.
        generator: On the props' device.

    Returns:
        S entries.
    """
    device = props.corners.device
    rows: list[tuple[torch.Tensor, ...]] = []
    scale = vae.config.scale_factor
    for part in torch.arange(props.num_shapes, device=device).split(_BATCH):
        view = Cameras(cameras.azimuth[part], cameras.elevation[part], cameras.fov[part])
        unit = torch.eye(3, device=device).expand(len(part), 3, 3)
        base, normal = render_materials(props, part, unit, view, size, border_ratio)
        mean, logvar = vae.encode(_surface_input(props, part, vae, generator))
        deviation = torch.exp(0.5 * logvar.float()) * scale
        near = torch.cat(sample_surfaces(props, part, _STORED_QUERIES, generator), -1)
        points = near_and_uniform(near, _STORED_QUERIES, _STORED_QUERIES, generator)
        rows.append((base, normal, view.azimuth, mean.float() * scale, deviation, points))
    joined = [torch.cat(column) for column in zip(*rows, strict=True)]
    return Entries(joined[0], joined[1], joined[2], *(x.half() for x in joined[3:]))


def _surface_input(
    props: Props, shapes: torch.Tensor, vae: ShapeVAE, generator: torch.Generator
) -> torch.Tensor:
    """The encoder's input `[B, P, 7]`: uniform and sharp points, each with normal and flag."""
    uniform = sample_surfaces(props, shapes, vae.config.pc_size, generator)
    sharp = sample_edges(props, shapes, vae.config.pc_sharpedge_size, generator)
    both = (
        functional.pad(torch.cat(pair, -1), (0, 1), value=flag)
        for pair, flag in ((uniform, 0.0), (sharp, 1.0))
    )
    return torch.cat(list(both), 1)


def vary_entries(
    props: Props,
    shapes: torch.Tensor,
    vae: ShapeVAE,
    variation: Variation,
    size: int,
    border_ratio: float,
    generator: torch.Generator,
) -> Entries:
    """Entries of newly varied shapes `[R]` from newly drawn cameras."""
    made = []
    for part in shapes.split(_BATCH):
        varied = vary(props, part, variation, generator)
        cameras = draw_cameras(len(part), part.device, generator)
        made.append(make_entries(varied, vae, cameras, size, border_ratio, generator))
    columns = zip(*(m.tensors().values() for m in made), strict=True)
    return Entries(*(torch.cat(column) for column in columns))


def draw_pictures(
    entries: Entries,
    rows: torch.Tensor,
    generator: torch.Generator,
    changes: PictureChanges | None = None,
) -> torch.Tensor:
    """Light and jitter the pictures of these entries, and change them further if told to.

    Returns:
        `[B, 4, H, W]` in -1..1, colour over white, then alpha.
    """
    # bfloat16 grids would move edges by half a pixel.
    with torch.autocast(rows.device.type, enabled=False):
        image = shade(entries.base[rows], entries.normal[rows], entries.azimuth[rows], generator)
        image = swap_channels(image, generator)
        if changes is not None:
            image = grade(image, changes.grade, generator)
        image = jitter(image, generator)  # [B, 4, H, W]
        if changes is not None:
            image = cut_badly(image, changes.cut_chance, generator)
            image = erase(image, changes.erase_chance, generator)
            image = blur(image, changes.blur_chance, generator)
        alpha = image[:, 3:]
        return torch.cat([image[:, :3] + 1 - alpha, alpha], 1) * 2 - 1
