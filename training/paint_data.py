# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns a props archive into what the painting networks train on.

Unlit views with their normal and position maps, and lit reference pictures of the same objects.
"""

from dataclasses import dataclass, fields

import torch

from backend.models.hunyuan3d_paint.config import camera_label
from backend.render.camera import STANDARD_VIEWS_DEG
from training.paint_views import PaintProps, render_painting_views
from training.paint_visible import find_seen
from training.pictures import Cameras, draw_cameras, jitter, render_materials, shade

OTHER_VIEWS = tuple((azimuth, level) for level in (-20, 0, 20) for azimuth in range(0, 360, 30))


@dataclass(slots=True)
class PaintEntries:
    """E objects, each seen from W painting cameras and on R reference pictures.

    Attributes:
        colour: `[E, W, H, H, 4]` uint8, unlit sRGB colour and coverage.
        normal: `[E, W, H, H, 3]` uint8 normal maps over white.
        position: `[E, W, H, H, 3]` uint8 position maps over white.
        label: `[E, W]` int64 camera labels; the first six are the standard views.
        reference: `[E, R, H, H, 4]` uint8, unlit colour and coverage of the reference pictures.
        reference_normal: `[E, R, H, H, 3]` int8, for lighting them.
        azimuth: `[E, R]` of their cameras, radians.
        seen: `[E, W, R, h, w]` bool, which latents of the views a reference shows entirely.
        touched: `[E, W, h, w]` bool, which latents the object touches.
    """

    colour: torch.Tensor
    normal: torch.Tensor
    position: torch.Tensor
    label: torch.Tensor
    reference: torch.Tensor
    reference_normal: torch.Tensor
    azimuth: torch.Tensor
    seen: torch.Tensor
    touched: torch.Tensor

    def __len__(self) -> int:
        return len(self.label)


def draw_view_angles(
    count: int, num_extra: int, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor]:
    """The six standard views and others at random.

    Args:
        count: Objects B.
        num_extra: Views of each besides the standard ones.
        generator: Random source.

    Returns:
        Azimuth and elevation in degrees `[B, 6 + num_extra, 2]` and camera labels `[B, W]`.
    """
    device = generator.device
    choices = torch.tensor(OTHER_VIEWS, device=device)
    standard = torch.tensor(STANDARD_VIEWS_DEG, device=device).expand(count, -1, -1)
    pick = torch.randint(len(choices), (count, num_extra), device=device, generator=generator)
    angles = torch.cat([standard, choices[pick]], 1)  # [B, W, 2]
    table = {angle: camera_label(*angle) for angle in (*STANDARD_VIEWS_DEG, *OTHER_VIEWS)}
    labels = [[table[(a, e)] for a, e in row] for row in angles.tolist()]
    return angles.float(), torch.tensor(labels, device=device)


@torch.no_grad()
def make_paint_entries(
    source: PaintProps,
    shapes: torch.Tensor,
    maps: torch.Tensor,
    size: int,
    num_extra: int,
    generator: torch.Generator,
    factor: int,
    batch: int = 8,
) -> PaintEntries:
    """Render everything that training needs of augmented shapes.

    Args:
        source: The shapes.
        shapes: `[E]`.
        maps: `[E, 3, 3]` augmenting maps.
        size: Pixels per side.
        num_extra: Views besides the six standard ones.
        generator: Random source.
        factor: Pixels per latent and axis.
        batch: Objects rendered together.

    Returns:
        Entries with two reference pictures each: one from the front half, one from anywhere.
    """
    store: PaintEntries | None = None
    for rows in torch.arange(len(shapes), device=shapes.device).split(batch):
        count = len(rows)
        angles, labels = draw_view_angles(count, num_extra, generator)
        colour, normal, position = render_painting_views(
            source, shapes[rows], maps[rows], angles, size
        )
        cameras = _reference_cameras(count, generator)
        reference = torch.rad2deg(torch.stack([cameras.azimuth, cameras.elevation], 1))  # [2*B, 2]
        seen, touched = find_seen(
            source, shapes[rows], maps[rows], angles, reference.view(2, count, 2).transpose(0, 1),
            size, factor,
        )  # fmt: skip
        base, shading = render_materials(
            source.props, shapes[rows].repeat(2), maps[rows].repeat(2, 1, 1), cameras, size, 0.15
        )
        entry = PaintEntries(
            colour, normal, position, labels,
            *(x.unflatten(0, (2, count)).transpose(0, 1) for x in (base, shading)),
            cameras.azimuth.view(2, count).T, seen, touched,
        )  # fmt: skip
        if store is None:  # joining parts at the end would hold everything twice
            store = PaintEntries(
                *(_like_first(getattr(entry, f.name), len(shapes)) for f in fields(PaintEntries))
            )
        for item in fields(PaintEntries):
            getattr(store, item.name)[rows] = getattr(entry, item.name)
    if store is None:
        raise ValueError("there are no shapes to render")
    return store


def _like_first(part: torch.Tensor, count: int) -> torch.Tensor:
    """Room for `count` rows like those of `part`."""
    return torch.empty((count, *part.shape[1:]), dtype=part.dtype, device=part.device)


def _reference_cameras(count: int, generator: torch.Generator) -> Cameras:
    """`count` cameras of the front half, then as many from all around."""
    front, around = (draw_cameras(count, generator.device, generator) for _ in range(2))
    turn = torch.rand(count, device=generator.device, generator=generator) * (2 * torch.pi)
    return Cameras(
        torch.cat([front.azimuth, around.azimuth + turn]),
        torch.cat([front.elevation, around.elevation]),
        torch.cat([front.fov, around.fov]),
    )


def draw_recolouring(
    count: int, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Random changes of colours: a mixing matrix `[B, 3, 3]`, a gain and a gamma `[B, 1]`.

    The matrix turns hues about the grey axis, mirrors them in half of the cases and changes the
    saturation, so that greys stay grey and everything else may become any colour.
    """
    device = generator.device
    rand = torch.rand(count, 6, device=device, generator=generator)
    grey = torch.full((3, 3), 1 / 3, device=device)
    axis = torch.full((3,), 3**-0.5, device=device)
    cross = torch.linalg.cross(torch.eye(3, device=device), axis.expand(3, 3), dim=1)
    is_turned = rand[:, 0] < 0.7
    angle = torch.where(is_turned, rand[:, 1] * (2 * torch.pi), 0.0)[:, None, None]
    turn = grey + torch.cos(angle) * (torch.eye(3, device=device) - grey) + torch.sin(angle) * cross
    swap = torch.eye(3, device=device)[[1, 0, 2]]
    is_mirrored = (is_turned & (rand[:, 2] < 0.5))[:, None, None]
    turn = torch.where(is_mirrored, turn @ swap, turn)
    saturation = (0.5 + rand[:, 3])[:, None, None]
    matrix = grey + saturation * (turn - grey)
    return matrix, 0.75 + 0.5 * rand[:, 4:5], torch.exp((rand[:, 5:] - 0.5) * 0.8)


