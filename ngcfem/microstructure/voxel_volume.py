"""A labelled volume of voxels taken as one period: measured, simulated or drawn by others."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ngcfem.errors import Finding
from ngcfem.quantities import FloatArray, Int32Array, IntArray


@dataclass(frozen=True, eq=False)
class VoxelVolume:
    """Phases and grains of a box of equal voxels that repeats in all directions.

    Parameters
    ----------
    phase : ndarray of int32, shape (n1, n2, n3)
        Index into ``phase_names``; the axes run along x, y and z.
    grain : ndarray of int32, shape (n1, n2, n3)
        Number of the grain (or other feature); -1 where there is none.
    phase_names : tuple of str
        Names of the phases.
    spacing_nm : ndarray, shape (3,)
        Edges of a voxel in nm.
    """

    phase: Int32Array
    grain: Int32Array
    phase_names: tuple[str, ...]
    spacing_nm: FloatArray

    @property
    def lattice(self) -> FloatArray:
        """Period vectors as rows in nm, shape (3, 3)."""
        return np.diag(np.array(self.phase.shape) * self.spacing_nm)

    @property
    def volume_nm3(self) -> float:
        """Volume of the period in nm^3."""
        return float(np.prod(self.spacing_nm) * self.phase.size)

    @property
    def phase_fractions(self) -> dict[str, float]:
        """Share of the voxels of each phase."""
        counts = np.bincount(self.phase.ravel(), minlength=len(self.phase_names))
        return {
            name: float(count / self.phase.size)
            for name, count in zip(self.phase_names, counts, strict=True)
        }

    @property
    def features(self) -> tuple[IntArray, Int32Array, Int32Array]:
        """Connected or not, every pair of phase and grain is one feature.

        Returns
        -------
        number : ndarray of int, shape (n1, n2, n3)
            Feature of each voxel.
        phase, grain : ndarray of int32, shape (k,)
            Phase and grain of each feature.
        """
        pairs = np.stack([self.phase.ravel(), self.grain.ravel()], axis=1)
        unique, number = np.unique(pairs, axis=0, return_inverse=True)
        return number.reshape(self.phase.shape), unique[:, 0], unique[:, 1]


def mirrored(volume: VoxelVolume) -> VoxelVolume:
    """Double a volume in every direction by reflection, which makes it periodic.

    Parameters
    ----------
    volume : VoxelVolume
        Any volume.

    Returns
    -------
    VoxelVolume
        Eight times the voxels; features that touch the faces grow together with their images.
    """

    def doubled(values: Int32Array) -> Int32Array:
        for axis in range(3):
            values = np.concatenate([values, np.flip(values, axis=axis)], axis=axis)
        return values

    return replace(volume, phase=doubled(volume.phase), grain=doubled(volume.grain))


def coarsened(volume: VoxelVolume, factor: int) -> VoxelVolume:
    """Merge blocks of voxels into one, of the feature that most of them belong to.

    Parameters
    ----------
    volume : VoxelVolume
        The volume.
    factor : int
        Edge of a block in voxels; the counts of voxels must be multiples of it.

    Returns
    -------
    VoxelVolume
        Larger voxels.

    Raises
    ------
    ValueError
        If the counts are no multiples of the factor.

    Notes
    -----
    On a tie the feature with the lowest number wins.
    """
    if factor == 1:
        return volume
    shape = np.array(volume.phase.shape)
    if np.any(shape % factor):
        raise ValueError(f"{tuple(shape.tolist())} voxels do not divide into blocks of {factor}")
    number, phase, grain = volume.features
    few = shape // factor
    blocks = number.reshape(few[0], factor, few[1], factor, few[2], factor)
    blocks = np.sort(blocks.transpose(0, 2, 4, 1, 3, 5).reshape(*few, -1), axis=-1)
    length = np.ones(blocks.shape, dtype=np.int32)
    for k in range(1, blocks.shape[-1]):
        same = blocks[..., k] == blocks[..., k - 1]
        length[..., k] = np.where(same, length[..., k - 1] + 1, 1)
    longest = np.argmax(length, axis=-1)
    winner = np.take_along_axis(blocks, longest[..., None], axis=-1)[..., 0]
    return replace(
        volume,
        phase=phase[winner],
        grain=grain[winner],
        spacing_nm=volume.spacing_nm * factor,
    )


def seam_mismatch(volume: VoxelVolume) -> dict[str, tuple[float, float]]:
    """Share of neighbouring voxels of different features, across the seam and inside.

    Parameters
    ----------
    volume : VoxelVolume
        The volume.

    Returns
    -------
    dict of str to tuple of float
        For x, y and z: the share between the last layer and the image of the first one, and the
        mean share between layers inside. A periodic volume has about the same in both.
    """
    number = volume.features[0]
    shares = {}
    for axis, letter in enumerate("xyz"):
        layers = np.moveaxis(number, axis, 0)
        seam = float(np.mean(layers[-1] != layers[0]))
        shares[letter] = (seam, float(np.mean(layers[1:] != layers[:-1])))
    return shares


def volume_from_labels(
    labels: IntArray,
    spacing_nm: Sequence[float],
    phases: Mapping[str, Sequence[int | str]],
    grain: IntArray | None = None,
    file: str = "labels",
) -> tuple[VoxelVolume | None, list[Finding]]:
    """Turn labels into phases and grains.

    Parameters
    ----------
    labels : ndarray of int, shape (n1, n2, n3)
        Label of each voxel.
    spacing_nm : sequence of float
        Edges of a voxel in nm.
    phases : mapping of str to sequence of int or str
        Labels of each phase: numbers, or ranges such as "5-120".
    grain : ndarray of int, shape (n1, n2, n3), optional
        Number of the grain of each voxel. Without it, the label is the grain of those phases that
        have several labels.
    file : str
        File the labels came from, for the messages.

    Returns
    -------
    volume : VoxelVolume or None
        None if something is wrong.
    findings : list of Finding
        Everything that is wrong: labels without a phase or with two, phases without voxels.
    """
    findings: list[Finding] = []
    present, index, counts = np.unique(labels, return_inverse=True, return_counts=True)
    owner = np.full(len(present), -1, dtype=np.int32)
    names = tuple(phases)
    for number, (name, entries) in enumerate(phases.items()):
        member = np.zeros(len(present), dtype=bool)
        for entry in entries:
            low, high = label_range(entry)
            member |= (present >= low) & (present <= high)
        twice = member & (owner >= 0)
        if twice.any():
            findings.append(
                Finding(
                    file,
                    f"microstructure.phases.{name}",
                    f"label {_listed(present[twice])}, which {names[owner[twice][0]]} has too",
                    "every label in one phase",
                    "delete it from one of the two",
                )
            )
        if not member.any():
            findings.append(
                Finding(
                    file,
                    f"microstructure.phases.{name}",
                    f"{_listed(entries)}: no voxel has such a label",
                    f"labels of the volume: {_listed(present)}",
                    "correct the labels, or delete the phase",
                )
            )
        owner[member] = number
    lost = owner < 0
    if lost.any():
        share = 100.0 * counts[lost].sum() / labels.size
        findings.append(
            Finding(
                file,
                "microstructure.phases",
                f"labels without a phase: {_listed(present[lost])} ({share:.3g} % of the voxels)",
                "a phase for every label of the volume",
                'add the labels to a phase, e.g. phases = { grain = [1, "3-40"] }',
            )
        )
    if findings:
        return None, findings
    phase = owner[index].reshape(labels.shape)
    if grain is None:
        several = np.bincount(owner, minlength=len(names)) > 1
        own = np.where(several[owner], present, -1).astype(np.int32)
        numbers = own[index].reshape(labels.shape)
    else:
        numbers = np.asarray(grain, dtype=np.int32)
    return VoxelVolume(phase, numbers, names, np.asarray(spacing_nm, dtype=float)), []


def label_range(entry: int | str) -> tuple[int, int]:
    """First and last label of an entry.

    Parameters
    ----------
    entry : int or str
        A label, or a range such as "5-120".

    Returns
    -------
    tuple of int
        First and last label.

    Raises
    ------
    ValueError
        If it is neither.
    """
    if isinstance(entry, str):
        low, dash, high = entry.strip().partition("-")
        return int(low), int(high) if dash else int(low)
    return int(entry), int(entry)


def _listed(values: Sequence[int | str] | IntArray) -> str:
    shown = [str(value) for value in list(values)[:12]]
    return ", ".join(shown) + (f" and {len(values) - 12} more" if len(values) > 12 else "")
