# SPDX-License-Identifier: GPL-3.0-or-later
from dataclasses import replace

import numpy as np
import pytest
import torch

from backend.config import JobConfig, overlay
from backend.data import Mesh
from backend.mesh.unwrap import can_hold_texture
from backend.pipelines.uv import MappedTarget, Target, give_uv
from backend.progress import Progress
from tests.unit.pipelines.boxes import SIDES, make_box, make_texture, side_of_face, texel_of

CPU = torch.device("cpu")


def uv_of(mesh: Mesh) -> np.ndarray:
    assert mesh.uv is not None
    return mesh.uv


def with_uv(uv: np.ndarray) -> Mesh:
    return replace(make_box(), uv=uv.astype(np.float32))


def give(target: Target, choice: str = "auto") -> MappedTarget:
    config = overlay(JobConfig(), {"uv": choice, "texture_size": 512})
    return give_uv(target, config, Progress(), CPU)


BOX_UV = uv_of(make_box())
UNUSABLE = {
    "every face in one place": np.tile(np.array([[0, 0], [1, 0], [0, 1]]), (12, 1, 1)),
    "two sides in one place": np.concatenate([BOX_UV[:2], BOX_UV[:2], BOX_UV[4:]]),
    "beyond the square": BOX_UV * 2,
    "below the square": BOX_UV - 0.5,
    "a point": BOX_UV * 0,
    "a side without room": np.concatenate([BOX_UV[:2] * 0, BOX_UV[2:]]),
}


@pytest.mark.parametrize("uv", UNUSABLE.values(), ids=UNUSABLE)
def test_other_maps_cannot_and_are_replaced_unless_they_are_to_be_kept(uv):
    mesh = with_uv(uv)
    made = give(Target(mesh))
    assert made.is_new_uv and can_hold_texture(made.target.mesh)
    assert made.target.mesh.vertices is mesh.vertices and made.target.mesh.faces is mesh.faces
    (warning,) = made.warnings
    assert warning.endswith("So a new UV map was made.")
    kept = give(Target(mesh), "keep")
    assert not kept.is_new_uv and kept.target.mesh is mesh
    (warning,) = kept.warnings
    assert warning.endswith("It was kept, as asked.")


def test_usable_map_is_kept_unless_a_new_one_is_wanted():
    for choice in ("auto", "keep"):
        kept = give(Target(make_box()), choice)
        assert not kept.is_new_uv and kept.warnings == ()
        assert np.array_equal(uv_of(kept.target.mesh), BOX_UV)
    made = give(Target(make_box()), "new")
    assert made.is_new_uv and made.warnings == ()
    assert not np.array_equal(uv_of(made.target.mesh), BOX_UV)


def test_texture_and_mask_move_to_a_new_map():
    mask = (make_texture(300) == SIDES["top"][1]).all(axis=-1)
    given = Target(make_box(), side_of_face("front"), make_texture(300), mask)
    made = give(given, "new").target
    assert made.base_texture is not None and made.texel_mask is not None
    assert made.base_texture.shape == (512, 512, 3) and made.texel_mask.shape == (512, 512)
    assert made.face_mask is given.face_mask
    centre = uv_of(made.mesh).mean(axis=1)  # of each face
    for name, (_, colour) in SIDES.items():
        for u, v in centre[side_of_face(name)]:
            place = int((1 - v) * 512), int(u * 512)
            assert tuple(made.base_texture[place]) == colour
            assert made.texel_mask[place] == (name == "top")


def test_what_lies_on_the_map_stays_on_a_kept_one():
    base = make_texture(64)
    kept = give(Target(make_box(), None, base)).target
    assert kept.base_texture is base
    assert tuple(base[texel_of("top", 64)]) == SIDES["top"][1]
