# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns reference pictures and what cameras see of a mesh into painted views."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import torch
from torch import Tensor
from torch.nn import functional

from ..config import PaintConfig
from ..data import Camera, PaintedViews, PreparedImage
from ..progress import Progress
from .delight import LightRemover
from .guess import ColourGuesser, SeenSurface, guess_views
from .hold import HoldingSampler
from .multiview import MultiviewNetwork, paint_latents
from .schedule import DDIM, LCM, EulerAncestral, NoiseConfig
from .upscale import spread_colours

SAMPLERS = {"euler_ancestral": EulerAncestral, "ddim": DDIM, "lcm": LCM}


class ImageCoder(Protocol):
    """An image autoencoder, scaled as the painting network knows its latents."""

    def sample(self, image: Tensor, noise: Tensor | None = None) -> Tensor:
        """Latents `[B, C, h, w]` of pictures `[B, 3, H, W]` in -1..1."""
        ...

    def decode(self, latents: Tensor) -> Tensor:
        """Pictures `[B, 3, H, W]`, about -1..1."""
        ...


class GeometryMaps(Protocol):
    """What the network is told about the shape; V views of one size, float32."""

    @property
    def normal(self) -> Tensor:
        """Normal maps `[V, H, W, 3]` in 0..1, white where there is nothing."""
        ...

    @property
    def position(self) -> Tensor:
        """Canonical coordinate maps `[V, H, W, 3]` in 0..1, white where there is nothing."""
        ...

    @property
    def alpha(self) -> Tensor:
        """Covered share of each pixel, `[V, H, W]`."""
        ...


@dataclass(frozen=True, slots=True)
class PaintDefaults:
    """How a painting model wants to be used where the user did not choose.

    Attributes:
        steps: Denoising steps, >= 1.
        guidance: Guidance scale; None: the model is distilled and takes none.
        sampler: Kind of steps.
        noise: Of the training; says what the network predicts and how steps are spaced.
        view_size: Edge of the painted views, pixels.
        reference_size: Edge of the reference pictures, pixels.
        supersample: Rendered pixels per pixel and axis of the geometry maps.
        is_corner_aligned: Whether the outermost pixel centres of views lie on their borders.
        is_told_known: The network was trained to continue known parts that it sees without noise,
            the background among them, and to start from a guess of the rest.
        guess_weight: Share of that guess in the result, beside what the network paints; 0..1.
    """

    steps: int
    guidance: float | None
    sampler: Literal["euler_ancestral", "ddim", "lcm"]
    noise: NoiseConfig
    view_size: int = 512
    reference_size: int = 512
    supersample: int = 4
    is_corner_aligned: bool = True
    is_told_known: bool = False
    guess_weight: float = 0.0


@dataclass(frozen=True, slots=True)
class PaintNetworks:
    """The networks of one painting model, on their device, and how to use them.

    Attributes:
        autoencoder: Pictures to latents and back.
        unet: Denoises all views together.
        label_camera: Azimuth and elevation in degrees -> the network's label of that direction.
        defaults: How the model wants to be used.
        light_remover: Prepares the references, or None.
        guesser: Of colours that are not known; needed if the network starts from a guess.
        dtype: Of weights and activations.
    """

    autoencoder: ImageCoder
    unet: MultiviewNetwork
    label_camera: Callable[[float, float], int]
    defaults: PaintDefaults
    light_remover: LightRemover | None = None
    guesser: ColourGuesser | None = None
    dtype: torch.dtype = torch.float32


