"""What a run says of localization: first loss of ellipticity, bands at its end, serrations."""

import io
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from ngcfem.case.build import build_materials
from ngcfem.case.schema import Case
from ngcfem.errors import raise_together
from ngcfem.quantities import AXIS_INDEX, BoolArray, FloatArray
from ngcfem.results.bands import detect_bands
from ngcfem.results.curve import StressStrainCurve
from ngcfem.results.history import History
from ngcfem.results.increment import Increment
from ngcfem.results.run import RunDirectory
from ngcfem.results.serrations import find_serrations, fit_power_law

if TYPE_CHECKING:
    from ngcfem.fem.ellipticity import EllipticityMonitor, EllipticityState
    from ngcfem.fem.problem import PeriodicProblem

FIELD_FILE = "plastic_strain.npz"
"""Plastic strain by cell at the end of a run, from which the report draws the bands."""

SMALLEST_DROP = 1e-3
"""Drops below this share of the largest stress count as noise."""

_MOST_BANDS = 20


class LocalizationRecord:
    """Watches a run whose material softens; every method is collective.

    Parameters
    ----------
    case : Case
        The case.
    run : RunDirectory or None
        The locked directory on rank 0, None elsewhere.
    problem : PeriodicProblem
        What is marched.
    earlier : mapping or None
        `checkpoint_entry` of the checkpoint that the run goes on from.
    """

    def __init__(
        self,
        case: Case,
        run: RunDirectory | None,
        problem: "PeriodicProblem",
        earlier: Mapping[str, Any] | None = None,
    ) -> None:
        self._case = case
        self._run = run
        self._problem = problem
        self._first: dict[str, Any] | None = dict(earlier) if earlier else None
        self._last: EllipticityState | None = None
        self._monitor: EllipticityMonitor | None = None
        self.cpu_s = 0.0
        softening = any(each.softens for each in build_materials(case).values())
        self.wanted: bool = case.output.localization and softening
        if self.wanted:
            self._monitor = problem.ellipticity_monitor()

    @property
    def checkpoint_entry(self) -> dict[str, Any] | None:
        """First loss of ellipticity so far, for a checkpoint."""
        return self._first

    def record(self, increment: Increment, last: bool) -> None:
        """Look at an increment that was asked for, until ellipticity is lost, and at the last one.

        Parameters
        ----------
        increment : Increment
            The step, just committed.
        last : bool
            Whether it ends the load path.
        """
        if self._monitor is None or not self._monitor.phases or increment.increment == 0:
            return
        if not (increment.requested and (self._first is None or last)):
            return
        started = time.process_time()
        load = self._case.load
        axis = np.eye(3)[AXIS_INDEX[load.axis]]
        state = self._problem.look_for_loss_of_ellipticity(self._monitor, axis)
        if last:
            self._last = state
        if state is not None and state.lost and self._first is None:
            curve = StressStrainCurve.from_increments([increment], load.axis, load.kinematics)
            self._first = {
                "increment": increment.increment,
                "true_strain": float(curve.strain[-1]),
                "time_increment_s": self._problem.time_increment_s,
                **asdict(state),
            }
            error: Exception | None = None
            if self._run is not None:
                try:
                    self._run.log.write("ellipticity_lost", **self._first)
                except Exception as failure:
                    error = failure
            raise_together(self._problem.volume.comm, error)
        self.cpu_s += time.process_time() - started

    def summary(self, increments: Sequence[Increment]) -> dict[str, Any] | None:
        """Entry ``localization`` of the summary; writes the field that the picture is drawn from.

        Parameters
        ----------
        increments : sequence of Increment
            Accepted steps, the undeformed state first; read on rank 0.

        Returns
        -------
        dict or None
            None if nothing softens or the case does not want it, and on ranks other than 0.
        """
        if not self.wanted:
            return None
        started = time.process_time()
        field = self._problem.plastic_field()
        entry: dict[str, Any] | None = None
        error: Exception | None = None
        if self._run is not None and field is not None:
            try:
                axis = np.eye(3)[AXIS_INDEX[self._case.load.axis]][: field.positions_nm.shape[1]]
                report = detect_bands(
                    field.positions_nm,
                    field.strain,
                    field.volume,
                    axis,
                    lattice_nm=field.lattice_nm,
                )
                found = asdict(report)
                entry = {
                    "ellipticity": self._ellipticity(),
                    "bands": {
                        **found,
                        "number": report.number,
                        "bands": found["bands"][:_MOST_BANDS],
                    },
                    "serrations": serration_entry(increments, self._case),
                }
                self._keep(field.positions_nm, field.strain, field.volume)
            except Exception as failure:
                error = failure
        raise_together(self._problem.volume.comm, error)
        self.cpu_s += time.process_time() - started
        return entry

    def _ellipticity(self) -> dict[str, Any]:
        monitor = self._monitor
        assert monitor is not None
        return {
            "phases": list(monitor.phases),
            "growth_phases": list(monitor.growth_phases),
            "first_loss": self._first,
            "at_end": None if self._last is None else asdict(self._last),
        }

    def _keep(self, positions: FloatArray, strain: FloatArray, volume: FloatArray) -> None:
        stream = io.BytesIO()
        np.savez_compressed(
            stream,
            positions_nm=positions.astype(np.float32),
            strain=strain.astype(np.float32),
            volume=volume.astype(np.float32),
        )
        assert self._run is not None
        self._run.write_bytes(FIELD_FILE, stream.getvalue())


def serration_entry(increments: Sequence[Increment], case: Case) -> dict[str, Any] | None:
    """Statistics of the drops of the curve while the strain grows.

    Parameters
    ----------
    increments : sequence of Increment
        Accepted steps, the undeformed state first.
    case : Case
        Says the axis and the kinematics.

    Returns
    -------
    dict or None
        Number, density and sizes in GPa, the fall that lasts to the end, and an exponent where
        there are drops enough; None for a curve of fewer than three points.

    Notes
    -----
    The curve is taken up to where the strain first turns back: an unloading is no serration.
    """
    history = History.from_increments(increments, case.load.axis, case.load.kinematics)
    curve = history.curve()
    strain, stress = curve.loading_strain, curve.loading_stress_gpa
    turns: BoolArray = np.diff(strain) < 0.0
    end = int(np.argmax(turns)) + 1 if turns.any() else len(strain)
    if end < 3:
        return None
    smallest = SMALLEST_DROP * float(np.abs(stress[:end]).max())
    found = find_serrations(strain[:end], stress[:end], smallest)
    entry: dict[str, Any] = {
        "smallest_drop_gpa": smallest,
        "number": len(found.size_gpa),
        "drops_per_strain": found.drops_per_strain,
        "mean_drop_gpa": float(found.size_gpa.mean()) if len(found.size_gpa) else None,
        "largest_drop_gpa": float(found.size_gpa.max()) if len(found.size_gpa) else None,
        "fall_at_end_gpa": found.fall_at_end_gpa,
        "exponent": None,
    }
    if len(found.size_gpa) > 2:
        fit = fit_power_law(found.size_gpa, smallest)
        if fit.trustworthy:
            entry["exponent"] = asdict(fit)
    return entry
