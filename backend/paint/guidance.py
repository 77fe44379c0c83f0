# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns predictions with and without their conditions into one guided prediction."""

from torch import Tensor


def guide(without: Tensor, with_all: Tensor, scale: float) -> Tensor:
    """Classifier-free guidance.

    Args:
        without: Prediction without the condition, any shape.
        with_all: Prediction with it, same shape.
        scale: 1 gives `with_all`, more goes beyond it.

    Returns:
        The guided prediction, same shape.

    Source: Ho and Salimans 2022, "Classifier-Free Diffusion Guidance", equation 6.
    """
    return without + scale * (with_all - without)


def guide_by_text_and_image(
    with_all: Tensor, with_image: Tensor, without: Tensor, text_scale: float, image_scale: float
) -> Tensor:
    """Guidance by two conditions, each with its own scale.

    Args:
        with_all: Prediction with text and image, any shape.
        with_image: Prediction with the image alone, same shape.
        without: Prediction with neither, same shape.
        text_scale: Weight of what the text adds to the image.
        image_scale: Weight of what the image adds to nothing.

    Returns:
        The guided prediction, same shape.

    Source: Brooks et al. 2023, "InstructPix2Pix", equation 3.
    """
    image_guided = guide(without, with_image, image_scale)
    return image_guided + text_scale * (with_all - with_image)
