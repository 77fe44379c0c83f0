# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns painted views into a texture: every texel looks up the views that see it."""

import math
from dataclasses import dataclass, replace

import torch

from ..config import BakeConfig
from ..data import Mesh, PaintedViews, Texture
from ..progress import Progress
from .atlas import Surface, Texels, find_texels, load_surface
from .blend import choose_views, find_bands, level_seams, share_texels
from .cells import Pyramid, build_pyramid, group_mean, interpolate_cells
from .colour import linear_to_srgb, srgb_to_linear
from .fill import Sight, fill_unseen
from .match import match_views
from .pad import pad_texture
from .project import Trust, ViewMap, look_up, map_views, sample_nearest, sample_sharp

_STEPS = 6
_CELL_TEXELS = 3.0
"""Edge of a finest cell in texels."""
_DETAIL = 0.03
"""Spread of a difference within a cell, in sRGB values, from which on it is not of colour alone."""
_PIXELS_GPU = 1 << 23
"""Pixels of views that a GPU works on at a time; a processor's cache holds one view at most."""
_NO_GAIN = 1e-3
_NUM_PROBES = 50_000
_INVISIBLE = 2e-4
"""Change of an sRGB value that nobody sees."""


@dataclass(frozen=True, slots=True)
class _Evidence:
    """What the views say.

    Attributes:
        texel_quality: `[V, N]`, 0 where a view does not see a texel.
        is_strict: `[N]` bool, some view sees the texel away from its outlines.
        is_exact: `[N]` bool, some view sees the texel into whose outlines nothing has bled.
        colour: `[V, C, 3]` sRGB, mean over the seen texels of each cell.
        quality: `[V, C]`, mean over all texels of each cell.
        probe: `[V, K, 3]` sRGB of a part of the texels, spread evenly over all.
        probe_quality: `[V, K]`, their trust, 0 where not seen away from outlines.
    """

    texel_quality: torch.Tensor
    is_strict: torch.Tensor
    is_exact: torch.Tensor
    colour: torch.Tensor
    quality: torch.Tensor
    probe: torch.Tensor
    probe_quality: torch.Tensor


def bake_texture(
    mesh: Mesh,
    painted: PaintedViews,
    config: BakeConfig,
    progress: Progress,
    *,
    device: torch.device | str = "cpu",
) -> Texture:
    """Bake the colours of views into the texture of a mesh.

    Args:
        mesh: With UVs; where charts overlap, the face with the lower index is painted.
        painted: The views. Colours outside of the mesh's silhouette are not read.
        config: Size of the texture and how views are trusted.
        progress: Told, and asked for a cancel, after each step.
        device: Where to compute. Devices without float64 (mps) leave it to the CPU.

    Returns:
        The texture: each texel from the view that sees it best, steps between views levelled, the
        unseen ones filled over the surface, all colours continued beyond the charts.

    Raises:
        ValueError: The mesh has no UVs.
        CancelledError: The user cancelled the job.
    """
    surface = load_surface(mesh, _computing_device(torch.device(device)))
    texels = find_texels(surface, config.texture_size)
    if len(texels.index) == 0:
        return _finish(texels, texels.point, texels.is_inside, config.texture_size)
    pyramid = build_pyramid(texels, _CELL_TEXELS * texels.size)
    progress.step(1, _STEPS)
    least_facing = math.cos(math.radians(config.max_angle_deg))
    trust = Trust(config.facing_power, least_facing, config.guard_px)
    views = _map_views(surface, painted, trust)
    progress.step(2, _STEPS)
    evidence = _gather(views, surface, texels, pyramid, trust, painted.weights)
    progress.step(3, _STEPS)
    gains = match_views(evidence.probe, evidence.probe_quality, painted.weights)
    views = _with_gains(views, gains)
    evidence = replace(evidence, colour=evidence.colour * gains[:, None])
    colour, beyond, is_seen = _blend(
        views, surface, texels, pyramid, trust, evidence, painted.weights
    )
    progress.step(4, _STEPS)
    sight = Sight(is_seen, evidence.is_strict, evidence.is_exact, beyond)
    colour, is_seen = fill_unseen(pyramid, texels, colour, sight, config.texture_size)
    progress.step(5, _STEPS)
    texture = _finish(texels, colour, is_seen, config.texture_size)
    progress.step(6, _STEPS)
    return texture


def _computing_device(device: torch.device) -> torch.device:
    """This device, or the CPU if this one lacks float64 and sparse matrices."""
    return device if device.type in ("cpu", "cuda") else torch.device("cpu")


