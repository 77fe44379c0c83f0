# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns a count and a seed into coloured low-poly assets that widen the training split."""

import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor
from dataclasses import fields

import torch

from training.datasets import Props, make_props
from training.procedural_families import Asset, make_range

CHUNK = 64
"""Assets that one process makes at a time; fewer than four times as many need no pool."""


def make_assets(count: int, seed: int, jobs: int | None = None) -> list[Asset]:
    """Make assets of all families: furniture, vessels, buildings, vehicles, plants, tools, ...

    Args:
        count: How many.
        seed: Asset k depends on the seed and k alone, so a longer list begins with a shorter one.
        jobs: Processes; None takes one for each core where the count is worth it.

    Returns:
        Shapes with the attributes of those that the props archive's reader returns: Y up, front
        +Z, box centred, longest side 2.
    """
    if jobs is None:
        jobs = min(os.cpu_count() or 1, 32) if count >= 4 * CHUNK else 1
    if jobs <= 1:
        return make_range(0, count, seed)
    starts = range(0, count, CHUNK)
    stops = [min(start + CHUNK, count) for start in starts]
    # Not by forking: a forked process cannot use CUDA.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, mp_context=context) as pool:
        parts = pool.map(make_range, starts, stops, [seed] * len(stops))
        return [asset for part in parts for asset in part]


def add_procedural(props: Props, count: int, seed: int) -> Props:
    """Append made assets to shapes, on their device.

    Args:
        props: What comes first; returned as it is where nothing is appended.
        count: Made assets, whose names begin with "procedural/".
        seed: Of these.
    """
    if count <= 0:
        return props
    return join_props(props, make_props(make_assets(count, seed), props.corners.device))


def join_props(first: Props, second: Props) -> Props:
    """Put the shapes of both end to end."""
    joined = {}
    for name in (f.name for f in fields(Props)):
        a, b = getattr(first, name), getattr(second, name)
        if name in ("first", "first_edge"):  # [S + 1], borders of the triangles or edges
            joined[name] = torch.cat([a, b[1:] + a[-1]])
        else:
            joined[name] = torch.cat([a, b]) if isinstance(a, torch.Tensor) else [*a, *b]
    return Props(**joined)
