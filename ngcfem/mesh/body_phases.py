"""Which phase every body of a mesh file belongs to, by the names and numbers of its groups."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from ngcfem.errors import Finding

_SECTION = re.compile(rb"\$PhysicalNames\s*\n(.*?)\$EndPhysicalNames", re.DOTALL)
_NAME = re.compile(r'^\s*(\d+)\s+(-?\d+)\s+(?:"(.*)"|(\S+))\s*$')
_SHOWN = 12


@dataclass(frozen=True)
class MeshBody:
    """One elementary volume (in the plane, surface) of a mesh file.

    Parameters
    ----------
    tag : int
        Its tag.
    groups : tuple of (int, str)
        Number and name (empty if it has none) of every physical group that holds it.
    cells : int
        Number of its cells.
    """

    tag: int
    groups: tuple[tuple[int, str], ...]
    cells: int

    @property
    def number(self) -> int:
        """Number by which a case may refer to it: that of its group, else its tag."""
        return self.groups[0][0] if self.groups else self.tag

    @property
    def label(self) -> str:
        """Name of its group, or its number where it has none."""
        return next((name for _, name in self.groups if name), str(self.number))


def physical_names(path: Path) -> dict[tuple[int, int], str]:
    """Names of the physical groups of a .msh file, read without Gmsh.

    Parameters
    ----------
    path : Path
        Gmsh file, format 2.2 or 4.1, ASCII or binary: the section of names is text in all of them.

    Returns
    -------
    dict of (int, int) to str
        Name by dimension and number, in the order of the file; empty if there are none, or the file
        cannot be read.

    Notes
    -----
    Neper writes the names without quotes, which Gmsh passes over.
    """
    try:
        content = path.read_bytes()
    except OSError:
        return {}
    section = _SECTION.search(content)
    if section is None:
        return {}
    lines = section[1].decode("utf-8", errors="replace").splitlines()
    entries = [match for line in lines if (match := _NAME.match(line))]
    return {
        (int(match[1]), int(match[2])): match[4] if match[3] is None else match[3]
        for match in entries
    }


def named_phases(
    bodies: Sequence[MeshBody], file: str, what: str
) -> tuple[dict[int, str], list[Finding]]:
    """Take the name of the one group of each body as its phase.

    Parameters
    ----------
    bodies : sequence of MeshBody
        Bodies that hold cells.
    file : str
        Name of the mesh file, for the messages.
    what : str
        ``volume`` or ``surface``.

    Returns
    -------
    phase_of_body : dict of int to str
        Phase by tag.
    findings : list of Finding
        Every body without exactly one named group; where they are many, one for all of them.
    """
    phases, findings = {}, []
    for body in bodies:
        names = sorted(name for _, name in body.groups)
        if len(body.groups) == 1 and names[0]:
            phases[body.tag] = names[0]
            continue
        if not body.groups:
            found = "no physical group"
        elif len(body.groups) > 1:
            found = f"{len(body.groups)} physical groups: {', '.join(names)}"
        else:
            found = f"physical group {body.number} without a name"
        findings.append(
            Finding(
                file=file,
                key=f"{what} {body.tag}",
                found=found,
                allowed="exactly one named physical group: the phase",
                remedy=f'in Gmsh: Physical {what.title()}("grain") = {{...}}, and save with format '
                "2.2 or 4.1; or name the groups in the case: [mesh] phases = { grain = "
                f"[{body.number}] }}",
            )
        )
    if len(findings) > _SHOWN:
        findings = [
            Finding(
                file=file,
                key=f"{what}s",
                found=f"{len(findings)} without exactly one named physical group; "
                f"the file holds {described(bodies, what)}",
                allowed=f"one named physical group for each {what}: the phase",
                remedy="name the groups in the case, by number or pattern: [mesh] phases = "
                f"{{ grain = [{bodies[0].number}, {bodies[1].number}] }}",
            )
        ]
    return phases, findings


def described(bodies: Sequence[MeshBody], what: str) -> str:
    """Say in words what groups a file holds.

    Parameters
    ----------
    bodies : sequence of MeshBody
        Bodies that hold cells.
    what : str
        ``volume`` or ``surface``.

    Returns
    -------
    str
        Names or numbers with their numbers of cells; the first dozen.
    """
    shown = [f"{body.label} ({body.cells} cells)" for body in bodies[:_SHOWN]]
    more = f" and {len(bodies) - _SHOWN} more" if len(bodies) > _SHOWN else ""
    return f"{len(bodies)} {what}s: " + ", ".join(shown) + more


def chosen_phases(
    bodies: Sequence[MeshBody],
    phases: Mapping[str, Sequence[int | str]],
    file: str,
    what: str,
) -> tuple[dict[int, str], list[Finding]]:
    """Sort bodies into phases by patterns for their names, or by numbers.

    Parameters
    ----------
    bodies : sequence of MeshBody
        Bodies that hold cells.
    phases : mapping of str to sequence of int or str
        Patterns (``poly*``) or numbers of the groups of each phase; the tag of a body counts as its
        number where it has no group.
    file : str
        Name of the mesh file, for the messages.
    what : str
        ``volume`` or ``surface``.

    Returns
    -------
    phase_of_body : dict of int to str
        Phase by tag.
    findings : list of Finding
        Bodies without a phase or with two, and entries that fit no body.
    """
    found: dict[int, list[str]] = {body.tag: [] for body in bodies}
    findings = []
    for phase, entries in phases.items():
        for entry in entries:
            hits = [body for body in bodies if _fits(body, entry)]
            for body in hits:
                if phase not in found[body.tag]:
                    found[body.tag].append(phase)
            if not hits:
                kind = "number" if isinstance(entry, int) else "name"
                findings.append(
                    Finding(
                        file,
                        f"mesh.phases.{phase}",
                        f'"{entry}": no group has such a {kind}',
                        f"a pattern or number of a group; the file holds {described(bodies, what)}",
                        "correct the pattern, or delete it",
                    )
                )
    findings += list(_misfits(bodies, found, file, what))
    if findings:
        return {}, findings
    order = list(phases)
    sorted_tags = sorted(found, key=lambda tag: order.index(found[tag][0]))
    return {tag: found[tag][0] for tag in sorted_tags}, []


def _misfits(
    bodies: Sequence[MeshBody], found: Mapping[int, list[str]], file: str, what: str
) -> Iterator[Finding]:
    lost = [body for body in bodies if not found[body.tag]]
    if lost:
        yield Finding(
            file,
            "mesh.phases",
            f"no phase for {described(lost, what)}",
            f"a phase for each {what} of the file",
            f'add them to a phase, e.g. phases = {{ grain = ["{lost[0].label}"] }}; '
            '"*" stands for anything',
        )
    twice = [body for body in bodies if len(found[body.tag]) > 1]
    if twice:
        first = twice[0]
        yield Finding(
            file,
            "mesh.phases",
            f"{first.label} in {' and '.join(found[first.tag])}"
            + (f", and {len(twice) - 1} more" if len(twice) > 1 else ""),
            f"each {what} in one phase",
            "make the patterns narrower",
        )


def _fits(body: MeshBody, entry: int | str) -> bool:
    if isinstance(entry, int):
        return entry in ([number for number, _ in body.groups] or [body.tag])
    return any(name and fnmatchcase(name, entry) for _, name in body.groups)
