# SPDX-License-Identifier: GPL-3.0-or-later
"""Colour statistics after light removal: corrected, or kept where the correction does harm."""

import torch

from backend.paint.delight import recolour
from tests.parity.cases import PAINT_TOLERANCE, Case

PREFIXES = ("delight_recolour",)


def check(case: Case) -> None:
    runs = {name.partition(".")[0] for name in case.tensors}
    assert runs
    for run in sorted(runs):
        given = {n.partition(".")[2]: t for n, t in case.tensors.items() if n.startswith(run)}
        source, alpha = given["source"], given["alpha"]
        out = recolour(source, given["target"], alpha, case.config["scale"])
        case.assert_close(f"{run}.out", out, given.get("out", source), PAINT_TOLERANCE)
        assert torch.equal(out, source) is not bool(given["changed"].item())
        composed = (255 * (out.double() * alpha.double() + 1 - alpha.double())).to(torch.uint8)
        difference = (composed.int() - given["composed"].int()).abs()
        assert difference.max() <= 1  # truncation may fall to either side
        assert (difference > 0).double().mean() < 0.01
