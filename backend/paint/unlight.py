# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns a lit picture of a known surface into its colours, by a fit of smooth light.

The fit tells how the light differs from place to place, but not how strong it is in all: that is
taken from `exposure.py`, and to a lesser part from a rule.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ..texture.colour import linear_to_srgb, srgb_to_linear

_OUTLIERS = (0.8, 0.5, 0.3, 0.2, 0.15, 0.12, 0.12, 0.12)
"""Distance of a pair's logarithms from the fit at which it counts half; one per round."""
_CHROMA_SPREAD = 0.12
"""Difference of a pair's chroma at which it counts half: it may be of two colours."""
_RIDGE = (0.002, 0.002, 0.002, 0.01, 0.01, 0.01, 0.01, 0.01)
"""Pulls the coefficients to even light, per pair: the finer ones more."""
_REACHES = (1 / 96, 1 / 32, 1 / 10, 1 / 4)
"""Distances of the pixels of a pair, in shares of the picture's edge."""
_MOST_PAIRS = 40_000
_DARKEST = 0.004
"""Linear light below this says nothing of the light."""
_BRIGHTEST = 0.97
"""Cut-off values neither."""
_GAIN_RANGE = (0.35, 2.5)
"""Of light against the mean light of the picture."""
_EXPOSURE_RANGE = (0.4, 2.5)
_BRIGHT_SHARE = 0.75
"""The light on this share of the picture is taken to be 1 or less: lit parts stay as they are."""
_GUESS_SHARE = 0.85
"""Of the guess in the strength of the light, beside that rule. With lights as in training the guess
alone is best; with brighter ones the rule errs to the other side (`training/LOG.md`)."""
_FEWEST_PIXELS = 64
_LUMA = (0.2126, 0.7152, 0.0722)


def remove_shading(
    colour: Tensor, normals: Tensor, mask: Tensor, guess: float | None = None
) -> Tensor:
    """Take smooth light off a picture of a surface whose normals are known.

    The light's logarithm is a quadratic function of the normal, found by a robust fit to the
    differences between pixels where chroma is alike, and so probably the colour. All parts keep
    their hue, and without a guess lit ones about their brightness. Patterns keep their contrast,
    as the light that is divided out only knows the normal.

    Args:
        colour: `[H, W, 3]` float32 in [0, 1], sRGB.
        normals: `[H, W, 3]`, unit length in the mask.
        mask: `[H, W]` bool, the pixels that show the surface.
        guess: Natural logarithm of the mean light, see `exposure.guess_exposure`, if it is known.

    Returns:
        `[H, W, 3]` sRGB in [0, 1]; unchanged if there is too little to see.

    Source: Ramamoorthi and Hanrahan 2001, "An Efficient Representation for Irradiance
    Environment Maps"; robust fit by reweighting with Cauchy weights (Holland and Welsch 1977).
    """
    light = srgb_to_linear(colour[mask])  # [N, 3]
    basis = _basis(normals[mask])  # [N, 9]
    clear = (_luma(light) > _DARKEST) & (light.amax(1) < _BRIGHTEST)
    if int(clear.sum()) < _FEWEST_PIXELS:
        return colour
    fit = _fit(_make_pairs(mask, light, basis, clear))  # [8]
    log_gain = basis @ fit  # [N]
    log_gain = log_gain - log_gain[clear].mean()
    exposure = _find_exposure(log_gain, clear)
    variation = _limit(log_gain, _GAIN_RANGE)
    if guess is not None:
        mean = float(variation.log().mean() + exposure.log())
        exposure = exposure * math.exp(_GUESS_SHARE * (guess - mean))
    gain = (variation * exposure)[:, None]
    result = colour.clone()
    result[mask] = linear_to_srgb(_soft_limit(light / gain, light)).clamp(0, 1)
    return result


def _soft_limit(light: Tensor, before: Tensor) -> Tensor:
    """Keep the hue where a gain would push a channel beyond white."""
    most = torch.maximum(before.amax(1, keepdim=True), torch.full_like(before[:, :1], 1.0))
    return light * (most / light.amax(1, keepdim=True).clamp(min=1e-6)).clamp(max=1)