@torch.no_grad()
def paint_views(
    references: PreparedImage,
    maps: GeometryMaps,
    cameras: Sequence[Camera],
    networks: PaintNetworks,
    config: PaintConfig,
    progress: Progress,
    weights: tuple[float, ...],
    seed: int = 0,
    known: PaintedViews | None = None,
    draft: Tensor | None = None,
) -> PaintedViews:
    """Paint all views of an object together, so that they agree.

    The noise is drawn on the CPU, so a seed means the same start on every device.

    Args:
        references: `[R, H, W, 4]`, unlit as far as the model can.
        maps: Of V views, of any size.
        cameras: Of these views.
        networks: The painting model.
        config: The user's choice; 0 steps or a negative guidance mean the model's own.
        progress: Told after every denoising step.
        weights: Trust of each view, handed on.
        seed: Of the noise.
        known: The same V cameras, any size, or None: where its mask holds, colours are kept, and
            what is painted beside them is made to fit. Views without a free pixel only inform.
        draft: `[V, H, W, 3]`, another guess of all colours, which has half of the guess's weight in
            the result, or None.

    Returns:
        Colours `[V, S, S, 3]` at the model's size S, on the maps' device; the mask is the object's.

    Raises:
        CancelledError: The user cancelled; seen before every denoising step.

    Source: Zhao et al. 2025, "Hunyuan3D 2.0", section 4.
    """
    generator = torch.Generator().manual_seed(seed)
    defaults, size, device = networks.defaults, networks.defaults.view_size, maps.normal.device
    silhouette = _resize_mask(maps.alpha > 0.5, size)  # [V, S, S]
    geometry = torch.cat(
        [_encode(networks, _resize(part, size)) for part in (maps.normal, maps.position)], dim=1
    )  # [V, 2 C, h, w]
    reference = _encode(networks, _read_references(references, defaults).to(device))
    labels = torch.tensor([networks.label_camera(*view_angles(camera)) for camera in cameras])

    def draw_noise(_: int) -> Tensor:
        shape = (len(geometry), geometry.shape[1] // 2, *geometry.shape[2:])
        return torch.randn(shape, generator=generator).to(device)

    sampler = SAMPLERS[defaults.sampler].make(defaults.noise, config.paint_steps or defaults.steps)
    noise, kept, guess = draw_noise(0), None, None
    if known is not None or defaults.is_told_known:
        kept = _Kept.read(known, silhouette)
        is_told, picture = defaults.is_told_known, kept.picture
        if is_told:
            picture = guess = _guess_free(networks, kept, references, maps, geometry)
        latents = _encode(networks, picture.permute(0, 3, 1, 2)).float()
        is_free = _free_cells(kept.is_free, latents)
        sampler = HoldingSampler(
            sampler, latents, is_free, noise, is_noised=not is_told, is_guessed=is_told
        )
        noise = sampler.make_start()
    latents = paint_latents(
        _InType(networks.unet, networks.dtype),
        reference,
        geometry,
        labels.to(device),
        sampler,
        _choose_guidance(config, defaults),
        noise,
        draw_noise,
        lambda done, _: progress.step(done, len(sampler.timesteps)),
    )
    colour = _decode(networks, latents, kept)
    if kept is not None and guess is not None:
        if draft is not None:
            guess = (guess + _resize(draft.to(device), size).permute(0, 2, 3, 1)) / 2
        mixed = torch.lerp(colour, guess, defaults.guess_weight)
        colour = torch.where(kept.is_free[..., None], mixed, colour)
    return PaintedViews(tuple(cameras), colour, weights, silhouette)


def view_angles(camera: Camera) -> tuple[float, float]:
    """Azimuth and elevation in degrees from which a camera looks at the origin.

    The azimuth is read from the right axis, which lies level, so that it holds at the poles too.
    """
    right, _, backward = camera.world_to_camera[:, :3]
    elevation = math.asin(min(max(float(backward[1]), -1.0), 1.0))
    return math.degrees(math.atan2(-right[2], right[0])), math.degrees(elevation)


@dataclass(frozen=True, slots=True)
class _Kept:
    """What is known of the views before they are painted.

    Attributes:
        picture: `[V, S, S, 3]`: known colours, continued into the free part, white outside.
        is_free: `[V, S, S]` bool: on the object, and not known.
    """

    picture: Tensor
    is_free: Tensor

    @classmethod
    def read(cls, known: PaintedViews | None, silhouette: Tensor) -> "_Kept":
        """Bring the known colours to the size of the silhouette `[V, S, S]`."""
        size, is_white = silhouette.shape[-1], ~silhouette[..., None]
        if known is None:
            white = torch.ones((*silhouette.shape, 3), device=silhouette.device)
            return cls(white, silhouette)
        mask = torch.ones_like(silhouette) if known.mask is None else known.mask
        mask = mask.to(silhouette.device)
        spread = spread_colours(known.colour.to(silhouette.device), mask)
        colour = _resize(spread, size).permute(0, 2, 3, 1)  # [V, S, S, 3]
        is_free = silhouette & ~_resize_mask(mask, size)
        return cls(torch.where(is_white, 1.0, colour), is_free)


def _guess_free(
    networks: PaintNetworks,
    kept: _Kept,
    references: PreparedImage,
    maps: GeometryMaps,
    latents: Tensor,
) -> Tensor:
    """What is known of the views, `[V, S, S, 3]`, its free part guessed from it, over white.

    Only cells of the latents that are known entirely are read, as in training.
    """
    if networks.guesser is None:
        raise ValueError("a network that starts from a guess needs a guesser")
    size = kept.is_free.shape[-1]
    normal, position = (_resize(part, size)[None] for part in (maps.normal, maps.position))
    alpha = _resize(maps.alpha[..., None], size)  # [V, 1, S, S]
    surface = SeenSurface(normal, position, alpha[None, :, 0] > 0.5)
    factor = size // latents.shape[-1]
    is_known = functional.max_pool2d(kept.is_free[:, None].float(), factor)[:, 0] == 0
    pixels = torch.from_numpy(references.pixels).to(alpha.device)  # [R, H, W, 4]
    opacity = pixels[..., 3:]
    mean = (pixels[..., :3] * opacity).sum((0, 1, 2)) / opacity.sum().clamp(min=1e-6)
    colour = kept.picture.permute(0, 3, 1, 2)[None]
    guess = guess_views(networks.guesser, surface, colour, is_known[None], mean[None])[0]
    return (guess * alpha + 1 - alpha).permute(0, 2, 3, 1)


@dataclass(frozen=True, slots=True)
class _InType:
    """A painting network of another type between latents in float32."""

    network: MultiviewNetwork
    dtype: torch.dtype

    @property
    def text(self) -> Tensor:
        return self.network.text

    def encode_reference(self, latents: Tensor) -> dict[str, Tensor]:
        return self.network.encode_reference(latents.to(self.dtype))

    def __call__(
        self,
        sample: Tensor,
        timestep: Tensor,
        geometry: Tensor,
        cameras: Tensor,
        reference: dict[str, Tensor],
        text: Tensor | None = None,
        reference_scale: Tensor | float = 1.0,
    ) -> Tensor:
        out = self.network(
            sample.to(self.dtype), timestep, geometry, cameras, reference, text, reference_scale
        )
        return out.float()


def _read_references(references: PreparedImage, defaults: PaintDefaults) -> Tensor:
    """Reference pictures on white, `[R, 3, H, W]`."""
    pixels = torch.from_numpy(references.pixels)  # [R, H, W, 4]
    on_white = pixels[..., :3] * pixels[..., 3:] + 1 - pixels[..., 3:]
    return _resize(on_white, defaults.reference_size)


def _choose_guidance(config: PaintConfig, defaults: PaintDefaults) -> float | None:
    """The scale; None where a second row would change nothing."""
    if defaults.guidance is None:
        return None
    scale = config.paint_guidance if config.paint_guidance >= 0 else defaults.guidance
    return None if scale == 1.0 else scale


def _encode(networks: PaintNetworks, pictures: Tensor) -> Tensor:
    """Latents `[V, C, h, w]` of pictures `[V, 3, H, W]` in 0..1; one by one to bound memory."""
    rows = [networks.autoencoder.sample((p[None] * 2 - 1).to(networks.dtype)) for p in pictures]
    return torch.cat(rows)


def _decode(networks: PaintNetworks, latents: Tensor, kept: _Kept | None) -> Tensor:
    """Colours `[V, S, S, 3]`, one view after the other; known ones are put back."""
    pictures: list[Tensor] = []
    for index, row in enumerate(latents):
        if kept is not None and not kept.is_free[index].any():
            pictures.append(kept.picture[index])
            continue
        decoded = networks.autoencoder.decode(row[None].to(networks.dtype))[0].float()
        colour = (decoded / 2 + 0.5).clamp(0, 1).permute(1, 2, 0)  # [S, S, 3]
        if kept is not None:
            colour = torch.where(kept.is_free[index][..., None], colour, kept.picture[index])
        pictures.append(colour)
    return torch.stack(pictures)


def _free_cells(is_free: Tensor, latents: Tensor) -> Tensor:
    """Latents `[V, 1, h, w]` that a free pixel touches, and their neighbours."""
    factor = is_free.shape[-1] // latents.shape[-1]
    cells = functional.max_pool2d(is_free[:, None].float(), factor)  # [V, 1, h, w]
    # An encoder mixes neighbours, so latents beside a free one hold some of its guessed colour.
    return functional.max_pool2d(cells, 3, stride=1, padding=1) > 0


def _resize(maps: Tensor, size: int) -> Tensor:
    """`[V, H, W, 3]` in 0..1 to `[V, 3, size, size]`."""
    planes = maps.permute(0, 3, 1, 2)  # [V, 3, H, W]
    if planes.shape[-1] == size:
        return planes
    edges = (size, size)
    return functional.interpolate(planes, edges, mode="bicubic", antialias=True).clamp(0, 1)


def _resize_mask(mask: Tensor, size: int) -> Tensor:
    """`[V, H, W]` bool to `[V, size, size]`: the majority of each pixel."""
    if mask.shape[-1] == size:
        return mask
    planes = functional.interpolate(mask[:, None].float(), (size, size), mode="area")
    return planes[:, 0] > 0.5