def recolour(
    pixels: torch.Tensor, change: tuple[torch.Tensor, torch.Tensor, torch.Tensor]
) -> torch.Tensor:
    """Apply `draw_recolouring` to pictures `[B, W, H, H, 4]` uint8 -> float32 in [0, 1]."""
    matrix, gain, gamma = change
    unit = pixels.float() / 255
    wide = (slice(None), None, None, None)
    colour = torch.einsum("bwijc,bdc->bwijd", unit[..., :3], matrix).clamp(0, 1)
    colour = (colour ** gamma[wide] * gain[wide]).clamp(0, 1)
    return torch.cat([colour, unit[..., 3:]], -1)


def light_pictures(
    pixels: torch.Tensor, normal: torch.Tensor, azimuth: torch.Tensor, generator: torch.Generator
) -> torch.Tensor:
    """Light and jitter recoloured reference pictures.

    Args:
        pixels: `[B, R, H, H, 4]` float32 in [0, 1].
        normal: `[B, R, H, H, 3]` int8.
        azimuth: `[B, R]` radians.
        generator: Random source.

    Returns:
        `[B, R, 4, H, H]` premultiplied colours in [0, 1] and coverage.
    """
    shape = pixels.shape[:2]
    lit = shade((pixels * 255).flatten(0, 1), normal.flatten(0, 1), azimuth.flatten(), generator)
    return jitter(lit, generator).unflatten(0, shape)


def flat_over_white(pictures: torch.Tensor) -> torch.Tensor:
    """Premultiplied pictures `[..., 4, H, H]` -> `[..., 3, H, H]` in -1..1 over white."""
    return (pictures[..., :3, :, :] + 1 - pictures[..., 3:, :, :]) * 2 - 1


def mean_colour(pictures: torch.Tensor) -> torch.Tensor:
    """Mean colour of the objects in premultiplied pictures `[..., 4, H, H]` -> `[..., 3]`."""
    total = pictures.sum((-2, -1))
    return total[..., :3] / total[..., 3:].clamp(min=1e-6)


def over_white(pixels: torch.Tensor) -> torch.Tensor:
    """Straight colours `[..., H, H, 4]` in [0, 1] -> `[..., 3, H, H]` in -1..1 over white."""
    alpha = pixels[..., 3:]
    image = pixels[..., :3] * alpha + 1 - alpha
    return image.movedim(-1, -3) * 2 - 1


def map_to_network(pixels: torch.Tensor) -> torch.Tensor:
    """Maps `[..., H, H, 3]` uint8 -> `[..., 3, H, H]` in -1..1."""
    return pixels.movedim(-1, -3).float() / 127.5 - 1