def _limit(log: Tensor, limits: tuple[float, float]) -> Tensor:
    """Factors of logarithms, within limits."""
    return log.exp().clamp(*limits)


def _luma(light: Tensor) -> Tensor:
    """Luminance `[N]` of linear light `[N, 3]`."""
    return light @ light.new_tensor(_LUMA)


def _basis(normal: Tensor) -> Tensor:
    """Quadratic functions `[N, 8]` of normals `[N, 3]`, the constant one left out."""
    x, y, z = normal.unbind(1)
    return torch.stack([x, y, z, x * y, y * z, x * z, x * x - z * z, y * y - 1 / 3], 1)


@dataclass(frozen=True, slots=True)
class _Pairs:
    """Pixels that are compared, K pairs.

    Attributes:
        basis: `[K, 8]`, difference of the functions of the normal.
        values: `[K]`, difference of the logarithms of light.
        weight: `[K]`, how far it is believed that the colour is the same.
    """

    basis: Tensor
    values: Tensor
    weight: Tensor


def _make_pairs(mask: Tensor, light: Tensor, basis: Tensor, clear: Tensor) -> _Pairs:
    """Pixels of like chroma, in which light differs but hardly the colour."""
    first, second = _find_pairs(mask, clear)  # [K]
    log = _luma(light).clamp(min=_DARKEST).log()
    chroma = _chroma(light)
    apart = (chroma[first] - chroma[second]).norm(dim=1)
    weight = 1 / (1 + (apart / _CHROMA_SPREAD) ** 4)
    return _Pairs(basis[first] - basis[second], log[first] - log[second], weight)


def _find_pairs(mask: Tensor, clear: Tensor) -> tuple[Tensor, Tensor]:
    """Pairs of clear pixels beside each other, near and farther; numbers among the mask's."""
    height, width = mask.shape
    number = torch.full(mask.shape, -1, dtype=torch.int64, device=mask.device)
    number[mask] = torch.where(clear, torch.arange(len(clear), device=mask.device), -1)
    pairs = []
    for reach in _REACHES:
        step = max(1, round(reach * max(height, width)))
        for a, b in (
            (number[:, :-step], number[:, step:]),
            (number[:-step], number[step:]),
            (number[:-step, :-step], number[step:, step:]),
        ):
            both = torch.stack([a.flatten(), b.flatten()], 1)
            pairs.append(both[(both >= 0).all(1)])
    joined = torch.cat(pairs)
    joined = joined[:: max(1, len(joined) // _MOST_PAIRS)]
    return joined[:, 0], joined[:, 1]


def _chroma(light: Tensor) -> Tensor:
    """Logarithms of red and blue against green, `[N, 2]`."""
    log = light.clamp(min=_DARKEST).log()
    return torch.stack([log[:, 0] - log[:, 1], log[:, 2] - log[:, 1]], 1)


def _fit(pairs: _Pairs) -> Tensor:
    """Coefficients `[8]`, outliers left aside more and more."""
    ridge = torch.diag(pairs.basis.new_tensor(_RIDGE))
    fit = pairs.basis.new_zeros(len(ridge))
    for outlier in _OUTLIERS:
        gap = pairs.values - pairs.basis @ fit
        weight = pairs.weight / (1 + (gap / outlier).square())
        weighted = pairs.basis * weight[:, None]
        matrix = weighted.T @ pairs.basis + ridge * weight.sum()
        matrix.diagonal().add_(1e-6)
        fit = torch.linalg.solve(matrix, weighted.T @ pairs.values)
    return fit


def _find_exposure(log_gain: Tensor, clear: Tensor) -> Tensor:
    """Mean strength of the light, such that the lit parts stay as they are."""
    values = log_gain[clear]
    bright = -torch.quantile(values[:: max(1, len(values) // 100_000)], _BRIGHT_SHARE)
    return _limit(bright, _EXPOSURE_RANGE)
