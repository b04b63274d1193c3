"""Results of several realizations as one: mean curve, confidence band, scatter of every scalar."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import stdtrit

from ngcfem.quantities import FloatArray
from ngcfem.results.atomic import write_text_atomically
from ngcfem.results.history import History
from ngcfem.results.measures import axial_measures

CONFIDENCE = 0.95
_NO_RESULTS = ("schema_version", "exit_code", "seed", "offset_yield_offset", "estimate")


@dataclass(frozen=True)
class Statistic:
    """What several realizations say of one number.

    Parameters
    ----------
    mean : float
        Arithmetic mean.
    standard_deviation : float or None
        Of one realization, with n - 1; None for n = 1.
    lo95, hi95 : float or None
        Confidence interval of the mean, mean -/+ t(0.975, n - 1) standard_deviation / sqrt(n);
        None for n = 1.
    n : int
        Number of realizations that have the number.
    minimum, maximum : float
        Smallest and largest value.

    References
    ----------
    Student (1908), Biometrika 6, 1-25, doi 10.1093/biomet/6.1.1.
    """

    mean: float
    standard_deviation: float | None
    lo95: float | None
    hi95: float | None
    n: int
    minimum: float
    maximum: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Statistic":
        """Evaluate a sample.

        Parameters
        ----------
        values : sequence of float
            One or more values.

        Returns
        -------
        Statistic
            Of these values.

        Raises
        ------
        ValueError
            If there is none.
        """
        sample = np.asarray(values, dtype=float)
        if sample.size == 0:
            raise ValueError("a statistic needs at least one value")
        mean = float(sample.mean())
        spread = half = None
        if sample.size > 1:
            spread = float(sample.std(ddof=1))
            half = t_quantile(sample.size) * spread / float(np.sqrt(sample.size))
        return cls(
            mean=mean,
            standard_deviation=spread,
            lo95=None if half is None else mean - half,
            hi95=None if half is None else mean + half,
            n=int(sample.size),
            minimum=float(sample.min()),
            maximum=float(sample.max()),
        )


def t_quantile(n: int) -> float:
    """Two-sided 95 % quantile of Student's distribution for the mean of a sample.

    Parameters
    ----------
    n : int
        Size of the sample, at least 2.

    Returns
    -------
    float
        t(0.975, n - 1).
    """
    return float(stdtrit(n - 1, 0.5 * (1.0 + CONFIDENCE)))


@dataclass(frozen=True, eq=False)
class Band:
    """Mean of a quantity over the realizations along the load path, with its confidence.

    Parameters
    ----------
    mean, standard_deviation, lo95, hi95 : ndarray, shape (m,)
        As in `Statistic`, at each point; NaN but for the mean where n = 1.
    """

    mean: FloatArray
    standard_deviation: FloatArray
    lo95: FloatArray
    hi95: FloatArray

    @classmethod
    def of(cls, values: FloatArray) -> "Band":
        """Evaluate the realizations at each point.

        Parameters
        ----------
        values : ndarray, shape (n, m)
            One row a realization.

        Returns
        -------
        Band
            Over the rows.
        """
        n = len(values)
        mean = values.mean(axis=0)
        if n < 2:
            nothing = np.full(mean.shape, np.nan)
            return cls(mean, nothing, nothing, nothing)
        spread = values.std(axis=0, ddof=1)
        half = t_quantile(n) * spread / np.sqrt(n)
        return cls(mean, spread, mean - half, mean + half)


@dataclass(frozen=True, eq=False)
class EnsembleCurve:
    """Mean curve of an ensemble on the part of the load path that all its members have.

    Parameters
    ----------
    mean : History
        Means of F and P, the undeformed state first; no effort.
    true_strain, true_stress_gpa, engineering_stress_gpa : Band
        Along the axis of the load; the true stress is the Cauchy stress of each member.
    n : int
        Number of members.
    """

    mean: History
    true_strain: Band
    true_stress_gpa: Band
    engineering_stress_gpa: Band
    n: int


def ensemble_curve(histories: Sequence[History]) -> EnsembleCurve:
    """Average the curves of realizations that follow the same load path.

    Parameters
    ----------
    histories : sequence of History
        One or more, each with the undeformed state.

    Returns
    -------
    EnsembleCurve
        At the increments asked for that any member hits, up to where the first member ends.

    Raises
    ------
    ValueError
        If there is none, or their axes or kinematics differ.

    Notes
    -----
    1. Each member has accepted steps of its own. Where they lie on the path is told by the time,
       which is the same for all at the same place; along uniaxial stress the time is proportional
       to the true strain within a segment, so that what is linear in one is linear in the other.
       Unlike the strain, the time also tells loading from unloading, and orders a path in shear.
    2. F, P and the axial stresses of each member are interpolated linearly in the time to the
       common points.
    3. The mean history holds the component-wise means of F and P: those of the body made of all
       cells side by side, where these have the same volume. Its Cauchy stress, which follows from
       mean F and P, differs from the mean of the Cauchy stresses by the covariance of stress and
       lateral stretch, a term of second order in the scatter.
    """
    if not histories:
        raise ValueError("an ensemble needs at least one member")
    first = histories[0]
    if any((h.axis, h.kinematics) != (first.axis, first.kinematics) for h in histories):
        raise ValueError("the members of an ensemble have one axis and one kind of kinematics")
    # Times of equal increments may differ by rounding after a resume.
    end = min(float(history.time_s[-1]) for history in histories) * (1.0 + 1e-12)
    times: dict[int, float] = {}
    for history in histories:
        for number, time_s, requested in zip(
            history.increment, history.time_s, history.requested, strict=True
        ):
            if (requested or number == 0) and time_s <= end:
                times.setdefault(int(number), float(time_s))
    increment = np.array(sorted(times), dtype=np.int64)
    time_s = np.array([times[int(number)] for number in increment])
    gradients = np.array([_interpolated(h, h.deformation_gradient, time_s) for h in histories])
    stresses = np.array(
        [_interpolated(h, h.first_piola_kirchhoff_stress, time_s) for h in histories]
    )
    axial = [
        axial_measures(gradient, stress, first.axis, first.kinematics)
        for gradient, stress in zip(gradients, stresses, strict=True)
    ]
    true_strain, engineering_stress, true_stress = (
        Band.of(np.array([measures[kind] for measures in axial])) for kind in range(3)
    )
    return EnsembleCurve(
        mean=History(
            increment=increment,
            requested=np.ones(increment.shape, dtype=np.bool_),
            time_s=time_s,
            deformation_gradient=gradients.mean(axis=0),
            first_piola_kirchhoff_stress=stresses.mean(axis=0),
            axis=first.axis,
            kinematics=first.kinematics,
        ),
        true_strain=true_strain,
        true_stress_gpa=true_stress,
        engineering_stress_gpa=engineering_stress,
        n=len(histories),
    )


def _interpolated(history: History, values: FloatArray, time_s: FloatArray) -> FloatArray:
    flat = values.reshape(len(values), -1)
    columns = [np.interp(time_s, history.time_s, column) for column in flat.T]
    return np.stack(columns, axis=1).reshape(len(time_s), *values.shape[1:])


def write_ensemble_curve(path: Path, curve: EnsembleCurve) -> None:
    """Write ``ensemble_curve.csv`` whole or not at all.

    Parameters
    ----------
    path : Path
        File to write.
    curve : EnsembleCurve
        What it shall hold: mean, standard deviation and the two ends of the confidence band of
        each quantity; entries that do not exist for a single member are empty.

    Raises
    ------
    ResourceError
        If the disk is full.
    """
    columns: dict[str, Any] = {
        "increment": curve.mean.increment,
        "time_s": curve.mean.time_s,
        "n": np.full(curve.mean.increment.shape, curve.n),
    }
    for name, unit, band in (
        ("true_strain", "", curve.true_strain),
        ("true_stress", "_gpa", curve.true_stress_gpa),
        ("engineering_stress", "_gpa", curve.engineering_stress_gpa),
    ):
        columns |= {
            f"{name}_mean{unit}": band.mean,
            f"{name}_standard_deviation{unit}": band.standard_deviation,
            f"{name}_lo95{unit}": band.lo95,
            f"{name}_hi95{unit}": band.hi95,
        }
    lines = [
        ",".join(_entry(values[row]) for values in columns.values())
        for row in range(len(curve.mean.increment))
    ]
    write_text_atomically(path, "\n".join([",".join(columns), *lines]) + "\n")


def _entry(value: Any) -> str:
    if isinstance(value, np.integer):
        return str(int(value))
    return "" if np.isnan(value) else repr(float(value))


def scalar_statistics(documents: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Evaluate every number that the summaries of realizations hold.

    Parameters
    ----------
    documents : sequence of mapping
        Content of the files summary.json (or others of nested numbers).

    Returns
    -------
    dict
        Fields of `Statistic` by key, in the order of the documents; keys of nested tables are
        joined by a stroke, as in phases/grain/volume_fraction. Lists, texts, and numbers that are
        no results (versions, exit codes, seeds) are left out; a realization that does not have a
        number is not counted in its n.
    """
    values: dict[str, list[float]] = {}
    for document in documents:
        for key, value in _numbers(document, ""):
            values.setdefault(key, []).append(value)
    return {key: asdict(Statistic.of(sample)) for key, sample in values.items()}


def _numbers(document: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, float]]:
    for name, value in document.items():
        key = f"{prefix}{name}"
        if name in _NO_RESULTS:
            continue
        if isinstance(value, Mapping):
            yield from _numbers(value, f"{key}/")
        elif isinstance(value, int | float) and not isinstance(value, bool) and np.isfinite(value):
            yield key, float(value)
