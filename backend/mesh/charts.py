# SPDX-License-Identifier: GPL-3.0-or-later
"""Turns the faces of any mesh into charts: connected pieces that are nearly flat."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix, csr_matrix, diags
from scipy.sparse.csgraph import connected_components

from ..data import Mesh

FloatRows = NDArray[np.float64]
IndexArray = NDArray[np.int64]

# Cosines of the widest angles between a chart's axis and a smoothed normal, and a face's own.
_CONE = (0.6, 0.1)  # above 0 nothing folds when projected
_LOOSE_CONE = (0.5, 0.05)  # room to straighten the borders
_WIDE_CONE = (0.3, 0.02)  # of charts that may prove too curved
_COMPACTNESS = 0.2  # weight of a long common border against an even direction
_JITTER = 1e-3  # breaks ties on planes, so that many pairs of one round agree
_FACES_PER_ROUND, _NORMAL_ROUNDS = 50, (3, 6)  # fine meshes show noise over more faces
_STRAIGHTEN_ROUNDS = 2
_FACES_PER_RING, _MOST_RINGS = 40, 8  # fine meshes need more rings for borders as straight
_CRUMB_AREA = 2e-4  # of the whole surface; smaller charts join a neighbour if they can
_SPECK_AREA = 1e-5  # of the whole surface; so small that its direction does not matter
_CRUMB_CONE = 0.17  # cosine of the widest angle between a crumb and its neighbour
_CRUMB_BORDER = 0.25  # least share of a crumb's outline along that neighbour


@dataclass(frozen=True, slots=True)
class Surface:
    """A mesh as the unwrap sees it: moved to the origin and scaled to an area of 1.

    Attributes:
        vertices: `[P, 3]` float64.
        faces: `[F, 3]` int64.
        normals: `[F, 3]` unit normals, zero for faces without an area.
        areas: `[F]`, sum 1 unless all are zero.
        pairs: `[E, 2]` faces on both sides of an edge that exactly two faces share.
        lengths: `[E]` of these edges.
    """

    vertices: FloatRows
    faces: IndexArray
    normals: FloatRows
    areas: FloatRows
    pairs: IndexArray
    lengths: FloatRows


@dataclass(frozen=True, slots=True)
class _Clusters:
    """A partition of the faces into K clusters, and the M pairs of them that touch.

    Attributes:
        label: `[F]` cluster of each face.
        normal_sum: `[K, 3]` sum of area times smoothed normal.
        area: `[K]`.
        outline: `[K]` length of the border to other clusters.
        first: `[M]` cluster on one side.
        second: `[M]` cluster on the other.
        border: `[M]` length that they share.
        is_blocked: `[M]` bool, found not to fit together.
    """

    label: IndexArray
    normal_sum: FloatRows
    area: FloatRows
    outline: FloatRows
    first: IndexArray
    second: IndexArray
    border: FloatRows
    is_blocked: NDArray[np.bool_]


def describe_surface(mesh: Mesh) -> Surface:
    """Measure a mesh of at least one face; nothing about its shape is presumed."""
    vertices = mesh.vertices.astype(np.float64)
    vertices = vertices - vertices.mean(axis=0)
    faces = mesh.faces.astype(np.int64)
    corners = vertices[faces]  # [F, 3, 3]
    cross = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    total = np.linalg.norm(cross, axis=1).sum() / 2
    scale = 1 / np.sqrt(total) if total > 0 else 1.0
    areas = np.linalg.norm(cross, axis=1) / 2 * scale**2
    pairs, ends = _edge_pairs(faces, len(vertices))
    lengths = scale * np.linalg.norm(vertices[ends[:, 0]] - vertices[ends[:, 1]], axis=1)
    return Surface(vertices * scale, faces, unit(cross), areas, pairs, lengths)


def cut_charts(surface: Surface) -> list[IndexArray]:
    """Cut a surface into few charts, each within a cone of directions.

    Neighbouring clusters of faces merge, in rounds, where their directions agree best and they
    share most of their outline, as long as the exact cone of the union stays narrow. Then borders
    are straightened, and crumbs join their neighbours.

    Returns:
        Three ways to cut, from few charts to many, each `[F]` int64 labels counted from 0. Charts
        of the last project onto the plane across their mean normal without a fold. In the one
        before, crumbs are attached to them. Charts of the first are unions, some too curved.

    Source: Garland, Willmott and Heckbert, "Hierarchical Face Clustering on Polygonal Surfaces",
    2001; measure of agreement from Cohen-Steiner, Alliez and Desbrun, "Variational Shape
    Approximation", 2004, section 3.
    """
    smooth = _smooth_normals(surface)
    rng = np.random.default_rng(0)
    clusters = _merge(surface, smooth, _single_faces(surface, smooth), _CONE, rng)
    label = split_pieces(surface.pairs, _straighten(surface, smooth, clusters))
    joined = _merge_crumbs(_clusters_of(surface, smooth, label), rng)
    wide = _merge(surface, smooth, joined, _WIDE_CONE, rng)
    return [_merge_crumbs(wide, rng).label, joined.label, label]


def split_pieces(pairs: IndexArray, label: IndexArray | NDArray[np.bool_]) -> IndexArray:
    """Give each connected piece of the faces of each label `[F]` one of its own, counted from 0.

    Args:
        pairs: `[E, 2]` neighbours.
        label: `[F]` of the faces.
    """
    first, second = pairs[label[pairs[:, 0]] == label[pairs[:, 1]]].T
    shape = (len(label), len(label))
    graph = coo_matrix((np.ones(len(first), bool), (first, second)), shape)
    return connected_components(graph, directed=False)[1].astype(np.int64)


def unit(vectors: FloatRows) -> FloatRows:
    """Rows scaled to length 1; zero stays zero."""
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.divide(vectors, length, out=np.zeros_like(vectors), where=length > 0)


def sum_by(label: IndexArray, values: FloatRows, count: int) -> FloatRows:
    """Sum the rows `[F, D]` of each label -> `[count, D]`."""
    sums = [np.bincount(label, column, count) for column in values.T]
    return np.stack(sums, -1).astype(np.float64)


def _edge_pairs(faces: IndexArray, num_vertices: int) -> tuple[IndexArray, IndexArray]:
    """Faces `[E, 2]` at the edges that exactly two faces share, and those edges' ends `[E, 2]`."""
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])  # [3F, 2]
    low, high = edges.min(axis=1), edges.max(axis=1)
    key = low * num_vertices + high
    order = np.argsort(key, kind="stable")
    start = np.flatnonzero(np.append(True, np.diff(key[order]) != 0))
    is_pair = np.diff(np.append(start, len(order))) == 2
    one, other = order[start[is_pair]], order[start[is_pair] + 1]
    pairs = np.stack([one, other], -1) % len(faces)
    is_proper = (pairs[:, 0] != pairs[:, 1]) & (low[one] != high[one])
    return pairs[is_proper], np.stack([low[one], high[one]], -1)[is_proper]


