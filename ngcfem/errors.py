"""The errors a user can meet, each with the exit code of the command-line contract."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar


@dataclass(frozen=True, order=True)
class Finding:
    """One thing wrong with an input.

    Parameters
    ----------
    file : str
        File in which it was found.
    key : str
        Dotted key, or line or byte offset, inside that file.
    found : str
        What stands there.
    allowed : str
        What may stand there.
    remedy : str
        What the user can do about it.
    """

    file: str
    key: str
    found: str
    allowed: str
    remedy: str

    def __str__(self) -> str:
        """Format the finding over one headline and three indented lines."""
        return (
            f"{self.file}: {self.key}\n"
            f"    found:   {self.found}\n"
            f"    allowed: {self.allowed}\n"
            f"    remedy:  {self.remedy}"
        )


class NgcfemError(Exception):
    """Base of every error that ngcfem raises on purpose."""

    exit_code: ClassVar[int] = 1


class InstallationError(NgcfemError):
    """Something that ngcfem needs on this machine is missing or broken."""


class InputError(NgcfemError):
    """Bad input: carries every finding at once.

    Parameters
    ----------
    findings : iterable of Finding
        All that is wrong, in the order of the file.
    """

    exit_code: ClassVar[int] = 2

    def __init__(self, findings: Iterable[Finding]) -> None:
        self.findings: tuple[Finding, ...] = tuple(findings)
        super().__init__("\n".join(str(finding) for finding in self.findings))

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle by the findings, so that the error travels between MPI ranks."""
        return type(self), (self.findings,)


class NotConvergedError(NgcfemError):
    """The load path could not be followed to its end; results up to there are kept."""

    exit_code: ClassVar[int] = 3


class RefusedError(NgcfemError):
    """A cell or mesh does not meet what is asked of it."""

    exit_code: ClassVar[int] = 4


class InterruptedRunError(NgcfemError):
    """The run was asked to stop and can be resumed."""

    exit_code: ClassVar[int] = 5


class DirectoryInUseError(NgcfemError):
    """Another process writes to the run directory."""

    exit_code: ClassVar[int] = 6


class ResourceError(NgcfemError):
    """No disk space or memory is left."""

    exit_code: ClassVar[int] = 7


def raise_together(comm: Any, error: Exception | None) -> None:
    """Raise on every rank as soon as one rank has an error.

    Collective. The error of the lowest rank that has one is raised everywhere, so that no rank is
    left waiting in a later collective call.

    Parameters
    ----------
    comm : mpi4py.MPI.Comm
        Communicator of the ranks that must agree.
    error : Exception or None
        What went wrong on this rank, if anything.

    Raises
    ------
    Exception
        The error of the lowest failing rank.
    """
    for other in comm.allgather(error):
        if other is not None:
            raise other