def _map_views(surface: Surface, painted: PaintedViews, trust: Trust) -> list[ViewMap]:
    """Rasterise the mesh from every view, some views at a time."""
    most = _PIXELS_GPU if surface.corners.device.type == "cuda" else 0
    at_a_time = max(1, most // painted.colour.shape[1] ** 2)
    views: list[ViewMap] = []
    for start in range(0, len(painted.cameras), at_a_time):
        part = slice(start, start + at_a_time)
        mask = None if painted.mask is None else painted.mask[part]
        views += map_views(surface, painted.cameras[part], painted.colour[part], mask, trust)
    return views


def _with_gains(views: list[ViewMap], gains: torch.Tensor) -> list[ViewMap]:
    """The views with their sRGB values multiplied by gains `[V, 3]`."""
    has_gain = ((gains - 1).abs() >= _NO_GAIN).any(1).tolist()
    return [
        replace(view, light=srgb_to_linear(linear_to_srgb(view.light) * gain)) if changes else view
        for view, gain, changes in zip(views, gains, has_gain, strict=True)
    ]


def _gather(
    views: list[ViewMap],
    surface: Surface,
    texels: Texels,
    pyramid: Pyramid,
    trust: Trust,
    weights: tuple[float, ...],
) -> _Evidence:
    """Look every texel up in every view, and sum up by cell."""
    count = len(pyramid.levels[0].key)
    qualities, colours, means, probes, probe_qualities = [], [], [], [], []
    stride = max(1, len(texels.index) // _NUM_PROBES)
    is_strict, is_exact = (torch.zeros_like(texels.is_inside) for _ in range(2))
    for view, weight in zip(views, weights, strict=True):
        lookup = look_up(view, surface, texels, trust)
        own, cell = lookup.quality * weight, pyramid.cell[lookup.chosen]
        near = sample_nearest(view, lookup)
        light, total = group_mean(near, own, cell, count)
        probe = torch.zeros_like(texels.point).index_copy_(0, lookup.chosen, near)[::stride]
        probes.append(linear_to_srgb(probe))
        is_strict[lookup.chosen] |= lookup.is_strict
        if view.guard == 0:
            is_exact[lookup.chosen] = True
        strict = torch.zeros_like(texels.point[:, 0])
        qualities.append(strict.index_copy(0, lookup.chosen, own))
        strict.index_copy_(0, lookup.chosen, own * lookup.is_strict)
        probe_qualities.append(strict[::stride])
        colours.append(linear_to_srgb(light))
        means.append(total / pyramid.levels[0].count)
    parts = (qualities, colours, means, probes, probe_qualities)
    stacked = [torch.stack(part) for part in parts]
    return _Evidence(stacked[0], is_strict, is_exact, *stacked[1:])


def _blend(
    views: list[ViewMap],
    surface: Surface,
    texels: Texels,
    pyramid: Pyramid,
    trust: Trust,
    evidence: _Evidence,
    weights: tuple[float, ...],
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Colours `[N, 3]` of what is seen, those beyond the nearest edge, and what `[N]` is seen."""
    shares = choose_views(pyramid, evidence.colour, evidence.quality, weights)  # [C, V]
    light, beyond = torch.zeros_like(texels.point), torch.zeros_like(texels.point)
    is_seen = torch.zeros(len(light), dtype=torch.bool, device=light.device)
    parts = share_texels(pyramid, shares, evidence.texel_quality, texels)
    bands = find_bands(pyramid, shares)  # [C, V]
    samples = []
    for view, (chosen, share), meets in zip(views, parts, bands.T, strict=True):
        is_band = meets[pyramid.cell]  # [N]
        part = torch.zeros_like(light[:, 0]).index_copy_(0, chosen, share)  # [N]
        asked = torch.nonzero(is_band | (part > 0)).squeeze(1)
        lookup = look_up(view, surface, texels.take(asked), trust)
        place, shown = asked[lookup.chosen], sample_sharp(view, lookup)
        part = part[place]
        light[place] += shown * part[:, None]
        is_own = part > 0
        is_seen[place] |= is_own
        across = view.beyond.view(-1, 3)[lookup.nearest]
        beyond[place] = torch.where(is_own[:, None], across, beyond[place])
        rows = torch.nonzero(is_band[place]).squeeze(1)
        samples.append(_Samples(place[rows], linear_to_srgb(shown[rows]), lookup.quality[rows]))
    colour = linear_to_srgb(light)
    excess, support = _compare(samples, pyramid, colour)
    change = level_seams(pyramid, shares, excess, support, colour.new_tensor(weights))
    return (colour + _spread(pyramid, change, texels)).clamp(0, 1), beyond, is_seen


@dataclass(frozen=True, slots=True)
class _Samples:
    """What a view shows in the bands: texels `[M]`, sRGB values `[M, 3]`, trust `[M]`."""

    place: torch.Tensor
    colour: torch.Tensor
    quality: torch.Tensor


def _compare(
    samples: list[_Samples], pyramid: Pyramid, colour: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Each view minus the blend by cell `[V, C, 3]`, and the trust in it `[V, C]`."""
    excess, support = [], []
    for part in samples:
        gap = part.colour - colour[part.place]  # [M, 3]
        both = torch.cat([gap, gap.square()], 1)
        cell = pyramid.cell[part.place]
        mean, total = group_mean(both, part.quality, cell, len(pyramid.levels[0].key))
        spread = (mean[:, 3:] - mean[:, :3].square()).sum(1).clamp(min=0)  # [C]
        excess.append(mean[:, :3])
        support.append(total / (1 + spread / _DETAIL**2).square())
    return torch.stack(excess), torch.stack(support)


def _spread(pyramid: Pyramid, change: torch.Tensor, texels: Texels) -> torch.Tensor:
    """The cells' change of colour at the texels `[N, 3]`, where it can be seen at all."""
    result = change[pyramid.cell]  # [N, 3]
    active = torch.nonzero(result.abs().amax(1) > _INVISIBLE).squeeze(1)
    result[active] = interpolate_cells(pyramid, change, texels.point[active], texels.normal[active])
    return result


def _finish(texels: Texels, colour: torch.Tensor, is_seen: torch.Tensor, size: int) -> Texture:
    """Put the texels into the texture and continue the colours beyond the charts."""
    image = torch.zeros(size * size, 3, device=colour.device)
    image[texels.index] = srgb_to_linear(colour)
    coverage = torch.zeros(size * size, dtype=torch.bool, device=colour.device)
    seen = coverage.clone()
    coverage[texels.index], seen[texels.index] = True, is_seen
    coverage, seen = coverage.view(size, size), seen.view(size, size)  # [T, T]
    padded = linear_to_srgb(pad_texture(image.view(size, size, 3), coverage)).clamp(0, 1)
    return Texture(padded.cpu().numpy(), coverage.cpu().numpy(), seen.cpu().numpy())