def _smooth_normals(surface: Surface) -> FloatRows:
    """Normals `[F, 3]` averaged over neighbours that look much the same way: creases stay."""
    normals, (first, second) = surface.normals, surface.pairs.T
    rows, columns = np.concatenate([first, second]), np.concatenate([second, first])
    shape = (len(normals), len(normals))
    for _ in range(int(np.clip(np.sqrt(len(normals)) / _FACES_PER_ROUND, *_NORMAL_ROUNDS))):
        agreement = np.einsum("ed,ed->e", normals[first], normals[second])
        weight = np.tile(np.clip(agreement, 0, None) ** 4, 2) * surface.areas[columns]
        around = csr_matrix((weight, (rows, columns)), shape) @ normals
        normals = unit(surface.areas[:, None] * normals + around)
    return normals


def _single_faces(surface: Surface, smooth: FloatRows) -> _Clusters:
    """Each face is its own cluster."""
    return _clusters_of(surface, smooth, np.arange(len(surface.faces)))


def _clusters_of(surface: Surface, smooth: FloatRows, label: IndexArray) -> _Clusters:
    """The clusters that a labelling describes."""
    count = int(label.max()) + 1
    first, second = label[surface.pairs].T
    first, second, border, blocked = _join_parallel(
        first, second, surface.lengths, np.zeros(len(first), bool), count
    )
    ends, lengths = np.concatenate([first, second]), np.tile(border, 2)[:, None]
    outline = sum_by(ends, lengths, count)[:, 0]
    area = sum_by(label, surface.areas[:, None], count)[:, 0]
    normal_sum = sum_by(label, smooth * surface.areas[:, None], count)
    return _Clusters(label, normal_sum, area, outline, first, second, border, blocked)


