"""The run directory: its files, its state and who may write to it."""

import datetime
import hashlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Self, get_args

from ngcfem.errors import Finding, InputError
from ngcfem.results.atomic import (
    read_json,
    write_bytes_atomically,
    write_json_atomically,
    write_text_atomically,
)
from ngcfem.results.increment import Increment
from ngcfem.results.lock import DirectoryLock
from ngcfem.results.log import LogFile

RunState = Literal["created", "running", "finished", "not_converged", "interrupted", "failed"]
RESUMABLE: tuple[RunState, ...] = ("created", "running", "not_converged", "interrupted", "failed")
_SUCCESSORS: dict[str, tuple[str, ...]] = {
    "created": ("running", "failed"),
    "running": ("running", "finished", "not_converged", "interrupted", "failed"),
    "not_converged": ("running", "failed"),
    "interrupted": ("running", "failed"),
    "failed": ("running", "failed"),
    "finished": (),
}


class RunDirectory:
    """One run on disk, as the contract of the run directory lays it out.

    Open it with ``create`` or ``resume``, which take the lock, or with ``open`` to read. Under MPI
    only rank 0 opens it for writing.

    Parameters
    ----------
    path : Path
        The directory.

    Notes
    -----
    Every file is written whole or not at all, except ``log.jsonl``, which grows by whole lines and
    whose reader passes over a last line that a kill has torn. ``status.json`` walks from "created"
    through "running" to "finished", "not_converged", "interrupted" or "failed"; the last three,
    and a "running" whose process is gone, may be resumed.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.log = LogFile(path / "log.jsonl")
        self._lock = DirectoryLock(path / "lock")

    @property
    def case_file(self) -> Path:
        """The case file as it was given."""
        return self.path / "case.toml"

    @property
    def resolved_case_file(self) -> Path:
        """The case with all defaults filled in."""
        return self.path / "case.resolved.toml"

    @property
    def provenance_file(self) -> Path:
        """Versions, host, command, hashes and seeds."""
        return self.path / "provenance.json"

    @property
    def status_file(self) -> Path:
        """State of the run."""
        return self.path / "status.json"

    @property
    def cell_file(self) -> Path:
        """Geometry of the cell."""
        return self.path / "cell.json"

    @property
    def mesh_file(self) -> Path:
        """The mesh."""
        return self.path / "mesh.msh"

    @property
    def mesh_quality_file(self) -> Path:
        """Sizes and quality of the mesh."""
        return self.path / "mesh.json"

    @property
    def curve_file(self) -> Path:
        """The macroscopic history."""
        return self.path / "curve.csv"

    @property
    def summary_file(self) -> Path:
        """Results and health of the run."""
        return self.path / "summary.json"

    @property
    def report_file(self) -> Path:
        """The report."""
        return self.path / "report.html"

    @property
    def fields_directory(self) -> Path:
        """Field snapshots."""
        return self.path / "fields"

    @property
    def figures_directory(self) -> Path:
        """Figures."""
        return self.path / "figures"

    @property
    def checkpoints_directory(self) -> Path:
        """Checkpoints."""
        return self.path / "checkpoints"

    @property
    def realizations_directory(self) -> Path:
        """Run directories of the realizations, where the run is an ensemble."""
        return self.path / "realizations"

    @property
    def is_ensemble(self) -> bool:
        """Whether the run consists of several realizations."""
        return self.realizations_directory.is_dir()

    @property
    def resolutions_directory(self) -> Path:
        """Run directories of the two meshes, where the run is an objectivity study."""
        return self.path / "resolutions"

    @property
    def is_objectivity_study(self) -> bool:
        """Whether the run is one case on two meshes."""
        return self.resolutions_directory.is_dir()

    @classmethod
    def create(
        cls, path: Path, case_text: str, resolved_case_text: str, case_hash: str | None = None
    ) -> Self:
        """Make a new run directory and take its lock.

        Parameters
        ----------
        path : Path
            Directory that does not exist yet, or is empty.
        case_text : str
            The case file as the user wrote it.
        resolved_case_text : str
            The case with all defaults.
        case_hash : str or None
            Hash of the case and its inputs; by default that of the resolved text.

        Returns
        -------
        RunDirectory
            Locked, in the state "created".

        Raises
        ------
        InputError
            If the directory holds anything; the remedy says whether it is the same case, so that it
            can be resumed.
        DirectoryInUseError
            If another process writes to it.
        """
        case_hash = case_hash or hash_of(resolved_case_text)
        _refuse_used(path, case_hash)
        path.mkdir(parents=True, exist_ok=True)
        run = cls(path)
        run._lock.acquire()
        try:
            # Somebody may have filled the directory between the first look and the lock.
            _refuse_used(path, case_hash)
            write_text_atomically(run.case_file, case_text)
            write_text_atomically(run.resolved_case_file, resolved_case_text)
            run._write_status("created", {"case_hash": case_hash, "created": now()})
        except BaseException:
            run.release()
            raise
        return run

    @classmethod
    def resume(cls, path: Path, case_hash: str | None = None) -> Self:
        """Open a run that has not finished, and take its lock.

        Parameters
        ----------
        path : Path
            Directory of an earlier run.
        case_hash : str or None
            Hash of the case that is to go on; None takes whatever case the directory holds.

        Returns
        -------
        RunDirectory
            Locked.

        Raises
        ------
        InputError
            If it is no run directory, has finished, or belongs to another case.
        DirectoryInUseError
            If another process writes to it.
        """
        run = cls.open(path)
        run._lock.acquire()
        try:
            status = run.status()
            refusal: tuple[str, str, str] | None = None
            if status.get("state") == "finished":
                refusal = (
                    "a run that has finished",
                    "a run in one of the states " + ", ".join(RESUMABLE),
                    "nothing is left to do; read it with `ngcfem report`",
                )
            elif case_hash is not None and status.get("case_hash") != case_hash:
                refusal = (
                    "a run of another case",
                    "the case that the directory was made for",
                    "give another directory, or resume with the case.toml that lies in this one",
                )
            if refusal is not None:
                raise InputError([Finding(str(path), "run directory", *refusal)])
        except BaseException:
            run.release()
            raise
        return run

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open a run directory to read it.

        Parameters
        ----------
        path : Path
            Directory of a run in any state.

        Returns
        -------
        RunDirectory
            Not locked.

        Raises
        ------
        InputError
            If there is no run.
        """
        run = cls(path)
        if not run.status():
            found = "no status.json" if path.is_dir() else "no such directory"
            raise InputError(
                [
                    Finding(
                        file=str(path),
                        key="run directory",
                        found=found,
                        allowed="a directory that `ngcfem run` made",
                        remedy="check the path; runs lie below runs/ unless --out said otherwise",
                    )
                ]
            )
        return run

    def release(self) -> None:
        """Give the lock back."""
        self._lock.release()

    def __enter__(self) -> Self:
        """Use the locked directory in a ``with`` block."""
        return self

    def __exit__(self, *_: object) -> None:
        """Give the lock back at the end of the block."""
        self.release()

    def status(self) -> dict[str, Any]:
        """Read ``status.json``.

        Returns
        -------
        dict
            Its content; empty if there is none.
        """
        return read_json(self.status_file)

    def set_state(
        self,
        state: RunState,
        exit_code: int | None = None,
        reason: str = "",
        **details: Any,
    ) -> None:
        """Move the run to a state.

        Parameters
        ----------
        state : str
            The state that follows.
        exit_code : int or None
            Exit code of the command, once it is known.
        reason : str
            Why, in words for the user.
        **details : object
            More entries, such as the increment reached; they stay until overwritten.

        Raises
        ------
        ValueError
            If the state cannot follow the present one.
        """
        status = self.status()
        before = status.get("state", "created")
        if state not in get_args(RunState):
            raise ValueError(f"{state!r} is not a state of a run")
        if state != before and state not in _SUCCESSORS[before]:
            raise ValueError(f"a run cannot go from {before!r} to {state!r}")
        entries = {**status, **details, "exit_code": exit_code, "reason": reason}
        self._write_status(state, entries)

    def write_text(self, name: str, text: str) -> Path:
        """Write a text file of the run whole or not at all.

        Parameters
        ----------
        name : str
            Path inside the run directory.
        text : str
            Content.

        Returns
        -------
        Path
            The file.
        """
        write_text_atomically(self._target(name), text)
        return self.path / name

    def write_bytes(self, name: str, content: bytes) -> Path:
        """Write a binary file of the run whole or not at all.

        Parameters
        ----------
        name : str
            Path inside the run directory.
        content : bytes
            Content.

        Returns
        -------
        Path
            The file.
        """
        write_bytes_atomically(self._target(name), content)
        return self.path / name

    def write_json(self, name: str, value: Any) -> Path:
        """Write a JSON file of the run whole or not at all.

        Parameters
        ----------
        name : str
            Path inside the run directory.
        value : object
            Content; numpy objects and paths are allowed, non-finite numbers become null.

        Returns
        -------
        Path
            The file.
        """
        write_json_atomically(self._target(name), value)
        return self.path / name

    def read_json(self, name: str) -> dict[str, Any]:
        """Read a JSON file of the run.

        Parameters
        ----------
        name : str
            Path inside the run directory.

        Returns
        -------
        dict
            Its content; empty if it is missing or no JSON object.
        """
        return read_json(self.path / name)

    def increments(self) -> list[Increment]:
        """Read the accepted steps as the log holds them, the undeformed state first.

        Returns
        -------
        list of Increment
            Steps that a later resume has discarded are left out.
        """
        return self.log.increments()

    def _target(self, name: str) -> Path:
        target = self.path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        return target

    def _write_status(self, state: RunState, entries: Mapping[str, Any]) -> None:
        changed = {"state": state, "updated": now(), "pid": os.getpid()}
        write_json_atomically(self.status_file, {**entries, **changed})


