# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns painted views into a texture: every texel looks up the views that see it."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from itertools import pairwise

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
from .project import Request, look_up, sample_nearest, sample_sharp
from .view_maps import Trust, ViewMaps, map_views

_STEPS = 6
_CELL_TEXELS = 3.0
"""Edge of a finest cell in texels."""
_DETAIL = 0.03
"""Spread of a difference within a cell, in sRGB values, from which on it is not of colour alone."""
_TEXELS_GPU = 1 << 22
"""Texels that a GPU looks up at a time, at some 300 bytes each; a CPU takes view by view."""
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
    views = map_views(surface, painted.cameras, painted.colour, painted.mask, trust)
    progress.step(2, _STEPS)
    evidence = _gather(views, surface, texels, pyramid, trust, painted)
    progress.step(3, _STEPS)
    gains = match_views(evidence.probe, evidence.probe_quality, painted.weights)
    views = _with_gains(views, gains)
    evidence = replace(evidence, colour=evidence.colour * gains[:, None])
    colour, beyond, is_seen = _blend(views, surface, texels, pyramid, trust, evidence, painted)
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


def _with_gains(views: ViewMaps, gains: torch.Tensor) -> ViewMaps:
    """The views with their sRGB values multiplied by gains `[V, 3]`."""
    has_gain = ((gains - 1).abs() >= _NO_GAIN).any(1).tolist()
    if not any(has_gain):
        return views
    lights = [
        srgb_to_linear(linear_to_srgb(light) * gain) if changes else light
        for light, gain, changes in zip(views.light, gains, has_gain, strict=True)
    ]
    return replace(views, light=torch.stack(lights))


