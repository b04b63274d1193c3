"""Labelled volumes as data: labels to phases, mirroring, merging of voxels, the seam."""

from collections import Counter

import numpy as np
import pytest

from ngcfem.microstructure.voxel_volume import (
    VoxelVolume,
    coarsened,
    label_range,
    mirrored,
    seam_mismatch,
    volume_from_labels,
)

SPACING = (0.5, 0.6, 0.7)


def labelled(shape: tuple[int, int, int], number: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(1, number + 1, shape)


def test_labels_become_phases_and_grains() -> None:
    labels = labelled((4, 5, 6), 4)
    volume, findings = volume_from_labels(labels, SPACING, {"grain": [1, "3-4"], "film": [2]})
    assert findings == []
    assert volume is not None
    np.testing.assert_array_equal(volume.phase == 1, labels == 2)
    np.testing.assert_array_equal(volume.grain[labels != 2], labels[labels != 2])
    assert (volume.grain[labels == 2] == -1).all()
    np.testing.assert_allclose(np.diag(volume.lattice), [2.0, 3.0, 4.2])
    assert volume.volume_nm3 == pytest.approx(2.0 * 3.0 * 4.2)
    assert volume.phase_fractions["film"] == np.mean(labels == 2)


def test_grain_numbers_of_their_own_are_kept() -> None:
    labels, grains = labelled((4, 4, 4), 2), labelled((4, 4, 4), 9, seed=1)
    volume, _ = volume_from_labels(labels, SPACING, {"a": [1], "b": [2]}, grains)
    assert volume is not None
    np.testing.assert_array_equal(volume.grain, grains)
    number, phase, grain = volume.features
    np.testing.assert_array_equal(phase[number], volume.phase)
    np.testing.assert_array_equal(grain[number], volume.grain)


def test_all_that_is_wrong_with_the_labels_is_said() -> None:
    labels = np.ones((4, 4, 4), dtype=np.int64)
    labels[0, 0, :2] = 7
    volume, findings = volume_from_labels(
        labels, SPACING, {"grain": [1], "again": ["1-2"], "empty": [9]}, file="v.npy"
    )
    assert volume is None
    text = "\n".join(str(finding) for finding in findings)
    assert "label 1, which grain has too" in text
    assert "9: no voxel has such a label" in text
    assert "labels without a phase: 7 (3.12 % of the voxels)" in text
    assert len(findings) == 3


@pytest.mark.parametrize(("entry", "wanted"), [(3, (3, 3)), ("3", (3, 3)), ("3-40", (3, 40))])
def test_ranges(entry: int | str, wanted: tuple[int, int]) -> None:
    assert label_range(entry) == wanted


def test_a_mirrored_volume_has_no_seam() -> None:
    labels = labelled((4, 5, 6), 3)
    volume, _ = volume_from_labels(labels, SPACING, {"a": [1], "b": [2, 3]})
    assert volume is not None
    doubled = mirrored(volume)
    assert doubled.phase.shape == (8, 10, 12)
    np.testing.assert_array_equal(doubled.grain[:4, :5, :6], volume.grain)
    np.testing.assert_array_equal(doubled.grain[::-1, ::-1, ::-1], doubled.grain)
    assert doubled.phase_fractions == volume.phase_fractions
    for seam, _inside in seam_mismatch(doubled).values():
        assert seam == 0.0


def test_the_seam_is_compared_with_the_inside() -> None:
    phase = np.zeros((4, 4, 4), dtype=np.int32)
    phase[:2] = 1
    volume = VoxelVolume(phase, 0 * phase - 1, ("a", "b"), np.ones(3))
    shares = seam_mismatch(volume)
    assert shares["x"] == (1.0, pytest.approx(1.0 / 3.0))
    assert shares["y"] == (0.0, 0.0)


def test_blocks_go_to_the_majority() -> None:
    labels = labelled((6, 9, 3), 3)
    volume, _ = volume_from_labels(labels, SPACING, {"a": [1], "b": [2], "c": [3]})
    assert volume is not None
    merged = coarsened(volume, 3)
    assert merged.phase.shape == (2, 3, 1)
    np.testing.assert_allclose(merged.spacing_nm, np.array(SPACING) * 3.0)
    for i, j, k in np.ndindex(2, 3, 1):
        block = volume.phase[3 * i : 3 * i + 3, 3 * j : 3 * j + 3, 3 * k : 3 * k + 3]
        counts = Counter(block.ravel().tolist())
        most = max(counts.values())
        assert merged.phase[i, j, k] == min(n for n, count in counts.items() if count == most)
    assert coarsened(volume, 1) is volume
    with pytest.raises(ValueError, match="do not divide into blocks of 4"):
        coarsened(volume, 4)
