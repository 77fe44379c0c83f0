# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns a picture of an object before a background into one with alpha.

Plain backgrounds are cut by their colour, which gives the finest outlines. A small network looks
as well, where there is one: it knows floors, walls and shadows.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from ..data import FloatArray
from .object_mask import ObjectGuesser, find_object
from .pieces import keep_large_pieces, spread_colours

Mask = NDArray[np.bool_]

WORKING_SIDE_PX = 1024
BORDER_SHARE = 0.02
"""Width of the strip along the picture's edge that shows the background, per side."""
PLAIN_SHARE = 0.6
"""At least this much of the strip follows one smooth colour in a plain background."""
MIN_TOLERANCE, MAX_TOLERANCE = 0.035, 0.1
"""Colour distance (sRGB, 0..1) within which a pixel belongs to the background."""
SHADOW_FLOOR = 0.45
"""A shadow keeps at least this share of the background's brightness."""
SHADOW_SLOPE = 5.0
"""Brightness per picture side: a shadow changes more slowly than the outline of an object."""
SPECK_SHARE, SPECK_PX = 0.01, 4
"""Pieces smaller than this share of the largest one, or than so many pixels, are noise."""
EDGE_PX = 3
OBJECT_SHARE = (0.003, 0.97)
"""A cut-out smaller or larger than these shares of the picture is taken for a failure."""

AGREED_SHARE = 0.9
"""Shared part of both cuts from which the one by colour is taken."""
STABLE, LIKELY = 0.8, 0.6
"""Stability from which the network is sure, and from which it is believed more than colour, see
`ObjectMask`."""

NOT_PLAIN = (
    "The background is not plain, so the whole picture was used. For a better shape, use a picture "
    "with a transparent or plain background."
)
UNSURE = (
    "The object could not be told clearly from its background. Look at the cut-out: if it is "
    "wrong, use a picture with a transparent or plain background."
)


@dataclass(frozen=True, slots=True)
class Cutout:
    """A picture and what happened to its background.

    Attributes:
        pixels: `[H, W, 4]` float32 in [0, 1], sRGB with straight alpha.
        warning: A sentence for the user, or "" when the object was cut out.
    """

    pixels: FloatArray
    warning: str = ""


def has_alpha(pixels: FloatArray) -> bool:
    """Whether the picture's own alpha cuts an object out: some of it is transparent."""
    return bool((pixels[..., 3] < 0.5).mean() >= 0.005)


def remove_background(pixels: FloatArray, guesser: ObjectGuesser | None = None) -> Cutout:
    """Cut the object out.

    By colour: a smooth colour is fitted to the picture's edge; from there a flood takes every
    connected pixel of that colour, and of its shadows. What it cannot reach is the object, holes in
    it included. Where a network is given and sees another object, it is believed if it is likely
    to be right.

    Args:
        pixels: `[H, W, 4]` float32 in [0, 1], sRGB; the alpha is ignored.
        guesser: The network, on the CPU.

    Returns:
        The cut-out, at most `WORKING_SIDE_PX` pixels a side, with a warning where both ways differ
        and none is sure; or the whole picture and a warning when nothing could be cut out.
    """
    colour = _reduced(pixels[..., :3])
    is_object, warning = _cut_by_colour(colour), ""
    if guesser is not None:
        is_object, warning = _choose_mask(is_object, colour, guesser)
    if is_object is None:
        return Cutout(_with_alpha(colour, np.ones(colour.shape[:2])), NOT_PLAIN)
    return Cutout(_soften(colour, is_object), warning)


def _cut_by_colour(colour: FloatArray) -> Mask | None:
    """The object before a plain background; None if that is not plain or hides the object."""
    background, tolerance = _fit_background(colour)
    if tolerance is None:
        return None
    is_object = keep_large_pieces(~_flood(colour, background, tolerance), SPECK_SHARE, SPECK_PX)
    return is_object if _is_plausible(is_object) else None


def _is_plausible(is_object: Mask) -> bool:
    """Whether an object may be as large as this."""
    return bool(OBJECT_SHARE[0] <= is_object.mean() <= OBJECT_SHARE[1])


def _choose_mask(
    by_colour: Mask | None, colour: FloatArray, guesser: ObjectGuesser
) -> tuple[Mask | None, str]:
    """The better one of both cuts, and a warning if neither can be relied on."""
    guess = find_object(colour, guesser)
    if by_colour is not None:
        shared = (by_colour & guess.mask).sum() / max(int((by_colour | guess.mask).sum()), 1)
        if shared >= AGREED_SHARE:
            return by_colour | guess.core, ""
    if guess.stability >= LIKELY and _is_plausible(guess.mask):
        return guess.mask, "" if guess.stability >= STABLE else UNSURE
    return by_colour, NOT_PLAIN if by_colour is None else UNSURE


def _reduced(colour: FloatArray) -> FloatArray:
    """The picture at no more than the working size: `[H, W, 3]`."""
    height, width = colour.shape[:2]
    scale = WORKING_SIDE_PX / max(height, width)
    if scale >= 1:
        return colour
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    planes = [Image.fromarray(np.ascontiguousarray(colour[..., c])) for c in range(3)]
    return np.stack([np.asarray(p.resize(size, Image.Resampling.BOX)) for p in planes], axis=-1)


