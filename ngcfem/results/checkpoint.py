"""Checkpoints in two alternating slots: one of them is whole at any instant."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ngcfem.results.atomic import (
    synchronize_directory,
    write_file_atomically,
    write_json_atomically,
)

_SLOTS = ("a", "b")
_FORMAT = 1


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """State of a run as it lay on disk.

    Parameters
    ----------
    sequence : int
        Number of the checkpoint since the start of the run, from 1.
    arrays : mapping of str to ndarray
        The arrays by name.
    metadata : mapping of str to object
        What JSON can hold.
    """

    sequence: int
    arrays: Mapping[str, np.ndarray]
    metadata: Mapping[str, Any]


class CheckpointStore:
    """Saves and loads checkpoints in ``a`` and ``b`` below a directory.

    Parameters
    ----------
    directory : Path
        Made with the first checkpoint.

    Notes
    -----
    Saving takes the slot that does not hold the newest valid checkpoint:

    1. remove its manifest, which makes the slot invalid;
    2. write ``state.npz`` beside its old self, synchronize, rename;
    3. write ``manifest.json`` with the sequence number, the size and the SHA-256 of the arrays, the
       same way.

    The other slot is not touched, so that a kill in any of the steps leaves the checkpoint before.
    Loading takes the valid manifest with the highest sequence number; a slot whose arrays do not
    match their hash is passed over. Arrays are stored uncompressed: the time of a checkpoint is the
    time of the disk.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._newest: tuple[str, int] | None = None

    def save(self, arrays: Mapping[str, np.ndarray], metadata: Mapping[str, Any]) -> int:
        """Save a checkpoint; the one before stays.

        Parameters
        ----------
        arrays : mapping of str to ndarray
            Arrays of numbers by name.
        metadata : mapping of str to object
            What JSON can hold; non-finite numbers become null.

        Returns
        -------
        int
            Sequence number of the checkpoint.

        Raises
        ------
        TypeError
            If an array holds objects.
        ResourceError
            If the disk is full; the checkpoint before is then still valid.
        """
        named: dict[str, Any] = {name: np.asarray(array) for name, array in arrays.items()}
        for name, array in named.items():
            if array.dtype.hasobject:
                raise TypeError(f"checkpoint array {name!r} holds objects, not numbers")
        if self._newest is None:
            manifests = self._valid_manifests()
            # Without a valid checkpoint the next one goes to a, numbered 1.
            self._newest = (manifests[0][0], manifests[0][1]["sequence"]) if manifests else ("b", 0)
        slot = "a" if self._newest[0] == "b" else "b"
        sequence = self._newest[1] + 1
        directory = self.directory / slot
        directory.mkdir(parents=True, exist_ok=True)
        manifest = directory / "manifest.json"
        manifest.unlink(missing_ok=True)
        synchronize_directory(directory)
        state = directory / "state.npz"
        write_file_atomically(state, lambda temporary: _save(temporary, named))
        write_json_atomically(
            manifest,
            {
                "format": _FORMAT,
                "sequence": sequence,
                "sha256": _sha256(state),
                "bytes": state.stat().st_size,
                "arrays": {name: list(array.shape) for name, array in named.items()},
                "metadata": metadata,
            },
        )
        self._newest = (slot, sequence)
        return sequence

    def load_newest(self) -> Checkpoint | None:
        """Load the newest checkpoint that is whole.

        Returns
        -------
        Checkpoint or None
            None if there is none.
        """
        for slot, manifest in self._valid_manifests():
            with np.load(self.directory / slot / "state.npz", allow_pickle=False) as archive:
                arrays = {name: archive[name] for name in archive.files}
            return Checkpoint(int(manifest["sequence"]), arrays, manifest["metadata"])
        return None

    def damaged_slots(self) -> tuple[str, ...]:
        """Slots that hold something which cannot be used.

        Returns
        -------
        tuple of str
            Names of the slots; a slot that was never written is not among them.
        """
        valid = {slot for slot, _ in self._valid_manifests()}
        return tuple(
            slot
            for slot in _SLOTS
            if slot not in valid and (self.directory / slot / "state.npz").exists()
        )

    def _valid_manifests(self) -> list[tuple[str, dict[str, Any]]]:
        """Slots with a manifest that fits its arrays, the newest first."""
        found: list[tuple[str, dict[str, Any]]] = []
        for slot in _SLOTS:
            state = self.directory / slot / "state.npz"
            try:
                manifest = json.loads((self.directory / slot / "manifest.json").read_text("utf-8"))
                whole = (
                    manifest["format"] == _FORMAT
                    and manifest["sequence"] > 0
                    and isinstance(manifest["metadata"], dict)
                    and manifest["bytes"] == state.stat().st_size
                    and manifest["sha256"] == _sha256(state)
                )
            except (OSError, ValueError, KeyError, TypeError):
                continue
            if whole:
                found.append((slot, manifest))
        return sorted(found, key=lambda entry: -int(entry[1]["sequence"]))


def _save(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    with open(path, "wb") as stream:
        np.savez(stream, allow_pickle=False, **arrays)


def _sha256(path: Path) -> str:
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