def default_run_directory(case_file: Path, case_hash: str) -> Path:
    """Name the directory of a run whose user gave none.

    Parameters
    ----------
    case_file : Path
        The case file; its name without the suffix becomes part of the name.
    case_hash : str
        Hash of the case and its inputs, in hexadecimal.

    Returns
    -------
    Path
        ``runs/<case>-<first 8 digits>``, relative to the working directory.
    """
    return Path("runs") / f"{case_file.stem}-{case_hash[:8]}"


def hash_of(text: str, inputs: Sequence[Path] = ()) -> str:
    """Hash a resolved case together with the files it names.

    Parameters
    ----------
    text : str
        The resolved case.
    inputs : sequence of Path
        Files whose content matters; their order and names do not.

    Returns
    -------
    str
        SHA-256 in hexadecimal.
    """
    contents = sorted(hashlib.sha256(path.read_bytes()).hexdigest() for path in inputs)
    return hashlib.sha256("\n".join([text, *contents]).encode("utf-8")).hexdigest()


def now() -> str:
    """Present time.

    Returns
    -------
    str
        ISO 8601 in UTC, to the second.
    """
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def _refuse_used(path: Path, case_hash: str) -> None:
    if not path.exists():
        return
    if path.is_dir():
        entries = [entry.name for entry in path.iterdir() if not entry.name.startswith(".")]
        if not [name for name in entries if name != "lock"]:
            return
        status = read_json(path / "status.json")
        state = status.get("state")
        found = f"a run in the state {state!r}" if state else f"{len(entries)} files, no run"
        remedy = "give another directory with --out"
        if state and status.get("case_hash") == case_hash:
            remedy = (
                f"it is the same case: read it with `ngcfem report {path}`, or give another "
                "directory with --out"
                if state == "finished"
                else f"it is the same case: go on with `ngcfem resume {path}`"
            )
    else:
        found, remedy = "a file", "give another directory with --out"
    allowed = "a directory that does not exist yet, or is empty; nothing is overwritten"
    raise InputError([Finding(str(path), "run directory", found, allowed, remedy)])
