# SPDX-License-Identifier: GPL-3.0-or-later
"""The real worker makes the same again, bit for bit; each test in a process of its own."""

import json

import pytest

from tests.blender.test_generate import EMBEDDED, TINY
from tests.blender.test_recipe import digests_of, reload

TWIN = "This is the same result as '{}', bit for bit."


@pytest.mark.parametrize("is_reloaded", [False, True])
def test_again_is_the_same_bit_for_bit(bpy, addon, use_worker, picture, tmp_path, is_reloaded):
    use_worker(TINY)
    panel = bpy.context.scene.maquette
    panel.image, panel.resolution, panel.target_faces, panel.seed = picture, 64, 300, 5
    panel.texture, panel.texture_size, panel.further_views = "paint", 512, 0
    assert bpy.ops.maquette.generate() == {"FINISHED"}
    before = digests_of(bpy.context.object)
    if is_reloaded:
        reload(bpy, tmp_path)
    panel = bpy.context.scene.maquette
    panel.seed, panel.resolution, panel.image = 6, 128, None
    assert bpy.ops.maquette.generate_again() == {"FINISHED"}
    again = bpy.context.object
    assert again.name == "red disc.001" and len(before[1]) == 1
    assert digests_of(again) == before
    assert TWIN.format("red disc") in addon.session.current().status.notes
    assert (panel.seed, panel.resolution) == (6, 128)


def test_another_seed_gives_another_texture(bpy, addon, use_worker, picture):
    use_worker(TINY)
    panel = bpy.context.scene.maquette
    panel.image, panel.resolution, panel.target_faces = picture, 64, 300
    panel.texture, panel.texture_size, panel.further_views = "paint", 512, 0
    bpy.ops.maquette.generate()
    first = bpy.context.object
    assert bpy.ops.maquette.generate_variation() == {"FINISHED"}
    other = bpy.context.object
    assert other.maquette.seed != first.maquette.seed
    mine, its = (json.loads(obj.maquette.made.settings) for obj in (first, other))
    assert {name for name in mine if mine[name] != its[name]} == {"seed"}
    assert digests_of(other)[1] != digests_of(first)[1]
    assert not any("same result" in note for note in addon.session.current().status.notes)


@pytest.mark.skipif(
    not list(EMBEDDED.glob("*.safetensors")), reason="the embedded model is not trained yet"
)
def test_embedded_model_makes_the_same_again(bpy, addon):
    image = bpy.data.images.load(str(EMBEDDED.parents[2] / "examples/barrel.png"))
    panel = bpy.context.scene.maquette
    panel.image, panel.resolution, panel.target_faces, panel.texture_size = image, 64, 500, 512
    panel.steps = 2
    assert bpy.ops.maquette.generate() == {"FINISHED"}
    first = bpy.context.object
    weights = json.loads(first.maquette.made.weights)
    assert len(weights["model"]) == 64
    assert bpy.ops.maquette.generate_again() == {"FINISHED"}
    mesh, textures = digests_of(bpy.context.object)
    assert (mesh, textures) == digests_of(first) and len(textures) == 1
    assert TWIN.format("barrel") in addon.session.current().status.notes
