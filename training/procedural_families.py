# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns a seed and a number into one coloured asset of a random family; numpy alone."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from training.procedural_animals import ANIMALS
from training.procedural_beings import BEINGS
from training.procedural_buildings import BUILDINGS
from training.procedural_chests import CHESTS
from training.procedural_craft import CRAFT
from training.procedural_food import FOOD
from training.procedural_furniture import FURNITURE
from training.procedural_gadgets import GADGETS
from training.procedural_kit import KIT
from training.procedural_machines import MACHINES
from training.procedural_model import Model
from training.procedural_nature import PLANTS
from training.procedural_rocks import ROCKS
from training.procedural_structures import STRUCTURES
from training.procedural_tools import TOOLS
from training.procedural_vehicles import VEHICLES
from training.procedural_vessels import VESSELS
from training.procedural_weapons import WEAPONS

PACK = "procedural"
Generator = Callable[[Model], None]
FAMILIES: dict[str, tuple[Generator, ...]] = {
    "furniture": FURNITURE,
    "vessel": VESSELS,
    "chest": CHESTS,
    "building": BUILDINGS,
    "vehicle": VEHICLES + CRAFT,
    "plant": PLANTS,
    "tool": TOOLS + WEAPONS,
    "structure": STRUCTURES,
    "being": BEINGS + ANIMALS,
    "rock": ROCKS,
    "food": FOOD,
    "machine": MACHINES,
    "kit": KIT + GADGETS,
}
"""Generators of each family; one that makes more kinds of things stands there more than once."""
_WEIGHTS = (13, 11, 4, 12, 12, 11, 11, 8, 11, 5, 5, 6, 12)
_STRETCH = 0.12


@dataclass(slots=True)
class Asset:
    """One made shape, with the attributes of a shape that the props archive's reader returns.

    Attributes:
        name: `family_kind_number`, unique for one seed.
        tags: Family and kind.
        vertices: `[P, 3]` float32, box centred, longest side 2; Y up, front +Z.
        faces: `[F, 3]` int32, counter-clockwise from outside.
        corner_colors: `[F, 3, 3]` uint8, sRGB.
        group: As the name: no asset is another's variant.
    """

    name: str
    tags: list[str]
    vertices: np.ndarray
    faces: np.ndarray
    corner_colors: np.ndarray
    group: str
    pack: str = PACK
    creator: str = field(default="Maquette", repr=False)
    licence: str = field(default="CC0-1.0", repr=False)
    source: str = field(default="training/procedural.py", repr=False)
    split: str = "train"


def make_asset(index: int, seed: int) -> Asset:
    """Make the asset of this number; it depends on seed and number alone."""
    rng = np.random.default_rng((seed, index))
    share = np.array(_WEIGHTS) / sum(_WEIGHTS)
    family = list(FAMILIES)[int(rng.choice(len(_WEIGHTS), p=share))]
    generators = FAMILIES[family]
    generator = generators[int(rng.integers(len(generators)))]
    model = Model(rng)
    generator(model)
    factors = np.exp(rng.uniform(-_STRETCH, _STRETCH, 3))
    model.repeat([lambda solid: solid.scale(*factors)])
    vertices, faces, colors = model.finish()
    kind = generator.__name__.lstrip("_")
    name = f"{family}_{kind}_{seed}_{index:06d}"
    return Asset(name, [family, kind], vertices, faces, colors, name)


def make_range(start: int, stop: int, seed: int) -> list[Asset]:
    """Make the assets from number `start` up to, but without, `stop`."""
    return [make_asset(index, seed) for index in range(start, stop)]
