# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns a lit picture of a known surface into its colours, by a fit of smooth light."""

import torch
from torch import Tensor

from ..texture.colour import linear_to_srgb, srgb_to_linear

_ROUNDS = 8
_OUTLIER = 0.25
"""Distance of a logarithm from the fit at which a pixel counts half."""
_OUTLIER_ALONE = 0.4
"""The same without a guess: colours of parts differ more than guesses from the truth."""
_RIDGE = (0.0, 0.002, 0.002, 0.002, 0.01, 0.01, 0.01, 0.01, 0.01)
"""Pulls the coefficients to even light, per pixel: the finer ones more."""
_RIDGE_ALONE = 30.0
"""How much stronger without a guess."""
_DARKEST = 0.004
"""Linear light below this says nothing of the light."""
_BRIGHTEST = 0.97
"""Cut-off values neither."""
_GAIN_RANGE = (0.35, 2.5)
"""Of light against the mean light of the picture."""
_EXPOSURE_RANGE = (0.4, 2.5)
_TINT_RANGE = (0.85, 1.18)
_BRIGHT_SHARE = 0.9
_FEWEST_PIXELS = 64
_LUMA = (0.2126, 0.7152, 0.0722)


def remove_shading(colour: Tensor, normals: Tensor, mask: Tensor, guess: Tensor | None) -> Tensor:
    """Take smooth light off a picture of a surface whose normals are known.

    The light is a quadratic function of the normal, found by a robust fit of the logarithm of
    picture / guess, or of the picture alone. Without a guess the brightest parts keep their
    brightness; patterns and contrasts of the surface are never touched, as the light that is
    divided out only knows the normal.

    Args:
        colour: `[H, W, 3]` float32 in [0, 1], sRGB.
        normals: `[H, W, 3]`, unit length in the mask.
        mask: `[H, W]` bool, the pixels that show the surface.
        guess: `[H, W, 3]` sRGB, unlit colours that are about right on the whole, or None.

    Returns:
        `[H, W, 3]` sRGB in [0, 1]; unchanged if there is too little to see.

    Source: Ramamoorthi and Hanrahan 2001, "An Efficient Representation for Irradiance
    Environment Maps"; robust fit by reweighting with Cauchy weights (Holland and Welsch 1977).
    """
    light = srgb_to_linear(colour[mask])  # [N, 3]
    basis = _basis(normals[mask])  # [N, 9]
    known = None if guess is None else srgb_to_linear(guess[mask])
    clear = (_luma(light) > _DARKEST) & (light.amax(1) < _BRIGHTEST)
    if known is not None:
        clear &= _luma(known) > _DARKEST
    if int(clear.sum()) < _FEWEST_PIXELS:
        return colour
    ratio = _luma(light) if known is None else _luma(light) / _luma(known).clamp(min=_DARKEST)
    fit = _fit(basis[clear], ratio[clear].log(), known is not None)
    log_gain = basis @ fit  # [N]
    if known is None:
        log_gain = log_gain - torch.quantile(log_gain[clear][:: _stride(clear)], _BRIGHT_SHARE)
    exposure = _limit(log_gain[clear].mean(), _EXPOSURE_RANGE)
    variation = _limit(log_gain - log_gain[clear].mean(), _GAIN_RANGE)
    gain = (variation * exposure)[:, None] * _find_tint(light, known, clear)
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
    """The nine quadratic functions `[N, 9]` of normals `[N, 3]`."""
    x, y, z = normal.unbind(1)
    one = torch.ones_like(x)
    return torch.stack([one, x, y, z, x * y, y * z, x * z, x * x - z * z, y * y - 1 / 3], 1)


def _fit(basis: Tensor, values: Tensor, has_guess: bool) -> Tensor:
    """Coefficients `[9]` of values `[N]`, outliers left aside more and more."""
    ridge = basis.new_tensor(_RIDGE) * (1.0 if has_guess else _RIDGE_ALONE)
    outlier = _OUTLIER if has_guess else _OUTLIER_ALONE
    start = basis.new_zeros(basis.shape[1])
    start[0] = values.median()
    fit, weight = start, _weigh(values - start[0], 2 * outlier)
    for _ in range(_ROUNDS):
        weighted = basis * weight[:, None]
        matrix = weighted.T @ basis + torch.diag(ridge * weight.sum() + 1e-4)
        offset = weighted.T @ (values - start[0])
        fit = torch.linalg.solve(matrix, offset) + start
        weight = _weigh(values - basis @ fit, outlier)
    return fit


def _weigh(gap: Tensor, outlier: float) -> Tensor:
    """How far each pixel is believed, `[N]`."""
    return 1 / (1 + (gap / outlier).square())


def _find_tint(light: Tensor, known: Tensor | None, clear: Tensor) -> Tensor:
    """Colour of the light `[3]`, of luminance 1; white without a guess."""
    if known is None:
        return light.new_ones(3)
    log = (light[clear].clamp(min=_DARKEST) / known[clear].clamp(min=_DARKEST)).log()
    tint = (log - (_luma(light[clear]) / _luma(known[clear])).log()[:, None]).median(0).values
    return tint.exp().clamp(*_TINT_RANGE)


def _stride(clear: Tensor) -> int:
    """Leaves few enough values for a quantile."""
    return max(1, int(clear.sum()) // 100_000)
