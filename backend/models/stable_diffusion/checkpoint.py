# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns names that older checkpoint files use into the current ones."""

from collections.abc import Mapping

from torch import Tensor

_OLD_ATTENTION = {"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}
"""Attention layers of an autoencoder saved by the first version of its library."""
_POSITION_IDS = "text_model.embeddings.position_ids"
"""0, 1, 2, ...: a constant that older text encoders saved."""


def rename_autoencoder(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Give the attention layers of an old autoencoder file their current names and shapes.

    Args:
        state: Name -> tensor; files with current names come back unchanged.

    Returns:
        Name -> tensor; 1x1 kernels `[C, C, 1, 1]` of these layers become matrices `[C, C]`.
    """
    renamed: dict[str, Tensor] = {}
    for name, tensor in state.items():
        if ".attentions." in name:
            layer, _, leaf = name.rpartition(".")
            stem, _, part = layer.rpartition(".")
            name = f"{stem}.{_OLD_ATTENTION.get(part, part)}.{leaf}"
            if tensor.ndim == 4:
                tensor = tensor[:, :, 0, 0]  # [C, C]
        renamed[name] = tensor
    return renamed


def drop_position_ids(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Leave out the constant that older text encoder files hold besides their parameters."""
    return {name: tensor for name, tensor in state.items() if name != _POSITION_IDS}
