"""Templates of cut tetrahedra: every pattern fills its tetrahedron and fits its neighbours."""

from collections import Counter
from itertools import combinations

import numpy as np
import pytest

from ngcfem.mesh.tetrahedron_cutting import (
    CENTRE,
    EDGES,
    FACES,
    PATTERNS,
    cut_of,
    face_triangles,
    is_cut,
    needs_centre,
    pieces,
)

VERTICES = np.vstack([np.zeros(3), np.eye(3)])


def positions(generator: np.random.Generator) -> np.ndarray:
    """Random places of the local nodes, each where it belongs."""
    place = np.zeros((CENTRE + 1, 3))
    place[:4] = VERTICES
    for e, (i, j) in enumerate(EDGES):
        place[4 + e] = VERTICES[i] + generator.uniform(0.2, 0.8) * (VERTICES[j] - VERTICES[i])
    for f, face in enumerate(FACES):
        weights = 0.15 + generator.dirichlet([1.0, 1.0, 1.0]) * 0.55
        place[10 + f] = weights @ VERTICES[list(face)]
    place[CENTRE] = VERTICES.mean(axis=0)
    return place


@pytest.mark.parametrize("other", [False, True])
@pytest.mark.parametrize("pattern", range(PATTERNS))
def test_the_pieces_fill_the_tetrahedron_once(pattern: int, other: bool) -> None:
    place = positions(np.random.default_rng(pattern))
    volumes = [
        abs(np.linalg.det(place[list(piece[1:])] - place[piece[0]]))
        for piece in pieces(pattern, other)
    ]
    assert min(volumes) > 1e-6
    assert sum(volumes) == pytest.approx(1.0, abs=1e-12)
    assert all(piece[0] < 4 for piece in pieces(pattern, other))


@pytest.mark.parametrize("other", [False, True])
@pytest.mark.parametrize("pattern", range(PATTERNS))
def test_the_outside_is_that_of_the_faces(pattern: int, other: bool) -> None:
    facets = Counter(
        tuple(sorted(facet)) for piece in pieces(pattern, other) for facet in combinations(piece, 3)
    )
    assert max(facets.values()) <= 2
    outside = {facet for facet, count in facets.items() if count == 1}
    asked = {tuple(sorted(t)) for face in range(4) for t in face_triangles(pattern, face)}
    assert outside == asked


def test_a_face_is_divided_by_its_own_cuts_alone() -> None:
    for face, (i, j, k) in enumerate(FACES):
        divisions: dict[tuple[bool, ...], set[tuple[tuple[int, ...], ...]]] = {}
        for pattern in range(PATTERNS):
            own = tuple(is_cut(pattern, *pair) for pair in ((i, j), (j, k), (i, k)))
            divisions.setdefault(own, set()).add(face_triangles(pattern, face))
        assert all(len(found) == 1 for found in divisions.values())


def test_two_regions_need_no_node_inside() -> None:
    for inside in range(1, 15):
        pattern = sum(
            1 << (cut_of(i, j) - 4) for i, j in EDGES if (inside >> i & 1) != (inside >> j & 1)
        )
        assert not needs_centre(pattern)
        assert len(pieces(pattern)) in (4, 6)
