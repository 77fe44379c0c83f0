# SPDX-License-Identifier: GPL-3.0-or-later
"""The embedded model and the real worker make the same again, bit for bit."""

import json

import pytest

from tests.blender.test_generate import EMBEDDED
from tests.blender.test_recipe import TWIN, digests_of


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
