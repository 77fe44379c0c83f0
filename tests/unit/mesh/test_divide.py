# SPDX-License-Identifier: GPL-3.0-or-later
import numpy as np
from scipy.spatial import ConvexHull

from backend.data import Mesh
from backend.mesh.charts import Surface, describe_surface
from backend.mesh.divide import divide_charts
from backend.mesh.layout import Layout, signed_areas


def flat_grid(is_kept: np.ndarray) -> tuple[Surface, Layout]:
    """Cells of a flat grid, two triangles each, as one chart at the surface's own scale."""
    rows, columns = np.nonzero(is_kept)
    width = is_kept.shape[1] + 1
    low = rows * width + columns
    faces = np.concatenate(
        [
            np.stack([low, low + 1, low + width + 1], -1),
            np.stack([low, low + width + 1, low + width], -1),
        ]
    )
    used, faces = np.unique(faces, return_inverse=True)
    y, x = np.divmod(used, width)
    vertices = np.stack([x, y, np.zeros_like(x)], -1).astype(np.float32)
    surface = describe_surface(Mesh(vertices, faces.reshape(-1, 3).astype(np.int32)))
    chart = np.zeros(len(used), np.int64)
    return surface, Layout(surface.vertices[:, :2], surface.faces, chart, np.arange(len(used)))


def hull_area(layout: Layout) -> float:
    """Of all charts' convex hulls together."""
    charts = range(int(layout.chart.max()) + 1)
    return sum(ConvexHull(layout.uv[layout.chart == chart]).volume for chart in charts)


def frame() -> tuple[Surface, Layout]:
    """Open on one side."""
    is_kept = np.ones((30, 30), bool)
    is_kept[5:25, 5:] = False
    return flat_grid(is_kept)


def test_frame_is_cut_into_its_bars() -> None:
    surface, layout = frame()
    divided = divide_charts(surface, layout)
    assert 3 <= divided.chart.max() + 1 <= 5
    assert hull_area(layout) > 2  # of an area of 1
    assert hull_area(divided) < 1.1


def test_parts_keep_their_triangles() -> None:
    surface, layout = frame()
    divided = divide_charts(surface, layout)
    assert np.array_equal(divided.uv[divided.corners], layout.uv[layout.corners])
    assert np.array_equal(divided.vertex[divided.corners], layout.vertex[layout.corners])
    assert (np.diff(divided.chart) >= 0).all()
    corner_charts = divided.chart[divided.corners]
    assert (corner_charts == corner_charts[:, :1]).all()
    assert np.isclose(signed_areas(divided.uv[divided.corners]).sum(), 1)


def test_closed_ring_stays_whole() -> None:
    is_kept = np.ones((30, 30), bool)
    is_kept[5:25, 5:25] = False
    surface, layout = flat_grid(is_kept)
    assert divide_charts(surface, layout).chart.max() == 0


def test_compact_chart_stays_whole() -> None:
    surface, layout = flat_grid(np.ones((20, 30), bool))
    assert divide_charts(surface, layout).chart.max() == 0


def test_parts_are_connected() -> None:
    comb = np.zeros((24, 23), bool)
    comb[:4] = True
    comb[:, ::11] = comb[:, 1::11] = True
    surface, layout = flat_grid(comb)
    divided = divide_charts(surface, layout)
    face_chart = divided.chart[divided.corners[:, 0]]
    count = int(divided.chart.max()) + 1
    assert count >= 4
    for chart in range(count):
        is_inside = (face_chart[surface.pairs] == chart).all(axis=1)
        reached = {int(np.flatnonzero(face_chart == chart)[0])}
        pairs = surface.pairs[is_inside].tolist()
        while True:
            more = {f for pair in pairs if reached & set(pair) for f in pair} - reached
            if not more:
                break
            reached |= more
        assert len(reached) == np.count_nonzero(face_chart == chart)
