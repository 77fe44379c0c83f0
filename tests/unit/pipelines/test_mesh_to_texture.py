# SPDX-License-Identifier: GPL-3.0-or-later
"""From a mesh and pictures to a texture, with a network that paints the mean of its references."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from backend.config import JobConfig, overlay
from backend.data import Mesh
from backend.errors import CancelledError, InputError
from backend.paint.delight import LightRemover
from backend.paint.sample import PaintDefaults, PaintNetworks
from backend.pipelines import mesh_to_texture
from backend.pipelines.families import nearest_camera_label
from backend.pipelines.mesh_to_texture import texture_mesh
from backend.pipelines.painting_scene import bake_draft
from backend.pipelines.texture_result import TextureResult
from backend.pipelines.uv import Target
from backend.progress import Progress
from tests.unit.paint.stand_ins import NOISE, HalvingCoder, MeanPainter
from tests.unit.pipelines.boxes import SIDES, make_box, make_texture, side_of_face, texel_of

CPU = torch.device("cpu")
SIZE = 120
RED = (0.8, 0.2, 0.1)
CONFIG = overlay(
    JobConfig(),
    {"uv": "keep", "paint_guidance": 1.0, "border_ratio": 0.0, "project_reference": "never"},
)


def make_networks(painter: MeanPainter | None = None, **changes) -> PaintNetworks:
    defaults = PaintDefaults(2, 1.0, "ddim", NOISE, 64, 64, supersample=1, is_corner_aligned=False)
    return PaintNetworks(
        HalvingCoder(), painter or MeanPainter(), nearest_camera_label, replace(defaults, **changes)
    )


def make_picture(colour: tuple[float, ...] = RED) -> np.ndarray:
    picture = np.empty((48, 48, 4), np.float32)
    picture[..., :3], picture[..., 3] = colour, 1.0
    return picture


def texture(
    target: Target, values: dict | None = None, networks: PaintNetworks | None = None, **changes
) -> TextureResult:
    config = overlay(CONFIG, {"remove_background": "never", **(values or {})})
    config = replace(config, bake=replace(config.bake, texture_size=SIZE))  # small, so fast
    return texture_mesh(
        target,
        changes.get("images", [make_picture()]),
        changes.get("labels", (0,)),
        config,
        networks or make_networks(),
        changes.get("progress", Progress()),
        CPU,
    )


def colours(result: TextureResult) -> dict[str, tuple[int, ...]]:
    """The middle of each side in the texture."""
    size = len(result.picture)
    return {name: tuple(map(int, result.picture[texel_of(name, size)])) for name in SIDES}


def make_cup(depth: float = 0.9) -> Mesh:
    """A box whose front has a deep square hole; its walls are seen from no standard view."""
    outer, inner = make_box((1, 1, 1)), make_box((0.5, 0.5, depth))
    offset = np.array([0, 0, (1 - depth) / 2 + 1e-3])
    vertices = np.concatenate([outer.vertices, inner.vertices + offset])
    faces = np.concatenate([outer.faces[2:], inner.faces[2:, ::-1] + len(outer.vertices)])
    uv = np.concatenate([outer.uv[2:] * (0.5, 1), inner.uv[2:, ::-1] * (0.5, 1) + (0.5, 0)])
    return Mesh(vertices.astype(np.float32), faces.astype(np.int32), uv.astype(np.float32))


def test_all_sides_get_the_pictures_colour_and_the_mesh_stays_as_it_was():
    box = replace(make_box(), vertices=make_box().vertices * 7 + np.float32(3))
    result = texture(Target(box))
    assert np.array_equal(result.mesh.vertices, box.vertices)
    assert np.array_equal(result.mesh.faces, box.faces)
    assert result.mesh.uv is box.uv and not result.is_new_uv
    assert result.picture.shape == (SIZE, SIZE, 3) and result.picture.dtype == np.uint8
    for colour in colours(result).values():
        assert colour == pytest.approx([255 * c for c in RED], abs=2)
    assert result.coverage["seen"] > 0.9
    assert result.coverage["seen"] + result.coverage["filled"] == pytest.approx(1)
    assert result.coverage["views"] == 6


def test_outside_of_the_mask_the_present_texture_stays_to_the_byte():
    base = make_texture(SIZE)
    result = texture(Target(make_box(), side_of_face("front"), base))
    changed = (result.picture != base).any(axis=-1)
    row, column = texel_of("front", SIZE)
    assert changed[row, column]
    third = SIZE // 3
    assert not changed[: SIZE - third - 1].any() and not changed[:, third + 1 :].any()
    assert colours(result)["front"] == pytest.approx([255 * c for c in RED], abs=2)
    assert result.coverage["seen"] > 0.9


def test_texture_that_is_kept_in_part_keeps_its_size_and_alpha():
    base = np.dstack([make_texture(240), np.full((240, 240), 77, np.uint8)])[:, ::2]
    result = texture(Target(make_box(), side_of_face("back"), np.ascontiguousarray(base)))
    assert result.picture.shape == (240, 120, 4)
    row, column = texel_of("back", 240)
    assert tuple(result.picture[row, column // 2]) == pytest.approx((204, 51, 26, 255), abs=2)
    row, column = texel_of("top", 240)
    assert np.array_equal(result.picture[row, column // 2], base[row, column // 2])


def test_texel_mask_limits_what_is_painted():
    mask = np.zeros((SIZE, SIZE), bool)
    row, column = texel_of("left", SIZE)
    mask[row - 8 : row + 8, column - 8 : column + 8] = True
    base = make_texture(SIZE)
    result = texture(Target(make_box(), None, base, mask))
    changed = (result.picture != base).any(axis=-1)
    assert np.array_equal(changed, mask)


def test_kept_parts_are_shown_to_the_network_while_the_rest_is_painted():
    painter = MeanPainter()
    base = np.full((SIZE, SIZE, 3), 230, np.uint8)
    texture(Target(make_box(), side_of_face("front"), base), {}, make_networks(painter))
    back, front = (painter.calls[-1]["sample"][0, view, :, 12:20, 12:20] for view in (2, 0))
    level = 230 / 127.5 - 1
    assert (back - level).abs().mean() < (front - level).abs().mean()


def test_present_texture_without_a_mask_is_a_further_reference():
    base = np.zeros((SIZE, SIZE, 3), np.uint8)
    alone, joined = texture(Target(make_box())), texture(Target(make_box(), None, base))
    assert colours(joined)["front"][0] < colours(alone)["front"][0] - 20
    assert colours(joined)["front"] == pytest.approx(colours(joined)["left"], abs=1)


def test_hidden_walls_get_views_of_their_own():
    cup = make_cup()
    few = texture(Target(cup), {"further_views": 0})
    painter = MeanPainter()
    more = texture(Target(cup), {"further_views": 4}, make_networks(painter))
    assert few.coverage["views"] == 6
    assert 7 <= more.coverage["views"] <= 10
    assert more.coverage["seen"] > few.coverage["seen"] + 0.05
    num_views = {call["sample"].shape[1] for call in painter.calls}
    assert num_views == {6, 3 + int(more.coverage["views"]) - 6}


def test_many_further_views_are_painted_in_groups_that_add_up(monkeypatch):
    """Each group starts from a draft that holds the groups before it."""
    monkeypatch.setattr(mesh_to_texture, "_MOST_AT_ONCE", 2)
    painter, drafts = MeanPainter(), []

    def remember(scene, painted, projected):
        drafts.append(len(painted.cameras))
        return bake_draft(scene, painted, projected)

    monkeypatch.setattr(mesh_to_texture, "bake_draft", remember)
    grouped = texture(Target(make_cup()), {"further_views": 4}, make_networks(painter))
    num_views = int(grouped.coverage["views"])
    assert drafts == list(range(6, num_views, 2)) and len(drafts) > 1
    assert max(call["sample"].shape[1] for call in painter.calls) == 6
    few = texture(Target(make_cup()), {"further_views": 2})
    assert grouped.coverage["seen"] > few.coverage["seen"]


def test_further_views_hold_what_is_painted_already():
    class Fading(MeanPainter):
        """Paints the first six views white, later ones black."""

        def __call__(self, sample, timestep, geometry, cameras, reference, *rest):
            value = 1.0 if sample.shape[1] == 6 else -1.0
            tokens = {"place": torch.full_like(reference["place"], value)}
            return super().__call__(sample, timestep, geometry, cameras, tokens, *rest)

    result = texture(Target(make_cup()), {"further_views": 4}, make_networks(Fading()))
    outer = [
        result.picture[r, c // 2] for r, c in (texel_of(n, SIZE) for n in SIDES if n != "front")
    ]
    assert min(colour.min() for colour in outer) > 250
    assert result.picture.min() < 30


def test_front_of_an_existing_mesh_can_be_turned():
    class FrontOnly(MeanPainter):
        """Paints the front view white and the others black."""

        def __call__(self, sample, timestep, geometry, cameras, reference, *rest):
            out = super().__call__(sample, timestep, geometry, cameras, reference, *rest)
            white = {"place": torch.ones_like(reference["place"])}
            black = {"place": -torch.ones_like(reference["place"])}
            lit = super().__call__(sample, timestep, geometry, cameras, white, *rest)
            dark = super().__call__(sample, timestep, geometry, cameras, black, *rest)
            out[:, 1:] = dark[:, 1:]
            out[:, :1] = lit[:, :1]
            return out

    for front_deg, name in ((0.0, "front"), (90.0, "left"), (-90.0, "right"), (180.0, "back")):
        result = texture(
            Target(make_box((1, 1, 1.2))), {"front_deg": front_deg}, make_networks(FrontOnly())
        )
        levels = {side: colour[0] for side, colour in colours(result).items()}
        assert max(levels, key=lambda side: levels[side]) == name, front_deg
        assert levels[name] > 200


def test_every_picture_is_a_reference():
    red, blue = make_picture((1.0, 0.0, 0.0)), make_picture((0.0, 0.0, 1.0))
    result = texture(Target(make_box()), images=[red, blue], labels=(0, 2))
    assert colours(result)["front"] == pytest.approx((128, 0, 128), abs=3)


def test_light_is_removed_where_the_model_can_and_the_setting_wants_it():
    calls: list[int] = []

    def predict(inputs: torch.Tensor, timestep: torch.Tensor) -> torch.Tensor:
        calls.append(1)
        return torch.zeros_like(inputs[:, :3])

    class Coder(HalvingCoder):
        def encode(self, image):
            return self.sample(image), self.sample(image)

    remover = LightRemover(Coder(), predict, NOISE, CPU, steps=2, size=64)
    networks = replace(make_networks(), light_remover=remover)
    progress = Progress()
    texture(Target(make_box()), {"delight": "never"}, networks, progress=progress)
    assert not calls and "delight" not in progress.seconds
    texture(Target(make_box()), {"delight": "auto"}, networks, progress=progress)
    assert len(calls) == 2 and "delight" in progress.seconds


def test_seed_makes_the_result_repeatable():
    first, same = (texture(Target(make_box()), {"seed": 5}) for _ in range(2))
    assert np.array_equal(first.picture, same.picture)


@pytest.mark.parametrize("stage", ["prepare", "render", "paint", "bake"])
def test_cancel_is_seen_in_every_stage(stage):
    seen: list[str] = []
    progress = Progress(lambda report: seen.append(report.stage), lambda: stage in seen)
    with pytest.raises(CancelledError):
        texture(Target(make_box()), progress=progress)
    assert seen[-1] == stage and seen.count(stage) == 1


def test_mesh_without_extent_is_an_input_error():
    point = replace(make_box(), vertices=np.zeros((8, 3), np.float32))
    with pytest.raises(InputError, match="no surface"):
        texture(Target(point))


def test_map_that_is_not_there_cannot_be_kept():
    with pytest.raises(InputError, match="no UV map to keep"):
        texture(Target(make_box(uv=False)))
    with pytest.raises(InputError, match="no UV map for its texture"):
        texture(Target(make_box(uv=False), None, make_texture(64)), {"uv": "new"})


def make_flag() -> np.ndarray:
    """The front of a box, blue with a yellow emblem in its upper half."""
    picture = np.empty((96, 96, 4), np.float32)
    picture[:] = (0.1, 0.2, 0.7, 1.0)
    picture[16:36, 38:58] = (0.9, 0.8, 0.2, 1.0)
    return picture


def test_pattern_of_the_picture_reaches_the_texture():
    box = make_box((1, 1, 0.4))
    values = {"project_reference": "auto", "border_ratio": 0.15, "further_views": 0}
    progress = Progress()
    result = texture(Target(box), values, images=[make_flag()], progress=progress)
    assert not result.warnings and progress.seconds["align"] > 0
    assert result.coverage["views"] == 7
    row, column = texel_of("front", SIZE)
    third = SIZE // 3
    emblem, field = (
        result.picture[row - third // 5, column],
        result.picture[row + third // 5, column],
    )
    assert tuple(map(int, emblem)) == pytest.approx((230, 204, 51), abs=25)
    assert tuple(map(int, field)) == pytest.approx((26, 51, 179), abs=25)
    painted = texture(Target(box), {"further_views": 0}, images=[make_flag()])
    low, high = painted.picture[row - third // 5, column], painted.picture[row + third // 5, column]
    assert np.abs(low.astype(int) - high).max() < 10  # the network alone knows the mean only


def test_picture_of_another_shape_is_told_and_not_projected():
    values = {"further_views": 0}
    slim = make_box((0.1, 1, 0.1))
    alone = texture(Target(slim), values, images=[make_flag()])
    tried = texture(Target(slim), {**values, "project_reference": "auto"}, images=[make_flag()])
    (warning,) = tried.warnings
    assert "front picture" in warning and "outlines" in warning
    assert tried.coverage["views"] == 6
    assert np.abs(tried.picture.astype(int) - alone.picture).max() <= 2
