# SPDX-License-Identifier: GPL-3.0-or-later
import torch

from backend.paint.guidance import guide, guide_by_text_and_image

WITH_ALL, WITH_IMAGE, WITHOUT = torch.randn(3, 20, generator=torch.Generator().manual_seed(0))


def test_scale_of_one_is_the_conditional_prediction() -> None:
    assert torch.allclose(guide(WITHOUT, WITH_ALL, 1.0), WITH_ALL, atol=1e-6)
    both = guide_by_text_and_image(WITH_ALL, WITH_IMAGE, WITHOUT, 1.0, 1.0)
    assert torch.allclose(both, WITH_ALL, atol=1e-6)


def test_scale_of_zero_forgets_the_condition() -> None:
    assert torch.equal(guide(WITHOUT, WITH_ALL, 0.0), WITHOUT)
    without_text = guide_by_text_and_image(WITH_ALL, WITH_IMAGE, WITHOUT, 0.0, 1.0)
    assert torch.allclose(without_text, WITH_IMAGE, atol=1e-6)


def test_each_scale_extends_its_own_condition() -> None:
    base = guide_by_text_and_image(WITH_ALL, WITH_IMAGE, WITHOUT, 1.0, 1.0)
    more_text = guide_by_text_and_image(WITH_ALL, WITH_IMAGE, WITHOUT, 3.0, 1.0)
    more_image = guide_by_text_and_image(WITH_ALL, WITH_IMAGE, WITHOUT, 1.0, 3.0)
    assert torch.allclose(more_text - base, 2 * (WITH_ALL - WITH_IMAGE), atol=1e-5)
    assert torch.allclose(more_image - base, 2 * (WITH_IMAGE - WITHOUT), atol=1e-5)
