# SPDX-License-Identifier: GPL-3.0-or-later
"""Weights files: exact loading, the 8-bit form, and every way in which a file may be broken."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from backend.errors import ModelMissingError, WeightsError
from backend.weights.load import (
    ROW_SCALE,
    build_empty,
    fill_network,
    quantise_state,
    read_shards,
    read_state,
    take_part,
    widen_state,
    write_shards,
)


def example_state() -> dict[str, torch.Tensor]:
    """Rows of very different size, a kernel, a zero row, and what stays in half precision."""
    generator = torch.Generator().manual_seed(0)
    matrix = torch.randn(64, 48, generator=generator)
    matrix *= torch.logspace(-3, 3, 64)[:, None]
    matrix[5] = 0
    return {
        "model.a.weight": matrix,
        "model.conv.weight": torch.randn(8, 3, 5, 5, generator=generator),
        "model.a.bias": torch.randn(64, generator=generator),
        "vae.norm.weight": torch.randn(32, generator=generator),
        "vae.positions": torch.randn(1, 9, 32, generator=generator),
    }


def test_each_row_is_kept_within_half_a_step() -> None:
    state = example_state()
    wide = widen_state(quantise_state(state))
    assert wide.keys() == state.keys()
    for name in ("model.a.weight", "model.conv.weight"):
        rows, kept = state[name].flatten(1), wide[name].flatten(1)
        # Half a step of 1/127 of the row's largest value, and the scale's own rounding (2^-11).
        bound = rows.abs().amax(dim=1) * (0.5 / 127 * (1 + 2**-10) + 2**-11)
        assert ((kept - rows).abs().amax(dim=1) <= bound).all()
        assert kept.dtype == torch.float32
    assert not wide["model.a.weight"][5].any()


def test_only_matrices_become_bytes_and_the_rest_is_half() -> None:
    compact = quantise_state(example_state())
    assert compact["model.a.weight"].dtype == torch.int8
    assert compact["model.a.weight" + ROW_SCALE].shape == (64,)
    assert compact["model.conv.weight"].shape == (8, 3, 5, 5)
    halves = {name for name, tensor in compact.items() if tensor.dtype == torch.float16}
    assert {"model.a.bias", "vae.norm.weight", "vae.positions"} < halves


def test_quantising_what_was_widened_changes_nothing() -> None:
    once = widen_state(quantise_state(example_state()))
    twice = widen_state(quantise_state(once))
    for name, tensor in once.items():
        assert torch.allclose(twice[name], tensor, rtol=2**-10, atol=0)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e6])
def test_values_beyond_half_precision_are_refused(value: float) -> None:
    with pytest.raises(WeightsError, match="bias"):
        quantise_state({"bias": torch.tensor([value])})


def test_missing_scales_are_refused() -> None:
    compact = quantise_state(example_state())
    del compact["model.a.weight" + ROW_SCALE]
    with pytest.raises(WeightsError, match=r"model\.a\.weight"):
        widen_state(compact)


def test_shards_keep_the_limit_and_bring_everything_back(tmp_path: Path) -> None:
    state = quantise_state({f"{i}.weight": torch.randn(256, 300) for i in range(6)})
    paths = write_shards(state, tmp_path, "small", max_bytes=250_000)
    assert len(paths) > 1
    assert all(path.stat().st_size <= 250_000 for path in paths)
    back = read_shards(tmp_path, "small")
    assert back.keys() == state.keys()
    assert all(torch.equal(back[name], state[name]) for name in state)


def test_writing_a_shorter_set_leaves_no_old_shard(tmp_path: Path) -> None:
    write_shards({str(i): torch.zeros(40_000) for i in range(4)}, tmp_path, "m", 300_000)
    write_shards({"a": torch.ones(3)}, tmp_path, "m")
    assert [path.name for path in tmp_path.glob("*.safetensors")] == ["m-1-of-1.safetensors"]
    assert read_shards(tmp_path, "m")["a"].tolist() == [1, 1, 1]


def test_tensor_larger_than_a_shard_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="big"):
        write_shards({"big": torch.zeros(100_000)}, tmp_path, "m", max_bytes=100_000)


@pytest.mark.parametrize("damage", ["truncated", "flipped", "index"])
def test_damaged_shard_is_noticed(tmp_path: Path, damage: str) -> None:
    (path,) = write_shards(example_state(), tmp_path, "m")
    content = bytearray(path.read_bytes())
    if damage == "truncated":
        path.write_bytes(content[:-100])
    elif damage == "flipped":
        content[-50] ^= 1
        path.write_bytes(content)
    else:
        (tmp_path / "m.json").write_text("{")
    with pytest.raises(WeightsError, match="damaged"):
        read_shards(tmp_path, "m")


def test_missing_shard_or_index_means_the_model_is_missing(tmp_path: Path) -> None:
    with pytest.raises(ModelMissingError):
        read_shards(tmp_path, "m")
    (path,) = write_shards(example_state(), tmp_path, "m")
    path.unlink()
    with pytest.raises(ModelMissingError):
        read_shards(tmp_path, "m")


def test_safetensors_and_nested_pickle_give_the_same_names(tmp_path: Path) -> None:
    state = example_state()
    save_file(state, tmp_path / "a.safetensors")
    nested: dict[str, dict[str, torch.Tensor]] = {"model": {}, "vae": {}}
    for name, tensor in state.items():
        part, _, rest = name.partition(".")
        nested[part][rest] = tensor
    torch.save(nested, tmp_path / "a.ckpt")
    torch.save(nested, tmp_path / "old.ckpt", _use_new_zipfile_serialization=False)
    for file in ("a.safetensors", "a.ckpt", "old.ckpt"):
        back = read_state(tmp_path / file)
        assert back.keys() == state.keys()
        assert all(torch.equal(back[name], state[name]) for name in state)


class Marker:
    """Unpickling this would write a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return Path.touch, (self.path,)


