"""The realizations of an ensemble: cases that differ in their seed alone."""

from dataclasses import replace

import numpy as np

from ngcfem.case.schema import Case
from ngcfem.case.sections import CompositeSection
from ngcfem.errors import Finding, InputError


def realization_seed(seed: int, index: int) -> int:
    """Seed of one realization.

    Parameters
    ----------
    seed : int
        Seed of the case.
    index : int
        Number of the realization, from 0.

    Returns
    -------
    int
        The seed itself for realization 0, so that it is the cell of the case without an ensemble;
        else 63 bits of the child `index` of ``numpy.random.SeedSequence(seed)``.

    Notes
    -----
    ``SeedSequence(seed).spawn(n)[index]`` is ``SeedSequence(seed, spawn_key=(index,))`` for every
    n, so that a realization stays the same when the ensemble grows and can be made alone.
    """
    if index == 0:
        return seed
    child = np.random.SeedSequence(seed, spawn_key=(index,))
    return int(child.generate_state(1, np.uint64)[0] >> np.uint64(1))


def realization_case(case: Case, index: int) -> Case:
    """Take one realization of an ensemble as a case of its own.

    Parameters
    ----------
    case : Case
        A case with a seed; its number of realizations does not matter.
    index : int
        Number of the realization, from 0.

    Returns
    -------
    Case
        One realization with its own seed. Its text is its resolved form, which gives the same case
        wherever it lies on this machine.

    Raises
    ------
    ValueError
        If the index is out of range, or the kind of cell has no realizations.
    """
    micro = case.microstructure
    if not 0 <= index < case.n_realizations:
        raise ValueError(f"realization {index} of {case.n_realizations}")
    if not isinstance(micro, CompositeSection) or case.seed is None:
        raise ValueError(f"a cell of the kind {micro.kind} has no realizations")
    document = case.document.model_copy(
        update={
            "title": f"{case.title}, realization {index} of {case.n_realizations}",
            "seed": realization_seed(case.seed, index),
            "microstructure": micro.model_copy(update={"n_realizations": 1}),
        }
    )
    single = replace(case, document=document)
    return replace(single, text=single.resolved_toml())


def chosen_realization(case: Case, index: int | None) -> Case:
    """Take the realization that the command line names.

    Parameters
    ----------
    case : Case
        A valid case.
    index : int or None
        Number of the realization, from 0; None for the case as it is.

    Returns
    -------
    Case
        The realization, or the case itself.

    Raises
    ------
    InputError
        If the case has no such realization.
    """
    if index is None:
        return case
    if index < case.n_realizations and case.n_realizations > 1:
        return realization_case(case, index)
    if index == 0:
        return case
    last = case.n_realizations - 1
    raise InputError(
        [
            Finding(
                str(case.path),
                "--realization",
                str(index),
                f"{f'0 to {last}' if last else '0'}: microstructure.n_realizations is "
                f"{case.n_realizations}",
                "give one of these, or make n_realizations larger, which changes no other one",
            )
        ]
    )
