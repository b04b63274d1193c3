"""Step control: where a march stands, and which part of the load path its next step covers."""

from dataclasses import dataclass, replace

from ngcfem.quantities import FloatArray

SNAP = 1e-9
EASY_ITERATIONS = 4
HARD_ITERATIONS = 8


@dataclass(frozen=True)
class StepControl:
    """Size of the next step in units of the increments asked for.

    Parameters
    ----------
    size : float
        Step wanted next; below 1 after cut-backs, above 1 only where growth is allowed.
    failures : int
        Failures in a row.
    grow : bool
        Whether a step may span several increments.
    maximum : int
        Largest number of increments a step may span.
    minimum : float
        Smallest step before the run gives up.
    """

    size: float
    failures: int
    grow: bool
    maximum: int
    minimum: float

    def end(self, position: float, segment_end: int) -> float:
        """Position where the next step ends.

        Parameters
        ----------
        position : float
            Where the run stands.
        segment_end : int
            End of the load segment, never crossed.

        Returns
        -------
        float
            A step below one increment never crosses a listed increment; a longer one ends on one.
        """
        inside = position - round(position)
        if abs(inside) > SNAP or self.size < 1.0 - SNAP:
            next_listed = float(int(position + SNAP) + 1)
            end = min(position + self.size, next_listed)
            remainder = next_listed - end
            if 0.0 < remainder < 0.1 * self.size:
                end = next_listed
        else:
            span = int(self.size + SNAP) if self.grow else 1
            end = round(position) + float(max(1, span))
        end = min(end, float(segment_end))
        return float(round(end)) if abs(end - round(end)) < SNAP else end

    def after_success(self, newton_iterations: int) -> "StepControl":
        """Control after an accepted step.

        Parameters
        ----------
        newton_iterations : int
            Iterations the step took.

        Returns
        -------
        StepControl
            Larger after an easy step, smaller after a hard one.
        """
        factor = 1.0
        if newton_iterations <= EASY_ITERATIONS:
            factor = 1.5
        elif newton_iterations >= HARD_ITERATIONS:
            factor = 0.6
        ceiling = float(self.maximum) if self.grow else 1.0
        size = self.size * factor
        if factor < 1.0 and self.size >= 1.0:
            size = max(size, 1.0)
        return replace(self, size=min(size, ceiling), failures=0)

    def after_failure(self, tried: float) -> "StepControl":
        """Control after a failed step.

        Parameters
        ----------
        tried : float
            Size of the step that failed.

        Returns
        -------
        StepControl
            Half the step, and a third from the third failure in a row.
        """
        factor = 0.5 if self.failures < 2 else 0.35
        return replace(self, size=tried * factor, failures=self.failures + 1)

    @property
    def exhausted(self) -> bool:
        """Whether the step has become too small to go on."""
        return self.size < self.minimum


@dataclass(frozen=True, eq=False)
class MarchPosition:
    """Where a problem stands on its load path, with what the next first guess needs.

    Parameters
    ----------
    position : float
        Position on the path; integers are the increments asked for.
    time_s : float
        Time there.
    segment_start_deformation_gradient, segment_start_stress : ndarray, shape (3, 3)
        Macroscopic state at the start of the current segment.
    previous_deformation_gradient : ndarray, shape (3, 3)
        Macroscopic F one accepted step earlier.
    previous_step : float
        Length of the last accepted step; 0 if a secant cannot be formed.
    control : StepControl
        Size of the next step.
    wall_s : float
        Wall time spent so far.
    """

    position: float
    time_s: float
    segment_start_deformation_gradient: FloatArray
    segment_start_stress: FloatArray
    previous_deformation_gradient: FloatArray
    previous_step: float
    control: StepControl
    wall_s: float
