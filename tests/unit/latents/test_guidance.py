# SPDX-License-Identifier: GPL-3.0-or-later
import pytest
import torch

from backend.data import Tokens
from backend.latents.guidance import (
    combine_guided,
    predict_distilled_velocity,
    predict_guided_velocity,
)

TOKENS = Tokens(condition=torch.full((2, 3, 5), 2.0), null=torch.full((2, 3, 5), -1.0))
X = torch.randn(2, 4, 6)
T = torch.tensor(0.25)


class RecordingDenoiser:
    """Velocity = x + t + mean of the row's context, so that rows cannot be mixed up."""

    def __init__(self) -> None:
        self.batches: list[int] = []
        self.guidance: torch.Tensor | None = None

    def __call__(self, x, t, context, guidance=None):
        self.batches.append(len(x))
        self.guidance = guidance
        return x + t[:, None, None] + context.mean(dim=(1, 2))[:, None, None].to(x.dtype)


@pytest.mark.parametrize("scale", [0.0, 0.5, 2.0, 7.5])
def test_guided_velocity_is_null_plus_scaled_difference(scale: float) -> None:
    denoiser = RecordingDenoiser()
    velocity = predict_guided_velocity(denoiser, X, T, TOKENS, scale)
    null, condition = X + 0.25 - 1.0, X + 0.25 + 2.0
    assert torch.allclose(velocity, null + scale * (condition - null), atol=1e-5)
    assert denoiser.batches == [4], "condition and null belong in one forward pass"


def test_scale_one_needs_no_null_pass_and_equals_the_condition() -> None:
    denoiser = RecordingDenoiser()
    velocity = predict_guided_velocity(denoiser, X, T, TOKENS, 1.0)
    assert torch.allclose(velocity, X + 2.25)
    assert denoiser.batches == [2]


def test_combination_is_the_null_at_zero_and_the_condition_at_one() -> None:
    null, condition = torch.randn(3, 4), torch.randn(3, 4)
    assert torch.equal(combine_guided(null, condition, 0.0), null)
    assert torch.allclose(combine_guided(null, condition, 1.0), condition)


def test_distilled_denoiser_gets_the_scale_as_an_input() -> None:
    denoiser = RecordingDenoiser()
    velocity = predict_distilled_velocity(denoiser, X, T, TOKENS, 5.0)
    assert torch.allclose(velocity, X + 2.25)
    assert denoiser.batches == [2]
    assert denoiser.guidance is not None
    assert denoiser.guidance.tolist() == [5.0, 5.0]


def test_half_precision_tokens_set_the_dtype_of_the_pass_and_the_result_stays_float32() -> None:
    seen = []

    def denoiser(x, t, context, guidance=None):
        seen.append((x.dtype, context.dtype, t.dtype))
        return x

    half = Tokens(TOKENS.condition.bfloat16(), TOKENS.null.bfloat16())
    assert predict_guided_velocity(denoiser, X, T, half, 3.0).dtype == torch.float32
    assert seen == [(torch.bfloat16, torch.bfloat16, torch.float32)]