def _join_parallel(
    first: IndexArray,
    second: IndexArray,
    border: FloatRows,
    is_blocked: NDArray[np.bool_],
    count: int,
) -> tuple[IndexArray, IndexArray, FloatRows, NDArray[np.bool_]]:
    """One pair for all that join the same two clusters; those within one cluster go."""
    is_between = first != second
    low = np.minimum(first, second)[is_between]
    high = np.maximum(first, second)[is_between]
    shape = (count, count)
    lengths = csr_matrix((border[is_between], (low, high)), shape)
    blocks = csr_matrix((is_blocked[is_between].astype(np.float64), (low, high)), shape)
    rows = np.repeat(np.arange(count), np.diff(lengths.indptr))
    return rows, lengths.indices.astype(np.int64), lengths.data, blocks.data > 0


def _merge(
    surface: Surface,
    smooth: FloatRows,
    clusters: _Clusters,
    cone: tuple[float, float],
    rng: np.random.Generator,
) -> _Clusters:
    """Merge pairs that are each other's best, round by round, within the cone."""
    while not clusters.is_blocked.all():
        cost = _merge_costs(clusters) + _JITTER * rng.random(len(clusters.first))
        picked = _mutual_best(clusters, np.where(clusters.is_blocked, np.inf, cost))
        fits = _fit_cone(surface, smooth, clusters, picked, cone)
        is_blocked = clusters.is_blocked.copy()
        is_blocked[picked[~fits]] = True
        clusters = replace(clusters, is_blocked=is_blocked)
        clusters = _union(clusters, picked[fits])
    return clusters


def _spreads(clusters: _Clusters) -> FloatRows:
    """`[M]` how little the union of each pair looks in one direction, 0 for a plane."""
    first, second = clusters.first, clusters.second
    total = clusters.normal_sum[first] + clusters.normal_sum[second]
    area = clusters.area[first] + clusters.area[second]
    return 1 - np.linalg.norm(total, axis=1) / np.maximum(area, 1e-30)


def _merge_costs(clusters: _Clusters) -> FloatRows:
    """`[M]` how little the union of each pair looks in one direction, and how loosely it holds."""
    first, second = clusters.first, clusters.second
    shorter = np.minimum(clusters.outline[first], clusters.outline[second])
    return _spreads(clusters) + _COMPACTNESS * (1 - clusters.border / np.maximum(shorter, 1e-30))


def _mutual_best(clusters: _Clusters, cost: FloatRows) -> IndexArray:
    """Pairs whose finite cost is the least that either cluster has; no cluster is in two."""
    least = np.full(len(clusters.area), np.inf)
    np.minimum.at(least, clusters.first, cost)
    np.minimum.at(least, clusters.second, cost)
    is_best = (cost == least[clusters.first]) & (cost == least[clusters.second])
    best = np.flatnonzero(is_best & np.isfinite(cost))
    ends = np.stack([clusters.first[best], clusters.second[best]], -1).reshape(-1)
    is_first_use = np.zeros(len(ends), bool)
    is_first_use[np.unique(ends, return_index=True)[1]] = True
    return best[is_first_use.reshape(-1, 2).all(axis=1)]  # equal costs are rare, yet possible


def _fit_cone(
    surface: Surface,
    smooth: FloatRows,
    clusters: _Clusters,
    picked: IndexArray,
    cone: tuple[float, float],
) -> NDArray[np.bool_]:
    """Whether each picked pair's union keeps all its faces within the cone about its axis."""
    first, second = clusters.first[picked], clusters.second[picked]
    number = np.full(len(clusters.area), -1)
    number[first] = number[second] = np.arange(len(picked))
    axis = unit(clusters.normal_sum[first] + clusters.normal_sum[second])
    pair = number[clusters.label]  # [F]
    faces = np.flatnonzero((pair >= 0) & (surface.areas > 0))
    pair = pair[faces]
    direction = axis[pair]
    margin = np.minimum(
        np.einsum("fd,fd->f", smooth[faces], direction) - cone[0],
        np.einsum("fd,fd->f", surface.normals[faces], direction) - cone[1],
    )
    worst = np.full(len(picked), np.inf)
    np.minimum.at(worst, pair, margin)
    return worst >= 0