def test_pickle_cannot_run_code(tmp_path: Path) -> None:
    torch.save({"model": Marker(tmp_path / "ran")}, tmp_path / "bad.ckpt")
    with pytest.raises(WeightsError):
        read_state(tmp_path / "bad.ckpt")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("name", ["a.safetensors", "a.ckpt"])
@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.99])
def test_truncated_file_is_noticed(tmp_path: Path, name: str, share: float) -> None:
    path = tmp_path / name
    if path.suffix == ".ckpt":
        torch.save(example_state(), path)
    else:
        save_file(example_state(), path)
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(WeightsError, match="damaged"):
        read_state(path)


def test_absent_file_means_the_model_is_missing(tmp_path: Path) -> None:
    with pytest.raises(ModelMissingError):
        read_state(tmp_path / "none.safetensors")


def small_network() -> nn.Module:
    return nn.Sequential(nn.Linear(4, 3), nn.LayerNorm(3))


def test_empty_network_takes_the_files_tensors_without_a_copy() -> None:
    state = small_network().state_dict()
    network = build_empty(small_network)
    assert next(network.parameters()).is_meta
    fill_network(network, dict(state))
    assert network[0].weight.data_ptr() == state["0.weight"].data_ptr()
    assert not network.training
    assert not network[0].weight.requires_grad


def test_dtype_is_changed_on_request() -> None:
    state = dict(small_network().half().state_dict())
    network = fill_network(build_empty(small_network), state, torch.float32)
    assert {p.dtype for p in network.parameters()} == {torch.float32}


def test_every_kind_of_misfit_is_named() -> None:
    state = dict(small_network().state_dict())
    state["0.weight"] = torch.zeros(3, 5)
    del state["1.bias"]
    state |= {f"extra{i}": torch.zeros(1) for i in range(8)}
    with pytest.raises(WeightsError) as caught:
        fill_network(build_empty(small_network), state)
    message = caught.value.message
    assert "1.bias missing" in message
    assert "0.weight of another shape" in message
    assert "extra4 and 3 more unexpected" in message
    assert "extra5" not in message


def test_taking_a_part_removes_it() -> None:
    state = example_state()
    part = take_part(state, "vae")
    assert part.keys() == {"norm.weight", "positions"}
    assert all(name.startswith("model.") for name in state)
