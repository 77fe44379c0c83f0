# SPDX-License-Identifier: GPL-3.0-or-later
"""Fits the guess of unknown colours from known ones: a hundred numbers, on a processor.

    python -m training.guess --props FOLDER --out FOLDER [--count 1000] [--steps 1200]

Props are rendered small; what a reference picture shows of them is known, the rest is to be found.
"""

import argparse
import math
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from backend.models.maquette.colour_guess import ColourGuess
from backend.paint.guess import enlarge_cells, pool_cells
from training.checkpoints import Log, save_shards
from training.datasets import draw_maps
from training.paint_checks import NUM_VIEWS
from training.paint_data import PaintEntries, make_paint_entries
from training.paint_views import load_paint_props

SIZE_PX, CELL_PX = 128, 4
TARGETS, SOURCES = 192, 600
"""Cells of each object that a step looks at, at most."""
TOGETHER = 4
RATE = 0.04


@dataclass(slots=True)
class Cells:
    """The cells of one object.

    Attributes:
        target: `[M, 6]` places and directions of the unknown cells.
        truth: `[M, 3]` their colours.
        view: `[M]` int64, the view that each is in.
        source: `[K, 6]` of the cells of which something is known.
        colour: `[K, 3]` of that.
        share: `[K]` how much of each is known.
    """

    target: Tensor
    truth: Tensor
    view: Tensor
    source: Tensor
    colour: Tensor
    share: Tensor

    def guess(self, guesser: ColourGuess, target: Tensor, source: Tensor) -> Tensor:
        """Colours of some of the targets, from some of the sources; both given by index."""
        return guesser(
            self.target[target][None], self.source[source][None], self.colour[source][None],
            self.share[source][None],
        )[0]  # fmt: skip


def make_entries(folder: Path, split: str, count: int, generator: torch.Generator) -> PaintEntries:
    """Random training shapes, stretched, or the first validation shapes as they are."""
    source = load_paint_props(folder, split, generator.device)
    total = source.props.num_shapes
    if split == "train":
        shapes = torch.randperm(total, generator=generator)[:count]
        maps = draw_maps(source.props, shapes, generator, 0.2, 0.0)
    else:
        shapes = torch.arange(min(count, total))
        maps = torch.eye(3).expand(len(shapes), 3, 3)
    return make_paint_entries(source, shapes, maps, SIZE_PX, 0, generator, CELL_PX)


def find_cells(entries: PaintEntries) -> list[Cells]:
    """The cells of every object of which something is known, and something is not."""
    found = []
    for row in range(len(entries)):
        pixels = entries.colour[row : row + 1, :NUM_VIEWS].float() / 255
        colour, on_object = pixels[..., :3].movedim(-1, 2), (pixels[..., 3] > 0.5)[:, :, None]
        normal, position = (
            maps[row : row + 1, :NUM_VIEWS].movedim(-1, 2).float() / 255
            for maps in (entries.normal, entries.position)
        )
        values = torch.cat([position - 0.5, normal * 2 - 1, colour], 2)
        known = entries.seen[row : row + 1, :NUM_VIEWS, 0]
        wide = enlarge_cells(known, CELL_PX)[:, :, None]
        (every, cover), (seen, share) = (
            tuple(x.movedim(2, -1).flatten(0, 3) for x in pool_cells(values, mask.float(), CELL_PX))
            for mask in (on_object, on_object & wide)
        )
        wanted = (cover[:, 0] > 0.5) & ~known.flatten()
        source = share[:, 0] > 0
        view = torch.arange(NUM_VIEWS).repeat_interleave(known[0, 0].numel())
        if int(wanted.sum()) >= 10 and int(source.sum()) >= 5:
            found.append(
                Cells(
                    every[wanted, :6], every[wanted, 6:], view[wanted],
                    seen[source, :6], seen[source, 6:], share[source, 0],
                )
            )  # fmt: skip
    return found


def fit(cells: list[Cells], steps: int, generator: torch.Generator, log: Log) -> ColourGuess:
    """Minimise the mean absolute error of the colours."""
    guesser = ColourGuess()
    optimiser = torch.optim.Adam(guesser.parameters(), RATE)
    for step in range(steps):
        optimiser.param_groups[0]["lr"] = RATE * 0.5 * (1 + math.cos(math.pi * step / steps))
        loss = torch.zeros(())
        for row in torch.randint(len(cells), (TOGETHER,), generator=generator).tolist():
            one = cells[row]
            target = torch.randint(len(one.target), (TARGETS,), generator=generator)
            source = torch.randperm(len(one.source), generator=generator)[:SOURCES]
            error = one.guess(guesser, target, source) - one.truth[target]
            loss = loss + error.abs().mean() / TOGETHER
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        if step % 100 == 0 or step == steps - 1:
            log.write(step=step, loss=float(loss.detach()))
    return guesser


@torch.no_grad()
def measure(guesser: ColourGuess, cells: list[Cells]) -> dict[str, float]:
    """Errors of the unknown cells.

    Returns:
        Mean over the objects of the squared error and of the PSNR in dB, and of the error of the
        mean colour in each view.
    """
    squares, apart = [], []
    for one in cells:
        every = torch.arange(len(one.source))
        parts = torch.arange(len(one.target)).split(1024)
        error = torch.cat([one.guess(guesser, part, every) for part in parts]) - one.truth
        squares.append(error.square().mean())
        means = [error[one.view == view].mean(0).abs().mean() for view in one.view.unique()]
        apart.append(torch.stack(means).mean())
    square = torch.stack(squares)
    return {
        "square": float(square.mean()),
        "psnr": float((-10 * torch.log10(square.clamp(min=1e-7))).mean()),
        "colour_error": float(torch.stack(apart).mean()),
    }


def main() -> None:
    """Fit, measure and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--props", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--count", type=int, default=1000, help="training props")
    parser.add_argument("--check-count", type=int, default=139, help="validation props")
    parser.add_argument("--steps", type=int, default=1200)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    generator = torch.Generator().manual_seed(args.seed)
    log = Log(args.out / "guess_log.jsonl")
    held_out, cells = (
        find_cells(make_entries(args.props, split, count, generator))
        for split, count in (("validation", args.check_count), ("train", args.count))
    )
    log.write(event="before", shapes=len(held_out), **measure(ColourGuess(), held_out))
    guesser = fit(cells, args.steps, generator, log)
    log.write(event="fitted", shapes=len(held_out), **measure(guesser, held_out))
    save_shards(guesser.state_dict(), args.out, "guess")


if __name__ == "__main__":
    main()