def _union(clusters: _Clusters, picked: IndexArray) -> _Clusters:
    """Make one cluster of each picked pair."""
    first, second = clusters.first[picked], clusters.second[picked]
    is_kept = np.ones(len(clusters.area), bool)
    is_kept[second] = False
    number = np.cumsum(is_kept) - 1
    number[second] = number[first]
    count = int(is_kept.sum())
    outline = np.bincount(number, clusters.outline, count)
    outline[number[first]] -= 2 * clusters.border[picked]
    pairs = _join_parallel(
        number[clusters.first],
        number[clusters.second],
        clusters.border,
        clusters.is_blocked,
        count,
    )
    return _Clusters(
        number[clusters.label],
        sum_by(number, clusters.normal_sum, count),
        sum_by(number, clusters.area[:, None], count)[:, 0],
        np.maximum(outline, 0),
        *pairs,
    )


def _merge_crumbs(clusters: _Clusters, rng: np.random.Generator) -> _Clusters:
    """Let crumbs join the neighbour along which most of their outline runs."""
    while True:
        first, second = clusters.first, clusters.second
        smaller = np.minimum(clusters.area[first], clusters.area[second])
        shorter = np.minimum(clusters.outline[first], clusters.outline[second])
        share = clusters.border / np.maximum(shorter, 1e-30)
        axis = unit(clusters.normal_sum)
        agreement = np.einsum("md,md->m", axis[first], axis[second])
        may_join = (smaller < _CRUMB_AREA) & (agreement > _CRUMB_CONE) & (share > _CRUMB_BORDER)
        may_join |= smaller < _SPECK_AREA
        cost = 1 - share + (1 - agreement) + _JITTER * rng.random(len(first))
        picked = _mutual_best(clusters, np.where(may_join, cost, np.inf))
        if not len(picked):
            return clusters
        clusters = _union(clusters, picked)


def _straighten(surface: Surface, smooth: FloatRows, clusters: _Clusters) -> IndexArray:
    """Give faces near borders the label that prevails around them, where they fit its cone."""
    label, axis = clusters.label, unit(clusters.normal_sum)
    num_faces, num_charts = len(label), len(axis)
    mixing = _mixing_matrix(surface, smooth)
    num_rings = int(np.clip(np.sqrt(num_faces) / _FACES_PER_RING, 1, _MOST_RINGS))
    for _ in range(_STRAIGHTEN_ROUNDS):
        ones = (np.ones(num_faces), (np.arange(num_faces), label))
        share = csr_matrix(ones, (num_faces, num_charts))
        for _ in range(num_rings):
            share = csr_matrix(mixing @ share)
        face = np.repeat(np.arange(num_faces), np.diff(share.indptr))
        chart = share.indices
        fits = np.einsum("md,md->m", smooth[face], axis[chart]) >= _LOOSE_CONE[0]
        fits &= np.einsum("md,md->m", surface.normals[face], axis[chart]) >= _LOOSE_CONE[1]
        value = np.where(fits | (chart == label[face]), share.data, -1.0)
        order = np.lexsort((chart, value, face))
        is_last = np.append(np.diff(face[order]) != 0, True)
        label = chart[order[is_last]].astype(np.int64)
    return label


def _mixing_matrix(surface: Surface, smooth: FloatRows) -> csr_matrix:
    """`[F, F]` averages each face with its neighbours, little across creases."""
    first, second = surface.pairs.T
    agreement = np.einsum("ed,ed->e", smooth[first], smooth[second])
    weight = np.tile(surface.lengths * np.clip(agreement, 0, None) ** 4, 2)
    rows, columns = np.concatenate([first, second]), np.concatenate([second, first])
    shape = (len(smooth), len(smooth))
    around = csr_matrix((weight, (rows, columns)), shape)
    total = np.asarray(around.sum(axis=1)).ravel()
    scale = np.divide(1.0, total, out=np.zeros_like(total), where=total > 0)
    return (diags(scale / 2) @ around + diags(np.where(total > 0, 0.5, 1.0))).tocsr()
