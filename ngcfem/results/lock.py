"""The lock that keeps two processes from writing to one run directory."""

import contextlib
import fcntl
import os
import platform
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from ngcfem.errors import DirectoryInUseError


@dataclass(frozen=True)
class ProcessIdentity:
    """What tells one process from every other, also after its number was given out again.

    Parameters
    ----------
    pid : int
        Process number.
    started : str
        Start of the process in clock ticks since boot, and the boot's identifier, as the kernel
        gives them; empty where the system does not say.
    host : str
        Name of the machine.
    """

    pid: int
    started: str
    host: str

    @classmethod
    def of(cls, pid: int) -> Self:
        """Identify a process of this machine.

        Parameters
        ----------
        pid : int
            Process number.

        Returns
        -------
        ProcessIdentity
            Identity; ``started`` is empty if there is no such process or no /proc.
        """
        return cls(pid, _start_of(pid), platform.node())

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Read an identity back.

        Parameters
        ----------
        text : str
            What ``str`` of an identity gave.

        Returns
        -------
        ProcessIdentity or None
            None if the text is not one.
        """
        entries: dict[str, str] = {}
        for line in text.splitlines():
            key, _, value = line.partition("=")
            entries[key] = value
        if set(entries) != {"pid", "started", "host"} or not entries["pid"].isdigit():
            return None
        return cls(int(entries["pid"]), entries["started"], entries["host"])

    def __str__(self) -> str:
        """Write the identity as three lines, the last one ended."""
        return f"pid={self.pid}\nstarted={self.started}\nhost={self.host}\n"

    @property
    def is_alive(self) -> bool:
        """Whether the process still runs; True for another machine, which cannot be asked."""
        if self.host != platform.node():
            return True
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            pass
        started = _start_of(self.pid)
        return not (self.started and started and self.started != started)


class DirectoryLock:
    """Exclusive right to write to a directory, held by one process.

    Parameters
    ----------
    path : Path
        The lock file.

    Notes
    -----
    1. A file with the identity of this process is written beside the lock and hard-linked to its
       name, which fails if the name is taken and never shows a half-written lock.
    2. If the name is taken, the identity in it is read. A holder that is dead, or whose process
       number now belongs to a process that started at another time, has left a stale lock: it is
       removed and step 1 repeated.
    3. Both steps run under ``flock`` on the directory, so that two processes cannot both take a
       stale lock for theirs to remove.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._held = False

    def acquire(self) -> None:
        """Take the lock.

        Raises
        ------
        DirectoryInUseError
            If a living process holds it, or a process of another machine, of which nobody can say.
        """
        own = ProcessIdentity.of(os.getpid())
        with _flock(self.path.parent):
            if self._link(own):
                self._held = True
                return
            holder = self._holder()
            if holder is not None and holder.is_alive:
                where = "" if holder.host == own.host else f" on {holder.host}"
                hint = (
                    "wait for it or stop it"
                    if not where
                    else f"if that process is gone, remove {self.path.name} by hand"
                )
                raise DirectoryInUseError(
                    f"{self.path.parent}: process {holder.pid}{where} writes here; {hint}"
                )
            self.path.unlink(missing_ok=True)
            if not self._link(own):
                raise DirectoryInUseError(f"{self.path.parent}: another process took it just now")
            self._held = True

    def release(self) -> None:
        """Give the lock back; does nothing if it is not held."""
        if self._held and self._holder() == ProcessIdentity.of(os.getpid()):
            self.path.unlink(missing_ok=True)
        self._held = False

    def __enter__(self) -> Self:
        """Take the lock for a ``with`` block."""
        self.acquire()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Give the lock back at the end of the block."""
        self.release()

    def _holder(self) -> ProcessIdentity | None:
        try:
            return ProcessIdentity.parse(self.path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError):
            return None

    def _link(self, own: ProcessIdentity) -> bool:
        temporary = self.path.with_name(f".{self.path.name}.{secrets.token_hex(8)}")
        try:
            temporary.write_text(str(own), encoding="utf-8")
            try:
                os.link(temporary, self.path)
            except FileExistsError:
                return False
            return True
        finally:
            temporary.unlink(missing_ok=True)


def _start_of(pid: int) -> str:
    try:
        # The command name, in parentheses, may itself hold blanks and parentheses.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""
    # Field 22 of proc(5); the two fields up to the parenthesis are gone.
    return f"{fields[19]}@{boot}"


@contextlib.contextmanager
def _flock(directory: Path) -> Iterator[None]:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        # Network file systems may refuse; the hard link alone then decides between newcomers.
        with contextlib.suppress(OSError):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
