# SPDX-License-Identifier: GPL-3.0-or-later
import pytest
import torch

from backend.models.hunyuan3d.config import ShapeVAEConfig
from backend.models.hunyuan3d.shape_vae import ShapeVAE
from tests.unit.training.made_props import write_props
from training.datasets import load_props
from training.entries import PictureChanges, draw_pictures, make_entries, vary_entries
from training.pictures import draw_cameras
from training.variations import Variation

VAE = ShapeVAEConfig(
    num_latents=8, embed_dim=4, width=32, heads=2, num_decoder_layers=1, num_encoder_layers=1,
    pc_size=48, pc_sharpedge_size=16, num_freqs=4, has_latent_anchors=True, scale_factor=2.0,
)  # fmt: skip


@pytest.fixture(scope="module")
def props(tmp_path_factory):
    folder = write_props(tmp_path_factory.mktemp("props"))
    return load_props(folder, "train", torch.device("cpu"))


@pytest.fixture(scope="module")
def vae():
    torch.manual_seed(0)
    return ShapeVAE(VAE).requires_grad_(False)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def make_six(props, vae, seed=0):
    shapes = torch.tensor([0, 1, 2, 0, 1, 2])
    return vary_entries(props, shapes, vae, Variation(), 32, 0.15, seeded(seed))


def test_entries_hold_view_latents_and_points_of_their_shapes(props, vae):
    cameras = draw_cameras(3, torch.device("cpu"), seeded())
    entries = make_entries(props, vae, cameras, 32, 0.15, seeded(1))
    assert len(entries) == 3 and torch.equal(entries.azimuth, cameras.azimuth)
    assert entries.base.shape == (3, 32, 32, 4) and entries.normal.shape == (3, 32, 32, 3)
    assert entries.mean.shape == entries.deviation.shape == (3, 8, 4)
    near = entries.points[:, : entries.points.shape[1] // 2].float()
    cube = near[0].abs().amax(1)  # 1 on the cube's surface
    assert (cube - 1).abs().median() < 0.03
    ball = near[2].norm(dim=1)
    assert (ball - 1).abs().median() < 0.05
    assert (entries.deviation > 0).all()


def test_replaced_rows_are_the_new_ones_and_others_stay(props, vae):
    entries, new = make_six(props, vae), make_six(props, vae, seed=1)
    before = {name: tensor.clone() for name, tensor in entries.tensors().items()}
    rows = torch.tensor([4, 1])
    picked = type(new)(*(tensor[:2] for tensor in new.tensors().values()))
    entries.replace_rows(rows, picked)
    for name, tensor in entries.tensors().items():
        assert torch.equal(tensor[rows], new.tensors()[name][:2])
        others = torch.tensor([0, 2, 3, 5])
        assert torch.equal(tensor[others], before[name][others])


def test_same_seed_same_entries(props, vae):
    first, again, other = (make_six(props, vae, seed) for seed in (0, 0, 1))
    assert all(torch.equal(a, again.tensors()[k]) for k, a in first.tensors().items())
    assert not torch.equal(first.base, other.base)


def test_picture_changes_act_only_when_asked_for(props, vae):
    entries, rows = make_six(props, vae), torch.arange(6)
    plain = draw_pictures(entries, rows, seeded(5))
    none = draw_pictures(entries, rows, seeded(5), PictureChanges())
    assert plain.shape == none.shape == (6, 4, 32, 32)
    for picture in (plain, draw_pictures(entries, rows, seeded(5), PictureChanges(1, 1, 1, 1))):
        assert picture.abs().max() <= 1 + 1e-5
        colour, alpha = picture[:, :3], picture[:, 3:].expand(-1, 3, -1, -1)
        assert (colour[alpha == -1] > 0.98).all(), "over white where nothing is"