def _gather(
    views: ViewMaps,
    surface: Surface,
    texels: Texels,
    pyramid: Pyramid,
    trust: Trust,
    painted: PaintedViews,
) -> _Evidence:
    """Look every texel up in every view, and sum up by cell."""
    count = len(pyramid.levels[0].key)
    qualities, lights, means, probes, probe_qualities = [], [], [], [], []
    stride = max(1, len(texels.index) // _NUM_PROBES)
    is_strict, is_exact = (torch.zeros_like(texels.is_inside) for _ in range(2))
    exact = (views.guard == 0).tolist()
    for view, weight in enumerate(painted.weights):
        request = Request(view, painted.cameras[view])
        lookup = look_up(views, surface, texels, [request], trust)
        own, cell = lookup.quality * weight, pyramid.cell[lookup.chosen]
        near = sample_nearest(views, lookup)
        light, total = group_mean(near, own, cell, count)
        probe = torch.zeros_like(texels.point).index_copy_(0, lookup.chosen, near)
        probes.append(probe[::stride].clone())
        is_strict[lookup.chosen] |= lookup.is_strict
        if exact[view]:
            is_exact[lookup.chosen] = True
        strict = torch.zeros_like(texels.point[:, 0])
        qualities.append(strict.index_copy(0, lookup.chosen, own))
        strict.index_copy_(0, lookup.chosen, own * lookup.is_strict)
        probe_qualities.append(strict[::stride].clone())
        lights.append(light)
        means.append(total / pyramid.levels[0].count)
    colour, probe = (linear_to_srgb(torch.stack(part)) for part in (lights, probes))
    quality, mean, probe_quality = map(torch.stack, (qualities, means, probe_qualities))
    return _Evidence(quality, is_strict, is_exact, colour, mean, probe, probe_quality)


def _blend(
    views: ViewMaps,
    surface: Surface,
    texels: Texels,
    pyramid: Pyramid,
    trust: Trust,
    evidence: _Evidence,
    painted: PaintedViews,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Colours `[N, 3]` of what is seen, those beyond the nearest edge, and what `[N]` is seen."""
    weights = painted.weights
    shares = choose_views(pyramid, evidence.colour, evidence.quality, weights)  # [C, V]
    light, beyond = torch.zeros_like(texels.point), torch.zeros_like(texels.point)
    is_seen = torch.zeros(len(light), dtype=torch.bool, device=light.device)
    parts = share_texels(pyramid, shares, evidence.texel_quality, texels)
    samples = []
    for group in _group(_ask(painted, pyramid, shares, parts)):
        for part in _look_closely(views, surface, texels, group, trust):
            place, is_own = part.texel, part.share > 0
            light[place] += part.light * part.share[:, None]
            beyond[place] = torch.where(is_own[:, None], part.beyond, beyond[place])
            is_seen[place] |= is_own
            samples.append(part.take(torch.nonzero(part.is_band).squeeze(1)))
    colour = linear_to_srgb(light)
    excess, support = _compare(samples, pyramid, colour)
    change = level_seams(pyramid, shares, excess, support, colour.new_tensor(weights))
    return (colour + _spread(pyramid, change, texels)).clamp(0, 1), beyond, is_seen


@dataclass(frozen=True, slots=True)
class _Wish:
    """Texels `[N]` to be looked up in a view, its share of each, and whether views meet there."""

    request: Request
    texel: torch.Tensor
    share: torch.Tensor
    is_band: torch.Tensor


def _ask(
    painted: PaintedViews,
    pyramid: Pyramid,
    shares: torch.Tensor,
    parts: Iterator[torch.Tensor],
) -> Iterator[_Wish]:
    """Per view the texels that it colours and those where it meets others."""
    bands = find_bands(pyramid, shares)  # [C, V]
    for view, share in enumerate(parts):
        is_band = bands[:, view][pyramid.cell]  # [N]
        texel = torch.nonzero(is_band | (share > 0)).squeeze(1)
        request = Request(view, painted.cameras[view], texel)
        yield _Wish(request, texel, share[texel], is_band[texel])


def _group(wishes: Iterator[_Wish]) -> Iterator[list[_Wish]]:
    """As many views at a time as the device holds."""
    group: list[_Wish] = []
    count = 0
    for wish in wishes:
        most = _TEXELS_GPU if wish.share.device.type == "cuda" else 0
        if group and count + len(wish.share) > most:
            yield group
            group, count = [], 0
        group.append(wish)
        count += len(wish.share)
    if group:
        yield group


@dataclass(frozen=True, slots=True)
class _Shown:
    """What a view shows of M texels.

    Attributes:
        texel: `[M]` int64.
        share: `[M]`, the view's share of the texel.
        is_band: `[M]` bool, views meet there.
        light: `[M, 3]` linear light.
        beyond: `[M, 3]` sRGB, across the nearest outline.
        quality: `[M]`, trust.
    """

    texel: torch.Tensor
    share: torch.Tensor
    is_band: torch.Tensor
    light: torch.Tensor
    beyond: torch.Tensor
    quality: torch.Tensor

    def take(self, rows: torch.Tensor | slice) -> "_Shown":
        return _Shown(*(getattr(self, field.name)[rows] for field in fields(self)))


def _look_closely(
    views: ViewMaps, surface: Surface, texels: Texels, group: list[_Wish], trust: Trust
) -> list[_Shown]:
    """What each of some views shows."""
    lookup = look_up(views, surface, texels, [wish.request for wish in group], trust)
    asked = zip(*((wish.texel, wish.share, wish.is_band) for wish in group), strict=True)
    texel, share, is_band = (torch.cat(part)[lookup.chosen] for part in asked)
    beyond = views.beyond.view(-1, 3)[lookup.nearest]
    every = _Shown(texel, share, is_band, sample_sharp(views, lookup), beyond, lookup.quality)
    numbers = lookup.view.new_tensor([wish.request.view for wish in group])
    ends = torch.searchsorted(lookup.view, numbers, right=True).tolist()
    return [every.take(slice(*ends)) for ends in pairwise([0, *ends])]


def _compare(
    samples: list[_Shown], pyramid: Pyramid, colour: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Each view minus the blend by cell `[V, C, 3]`, and the trust in it `[V, C]`."""
    excess, support = [], []
    for part in samples:
        gap = linear_to_srgb(part.light) - colour[part.texel]  # [M, 3]
        both = torch.cat([gap, gap.square()], 1)
        cell = pyramid.cell[part.texel]
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
