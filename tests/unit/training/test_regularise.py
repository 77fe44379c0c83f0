# SPDX-License-Identifier: GPL-3.0-or-later
import pytest
import torch

from backend.models.dinov2.config import Dinov2Config
from backend.models.dinov2.encoder import Dinov2Encoder
from backend.models.hunyuan3d.config import DenoiserConfig
from backend.models.hunyuan3d.denoiser import Denoiser
from training.regularise import add_stochastic_depth

DENOISER = DenoiserConfig(
    in_channels=4, context_in_dim=16, hidden_size=32, mlp_ratio=2.0, num_heads=2, depth=2,
    depth_single_blocks=2, axes_dim=(16,), theta=10000, qkv_bias=True, num_latents=8,
)  # fmt: skip
ENCODER = Dinov2Config(
    hidden_size=16, num_hidden_layers=3, num_attention_heads=2, patch_size=8, image_size=32,
    num_channels=4,
)  # fmt: skip


@pytest.fixture
def encoder():
    torch.manual_seed(0)
    return Dinov2Encoder(ENCODER)


def test_evaluation_is_untouched_and_training_skips_whole_samples(encoder):
    picture = torch.rand(1, 4, 32, 32).expand(64, -1, -1, -1)
    expected = encoder.eval()(picture)
    add_stochastic_depth(encoder, Denoiser(DENOISER), 0.5)
    assert torch.equal(encoder(picture), expected)
    branch = encoder.train().encoder.layer[2].mlp
    scale = encoder.encoder.layer[2].layer_scale2
    tokens = torch.rand(1, 17, 16).expand(400, -1, -1)
    full, found = branch(tokens), scale(branch(tokens))
    is_kept = found.flatten(1).any(1)
    assert torch.allclose(found[is_kept], 2 * full[is_kept], atol=1e-6)
    assert is_kept.float().mean() == pytest.approx(0.5, abs=0.1)


def test_first_branch_is_always_kept_and_chances_grow_with_depth(encoder):
    add_stochastic_depth(encoder, Denoiser(DENOISER), 0.8)
    encoder.train()
    tokens = torch.ones(1000, 1, 16)
    kept = [
        float(layer.layer_scale1(tokens).flatten(1).any(1).float().mean())
        for layer in encoder.encoder.layer
    ]
    assert kept[0] == 1 and kept[1] == pytest.approx(0.6, abs=0.06)
    assert kept[2] == pytest.approx(0.2, abs=0.06)


def test_denoiser_is_random_in_training_and_same_in_expectation_where_linear(encoder):
    denoiser = Denoiser(DENOISER)
    for parameter in denoiser.parameters():  # its gates start at zero
        torch.nn.init.normal_(parameter, std=0.2)
    inputs = torch.randn(2, 8, 4), torch.tensor([0.3, 0.7]), torch.randn(2, 5, 16)
    expected = denoiser.eval()(*inputs)
    add_stochastic_depth(encoder, denoiser, 0.9)
    assert torch.equal(denoiser(*inputs), expected)
    first, second = (denoiser.train()(*inputs) for _ in range(2))
    assert not torch.equal(first, second) and not torch.equal(first, expected)


def test_rate_zero_adds_no_hooks(encoder):
    denoiser = Denoiser(DENOISER)
    add_stochastic_depth(encoder, denoiser, 0.0)
    modules = [*encoder.modules(), *denoiser.modules()]
    assert not any(module._forward_hooks for module in modules)
