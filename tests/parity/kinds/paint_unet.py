# SPDX-License-Identifier: GPL-3.0-or-later
"""Cases of the painting network: stored reference tokens, and predictions for several views."""

import torch

from backend.models.hunyuan3d_paint.config import CAMERA_OFFSET, MultiviewUNetConfig
from backend.models.hunyuan3d_paint.multiview_unet import MultiviewUNet, Reference
from tests.parity.cases import PAINT_TOLERANCE, Case

PREFIXES = ("paint_unet",)


class Inputs:
    """A case's inputs, cut to the first views."""

    def __init__(self, case: Case, network: MultiviewUNet) -> None:
        self.case, self.network = case, network
        given = case.tensors
        self.geometry = torch.cat([given["normal_latents"], given["position_latents"]], dim=2)

    def reference(self, count: int) -> Reference:
        return self.network.encode_reference(self.case.tensors["ref_latents"][:, :count])

    def predict(self, views: int, time: str, reference: Reference, **scales) -> torch.Tensor:
        """Prediction `[V, C, h, w]` of the first views of the only batch row."""
        return self.network(
            self.case.tensors["sample"][:, :views],
            torch.tensor(self.case.config[time]),
            self.geometry[:, :views],
            self.case.tensors["camera_info_gen"][:, :views],
            reference,
            **scales,
        ).flatten(0, 1)

    def predict_guided(self, views: int) -> torch.Tensor:
        """The pipeline's batch: row 0 without text and reference, row 1 with both."""
        given = self.case.tensors
        latents = given["ref_latents"][:, :1]
        return self.network(
            given["sample"][:, :views].repeat(2, 1, 1, 1, 1),
            torch.tensor(self.case.config["timestep_n6"]),
            self.geometry[:, :views].repeat(2, 1, 1, 1, 1),
            given["camera_info_gen"][:, :views].repeat(2, 1),
            self.network.encode_reference(torch.cat([torch.zeros_like(latents), latents])),
            torch.cat([torch.zeros_like(self.network.text), self.network.text]),
            torch.tensor(self.case.config["ref_scale_guided"]),
        ).flatten(0, 1)


@torch.inference_mode()
def check(case: Case) -> None:
    config, given = case.config, case.tensors
    network = MultiviewUNet(
        MultiviewUNetConfig.from_published(config["unet"], config["text_length"])
    )
    network.load_state_dict(case.weights(), strict=True)
    assert config.get("camera_offset", CAMERA_OFFSET) == CAMERA_OFFSET
    inputs = Inputs(case, network)
    one, two = inputs.reference(1), inputs.reference(2)
    scales = {
        "multiview_scale": config["mva_scale_scaled"],
        "reference_scale": config["ref_scale_scaled"],
    }
    views = config["views"]
    results = {
        "out_n6": inputs.predict(views, "timestep_n6", one),
        "out_n3": inputs.predict(3, "timestep_n3", one),
        "out_n3_scaled": inputs.predict(3, "timestep_n3", one, **scales),
        "out_n3_two_refs": inputs.predict(3, "timestep_n3", two),
        "out_n6_guided": inputs.predict_guided(views),
        "out_n1": inputs.predict(1, "timestep_n3", one),
    }
    for name in given:
        if name.startswith("embed_"):
            place = name.removeprefix("embed_").removeprefix("two_refs_")
            results[name] = (two if "two_refs" in name else one)[place]
    assert {name for name in given if name.startswith(("out_", "embed_"))} == results.keys()
    for name, actual in results.items():
        case.assert_close(name, actual, given[name], PAINT_TOLERANCE)