def _fit_background(colour: FloatArray) -> tuple[FloatArray, float | None]:
    """A smooth background `[H, W, 3]` and its tolerance as a distance; None: not plain."""
    height, width = colour.shape[:2]
    strip = max(2, round(BORDER_SHARE * min(height, width)))
    y, x = np.meshgrid(np.linspace(-1, 1, height), np.linspace(-1, 1, width), indexing="ij")
    terms = np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=-1)  # [H, W, 6]
    is_border = np.ones((height, width), bool)
    is_border[strip:-strip, strip:-strip] = False
    samples, places = colour[is_border].astype(np.float64), terms[is_border]
    # Once from all of the strip, for strong gradients; once from its most common colour, in case
    # the object covers much of it.
    starts = (np.zeros(len(samples)), np.linalg.norm(samples - _common_colour(samples), axis=-1))
    fits = [_fit_robustly(places, samples, distance) for distance in starts]
    fit = max(fits, key=lambda f: (_distances(places, samples, f) < MAX_TOLERANCE).mean())
    distance = _distances(places, samples, fit)
    is_inlier = distance < MAX_TOLERANCE
    if is_inlier.mean() < PLAIN_SHARE:
        return colour, None
    tolerance = np.clip(4 * np.median(distance[is_inlier]), MIN_TOLERANCE, MAX_TOLERANCE)
    return np.clip(terms @ fit, 0, 1).astype(np.float32), float(tolerance)


def _distances(places: NDArray, samples: NDArray, fit: NDArray) -> NDArray:
    """Colour distance of each sample from the fitted background: `[S]`."""
    return np.linalg.norm(samples - places @ fit, axis=-1)


def _common_colour(samples: NDArray) -> NDArray:
    """Mean of the largest group of alike colours among `[S, 3]` samples."""
    some = samples[:: max(1, len(samples) // 256)]
    is_near = np.linalg.norm(some[:, None] - some, axis=-1) < MAX_TOLERANCE
    return some[is_near[is_near.sum(axis=0).argmax()]].mean(axis=0)


def _fit_robustly(places: NDArray, samples: NDArray, distance: NDArray) -> NDArray:
    """Reweighted least squares of the background's coefficients `[6, 3]`, blind to far outliers."""
    fit = np.zeros((places.shape[1], 3))
    for _ in range(20):
        weight = 1 / (1 + (distance / MIN_TOLERANCE) ** 2) ** 2
        weighted = places * weight[:, None]
        # A little damping keeps the curve flat where the object hides the strip.
        damping = 1e-4 * weight.sum() * np.diag([0.0, 1, 1, 1, 1, 1]) + 1e-9 * np.eye(6)
        fit = np.linalg.solve(weighted.T @ places + damping, weighted.T @ samples)
        distance = _distances(places, samples, fit)
    return fit


def _flood(colour: FloatArray, background: FloatArray, tolerance: float) -> Mask:
    """Pixels connected to the picture's edge through background and shadow."""
    is_plain = np.linalg.norm(colour - background, axis=-1) < tolerance
    seed = is_plain.copy()
    seed[1:-1, 1:-1] = False
    allowed = is_plain | _is_shadow(colour, background)
    return np.asarray(ndimage.binary_propagation(seed, mask=allowed), bool)


def _is_shadow(colour: FloatArray, background: FloatArray) -> Mask:
    """Pixels of the background's hue, somewhat darker, that change slowly as shadows do."""
    power = (background**2).sum(axis=-1)
    share = (colour * background).sum(axis=-1) / np.maximum(power, 1e-3)  # brightness kept
    off_hue = np.linalg.norm(colour - share[..., None] * background, axis=-1)
    smooth = ndimage.gaussian_filter(colour.mean(axis=-1), 1.0)
    slope = np.hypot(*np.gradient(smooth))
    is_dimmed = (share > SHADOW_FLOOR) & (share < 1.02) & (power > 0.1)
    return is_dimmed & (off_hue < MIN_TOLERANCE) & (slope < SHADOW_SLOPE / max(colour.shape))


def _soften(colour: FloatArray, is_object: Mask) -> FloatArray:
    """Alpha from how far each pixel of the outline lies between background and object beside it.

    Outline pixels take the colour of the object beside them, so no background shines through.
    """
    eroded = ndimage.binary_erosion(is_object, iterations=EDGE_PX, border_value=1)
    inside = np.asarray(eroded, bool)
    outside = ~_grown(is_object, 1)
    if not inside.any() or not outside.any():
        return _with_alpha(colour, is_object.astype(np.float32))
    is_edge = _grown(is_object, 1) & ~inside
    solid = spread_colours(colour, inside)
    background = spread_colours(colour, outside)  # as it is there, shadow included
    way = solid - background
    share = ((colour - background) * way).sum(axis=-1) / np.maximum((way**2).sum(axis=-1), 1e-3)
    is_distinct = (way**2).sum(axis=-1) > MAX_TOLERANCE**2
    share = np.where(is_distinct, np.clip(share, 0, 1), is_object)
    # A thin part far from any inside pixel has no known colour: it stays as it is.
    is_thin = is_object & ~_grown(inside, EDGE_PX + 1)
    alpha = np.where(inside | is_thin, 1.0, np.where(is_edge, share, 0.0))
    is_mixed = (is_edge & ~is_thin & is_distinct)[..., None] & (alpha < 0.95)[..., None]
    return _with_alpha(np.where(is_mixed, solid, colour), alpha)


def _grown(mask: Mask, steps: int) -> Mask:
    """The mask and what lies within so many pixels of it."""
    return np.asarray(ndimage.binary_dilation(mask, iterations=steps), bool)


def _with_alpha(colour: FloatArray, alpha: NDArray) -> FloatArray:
    """`[H, W, 3]` and `[H, W]` to `[H, W, 4]` float32."""
    return np.concatenate([colour, alpha[..., None]], axis=-1).astype(np.float32)
