"""Wrong case files: each gets its message, with key and remedy, and exit code 2."""

import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ngcfem.cli.main import app

GOOD = """\
schema_version = 1
title = "A sound case"
seed = 1

[microstructure]
kind = "laminate"
normal = "x"
layers = [{ phase = "a", fraction = 0.35 }, { phase = "b", fraction = 0.65 }]
cell_nm = 10.0

[mesh]
size_nm = 3.0

[[phase]]
name = "a"
law = "j2"
parameters = { youngs_modulus_gpa = 140.0, poisson_ratio = 0.33, yield_strength_gpa = 2.5 }

[[phase]]
name = "b"
law = "elastic"
parameters = { youngs_modulus_gpa = 204.0, poisson_ratio = 0.29 }

[load]
boundary = "periodic"
kinematics = "finite"
kind = "uniaxial-stress"
axis = "z"
true_strain = -0.6
rate_per_s = 1e-3
increments = 20

[solver]
grow = true

[output]
fields_every = 5
"""

UNIAXIAL = GOOD[GOOD.index('kind = "uniaxial-stress"') : GOOD.index("[solver]")]
LAMINATE = GOOD[GOOD.index('kind = "laminate"') : GOOD.index("[mesh]")]


def mixed(gradient: str, more: str = "", duration: str = "10.0", increments: str = "5") -> str:
    """Write a mixed load of one segment in place of the uniaxial one."""
    return (
        f'kind = "mixed"\n[[load.segment]]\ndeformation_gradient = {gradient}\n{more}\n'
        f"duration_s = {duration}\nincrements = {increments}\n"
    )


FREE_DIAGONAL = '[["free", 0.0, 0.0], [0.0, "free", 0.0], [0.0, 0.0, 0.95]]'

# What is replaced, by what, the key that is named, and words of the message.
BAD: dict[str, tuple[str, str, str, tuple[str, ...]]] = {
    "key of another kind": (
        'kind = "laminate"',
        'kind = "laminate"\nn_grains = 8',
        "microstructure.n_grains",
        ('n_grains is a key of [microstructure] with kind = "nanocomposite"', "correct the kind"),
    ),
    "syntax": ("seed = 1", "seed = = 1", "line 3", ("Invalid value",)),
    "decimal comma": ("size_nm = 3.0", "size_nm = 3,0", "line 12", ("decimal points",)),
    "open quotes": ('name = "a"', 'name = "a', "line 15", ("quotes",)),
    "key twice": ("seed = 1\n", "seed = 1\nseed = 2\n", "line 4", ("same key twice",)),
    "section twice": ("[output]", "[solver]", "line 36", ("table solver twice", "merge the two")),
    "version missing": ("schema_version = 1\n", "", "schema_version", ("missing",)),
    "version wrong": ("schema_version = 1", "schema_version = 2", "schema_version", ("write 1",)),
    "section misspelt": ("[solver]", "[solvers]", "solvers", ("did you mean solver?",)),
    "phases": ("[output]", "[[materials]]", "materials", ("did you mean phase?",)),
    "key misspelt": (
        "rate_per_s",
        "rate_per_sec",
        "load.rate_per_sec",
        ("did you mean rate_per_s?",),
    ),
    "key of another section": (
        "[mesh]\n",
        "[mesh]\ntrue_strain = 0.1\n",
        "mesh.true_strain",
        ("key of [load]", "move it"),
    ),
    "unit in pascal": (
        "youngs_modulus_gpa = 140.0",
        "youngs_modulus_pa = 140e9",
        "phase[0].parameters.youngs_modulus_pa",
        ("did you mean youngs_modulus_gpa?", "1e9 Pa"),
    ),
    "unit in micrometre": (
        "size_nm = 3.0",
        "size_um = 0.003",
        "mesh.size_um",
        ("did you mean size_nm?", "1000 nm"),
    ),
    "value in megapascal": (
        "youngs_modulus_gpa = 140.0",
        "youngs_modulus_gpa = 140000.0",
        "phase[0].parameters.youngs_modulus_gpa",
        ("<= 10000", "GPa"),
    ),
    "number as text": (
        "size_nm = 3.0",
        'size_nm = "3 nm"',
        "mesh.size_nm",
        ("a number", "without quotes"),
    ),
    "parameter as text": (
        "poisson_ratio = 0.33",
        'poisson_ratio = "0.33"',
        "phase[0].parameters.poisson_ratio",
        ("without quotes",),
    ),
    "yes for true": ("grow = true", 'grow = "yes"', "solver.grow", ("true or false",)),
    "not a number": (
        "rate_per_s = 1e-3",
        "rate_per_s = nan",
        "load.rate_per_s",
        ("nan", "finite number"),
    ),
    "infinite parameter": (
        "yield_strength_gpa = 2.5",
        "yield_strength_gpa = inf",
        "phase[0].parameters.yield_strength_gpa",
        ("inf", "finite number"),
    ),
    "kind unknown": (
        'kind = "laminate"',
        'kind = "laminates"',
        "microstructure.kind",
        ('did you mean "laminate"?', "nanocomposite"),
    ),
    "voxels without a file": (
        'kind = "laminate"',
        'kind = "voxels"',
        "microstructure.file",
        ("missing", ".npy, .vti, HDF5", "microstructure.phases"),
    ),
    "kind missing": ('kind = "laminate"\n', "", "microstructure.kind", ("missing",)),
    "law unknown": ('law = "j2"', 'law = "J-2"', "phase[0].law", ('did you mean "j2"?',)),
    "law planned": (
        'law = "j2"',
        'law = "crystal"',
        "phase[0].law",
        ("not in this version", "drucker-prager"),
    ),
    "parameter missing": (
        ", yield_strength_gpa = 2.5",
        "",
        "phase[0].parameters.yield_strength_gpa",
        ("nothing", "add yield_strength_gpa"),
    ),
    "parameter of another law": (
        "yield_strength_gpa = 2.5",
        "yield_strength_gpa = 2.5, friction_coefficient = 0.1",
        "phase[0].parameters.friction_coefficient",
        ("j2",),
    ),
    "length of a law without softening": (
        "parameters = { youngs_modulus_gpa = 204.0, poisson_ratio = 0.29 }",
        "parameters = { youngs_modulus_gpa = 204.0, poisson_ratio = 0.29, "
        "characteristic_length_nm = 2.1 }",
        "phase[1].parameters.characteristic_length_nm",
        ("j2, drucker-prager", "mesh_dependent"),
    ),
    "poisson ratio": (
        "poisson_ratio = 0.33",
        "poisson_ratio = 0.5",
        "phase[0].parameters.poisson_ratio",
        ("< 0.5",),
    ),
    "parameter file missing": (
        "parameters = { youngs_modulus_gpa = 204.0, poisson_ratio = 0.29 }",
        'parameters = "iron.toml"',
        "phase[1].parameters",
        ("no such file", "materials"),
    ),
    "provenance unknown": (
        "poisson_ratio = 0.33",
        'poisson_ratio = { value = 0.33, provenance = "guessed" }',
        "phase[0].parameters.poisson_ratio.provenance",
        ("assumed", "literature"),
    ),
    "softening": (
        "yield_strength_gpa = 2.5",
        "yield_strength_gpa = 2.5, softening_gpa = 0.2, softening_strain = 0.05",
        "phase[0].parameters",
        ("softening", "mesh_dependent = true"),
    ),
    "phase twice": ('name = "b"', 'name = "a"', "phase[1].name", ("each phase once",)),
    "phase unknown": (
        'name = "b"',
        'name = "c"',
        "phase[1].name",
        ("does not have", "a, b"),
    ),
    "phase without material": ('name = "b"', 'name = "c"', "phase", ('name = "b"', "add")),
    "phase as one table": (
        GOOD[GOOD.index('[[phase]]\nname = "a"') : GOOD.index("[load]")],
        '[phase]\nname = "a"\n',
        "phase",
        ("a list", "[["),
    ),
    "layers do not fill": (
        "fraction = 0.65",
        "fraction = 0.6",
        "microstructure.layers",
        ("0.95", "add up to 1"),
    ),
    "sphere too large": (
        LAMINATE,
        'kind = "sphere"\nfraction = 0.6\n',
        "microstructure.fraction",
        ("0.4928",),
    ),
    "seed missing": (
        "seed = 1\n" + GOOD[GOOD.index("\n[microstructure]") : GOOD.index("[mesh]")],
        '[microstructure]\nkind = "glass"\n',
        "seed",
        ("missing", "seed = 1"),
    ),
    "statistics missing": (
        LAMINATE,
        'kind = "nanoglass"\n',
        "statistics",
        ("missing", "[statistics]"),
    ),
    "statistics of no use": (
        "[mesh]",
        '[statistics]\nfile = "s.json"\n[mesh]',
        "statistics",
        ("does not use", "delete"),
    ),
    "statistics file missing": (
        LAMINATE,
        'kind = "nanoglass"\n[statistics]\nfile = "none.json"\n',
        "statistics.file",
        ("no such file",),
    ),
    "one angle in space": (
        LAMINATE,
        'kind = "nanoglass"\nrotation_deg = 30.0\n',
        "microstructure.rotation_deg",
        ("three Euler angles", "[30, 0.0, 0.0]"),
    ),
    "dimension": (
        'normal = "x"',
        'normal = "x"\ndimension = 4',
        "microstructure.dimension",
        ("2 or 3", "plane strain"),
    ),
    "axis out of the plane": (
        'normal = "x"',
        'normal = "x"\ndimension = 2',
        "load.axis",
        ("plane strain", 'write axis = "y"'),
    ),
    "mesh size missing": ("size_nm = 3.0\n", "", "mesh.size_nm", ("missing", "size_nm = 1.2")),
    "mesh size negative": ("size_nm = 3.0", "size_nm = -3.0", "mesh.size_nm", ("larger than 0",)),
    "curved generated mesh": (
        "size_nm = 3.0",
        "size_nm = 3.0\norder = 2",
        "mesh.order",
        ("straight-sided",),
    ),
    "mesh file without kind": (
        "size_nm = 3.0",
        'size_nm = 3.0\nfile = "x.msh"',
        "mesh.file",
        ('kind = "mesh"',),
    ),
    "mesh file missing": (
        LAMINATE + "[mesh]\nsize_nm = 3.0\n",
        'kind = "mesh"\n[mesh]\nfile = "none.msh"\n',
        "mesh.file",
        ("no such file",),
    ),
    "imperfection of nothing": (
        "[output]",
        "[imperfection]\n[output]",
        "imperfection",
        ("scatter",),
    ),
    "imperfection of a phase without strength": (
        "[output]",
        '[imperfection]\nphases = ["b"]\n[[imperfection.region]]\ncentre = [0.5, 0.5, 0.5]\n'
        "radius_nm = 2.0\nstrength_factor = 0.9\n[output]",
        "imperfection.phases[0]",
        ("elastic", "law has a strength: a"),
    ),
    "imperfection in the plane": (
        "[output]",
        "[[imperfection.region]]\ncentre = [0.5, 0.5]\nradius_nm = 2.0\nstrength_factor = 0.9\n"
        "[output]",
        "imperfection.region[0].centre",
        ("3 numbers with dimension = 3",),
    ),
    "imperfection beyond the cell": (
        "[output]",
        "[[imperfection.region]]\ncentre = [0.5, 0.5, 5.0]\nradius_nm = 2.0\n"
        "strength_factor = 0.9\n[output]",
        "imperfection.region[0].centre",
        ("between 0 and 1",),
    ),
    "imperfection as large as the cell": (
        "[output]",
        "[[imperfection.region]]\ncentre = [0.5, 0.5, 0.5]\nradius_nm = 20.0\n"
        "strength_factor = 0.9\n[output]",
        "imperfection.region[0].radius_nm",
        ("at most 5",),
    ),
    "scatter in percent": (
        "[output]",
        "[imperfection.scatter]\nstandard_deviation = 2.0\ncorrelation_length_nm = 3.0\n[output]",
        "imperfection.scatter.standard_deviation",
        ("0.02 is 2 %",),
    ),
    "scatter without a seed": (
        "seed = 1\n",
        "[imperfection.scatter]\nstandard_deviation = 0.02\ncorrelation_length_nm = 3.0\n",
        "imperfection.scatter.seed",
        ("the same seed",),
    ),
    "strain in percent": (
        "true_strain = -0.6",
        "true_strain = -60",
        "load.true_strain",
        ("percent is -0.6",),
    ),
    "strain zero": (
        "true_strain = -0.6",
        "true_strain = 0.0",
        "load.true_strain",
        ("already is",),
    ),
    "increments of segments": (
        "increments = 20",
        "increments = [10, 10]",
        "load.increments",
        ("2 numbers for 1",),
    ),
    "increments zero": ("increments = 20", "increments = 0", "load.increments", ("at least 1",)),
    "rate negative": (
        "rate_per_s = 1e-3",
        "rate_per_s = -1e-3",
        "load.rate_per_s",
        ("larger than 0",),
    ),
    "axis": ('axis = "z"', "axis = 3", "load.axis", ("x or y or z", "double quotes")),
    "platens without a specimen": (
        'boundary = "periodic"',
        'boundary = "periodic"\nplatens = "rough"',
        "load.platens",
        ("only with boundary", "delete the line"),
    ),
    "both mirrored entries free": (
        UNIAXIAL,
        mixed('[[1.0, "free", 0.0], ["free", 1.0, 0.0], [0.0, 0.0, 0.95]]'),
        "load.segment[0].deformation_gradient",
        ("F12 and F21", "rotation"),
    ),
    "free misspelt": (
        UNIAXIAL,
        mixed('[["fre", 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 0.95]]'),
        "load.segment[0].deformation_gradient",
        ("row 1, column 1", "free"),
    ),
    "not three by three": (
        UNIAXIAL,
        mixed("[1.0, 1.0, 0.95]"),
        "load.segment[0].deformation_gradient",
        ("three rows of three",),
    ),
    "strain for stretch": (
        UNIAXIAL,
        mixed('[["free", 0.0, 0.0], [0.0, "free", 0.0], [0.0, 0.0, -0.05]]'),
        "load.segment[0].deformation_gradient",
        ("positive stretch", "1 plus"),
    ),
    "inverted on the way": (
        UNIAXIAL,
        mixed("[[1.0, 2.0, 0.0], [2.0, 1.0, 0.0], [0.0, 0.0, 1.0]]"),
        "load.segment[0].deformation_gradient",
        ("det F <= 0 at increment 3",),
    ),
    "stress beside strain": (
        UNIAXIAL,
        mixed(
            FREE_DIAGONAL,
            "first_piola_kirchhoff_stress_gpa = [[0, 0, 0], [0, 0, 0], [0, 0, -1.0]]",
        ),
        "load.segment[0].first_piola_kirchhoff_stress_gpa",
        ("P33", "F33"),
    ),
    "duration zero": (
        UNIAXIAL,
        mixed(FREE_DIAGONAL, duration="0.0"),
        "load.segment[0].duration_s",
        ("larger than 0",),
    ),
    "no segment": (UNIAXIAL, 'kind = "mixed"\n', "load.segment", ("missing",)),
    "owned PETSc key": (
        "grow = true",
        "petsc = { ksp_rtol = 1e-3 }",
        "solver.petsc.ksp_rtol",
        ("owns", "linear_tolerance"),
    ),
    "PETSc key with dash": (
        "grow = true",
        'petsc = { "-mg_levels_ksp_max_it" = 3 }',
        "solver.petsc.-mg_levels_ksp_max_it",
        ("dash",),
    ),
    "tolerance": (
        "grow = true",
        "residual_tolerance = 2.0",
        "solver.residual_tolerance",
        ("between 0 and 1", "tight"),
    ),
    "fields negative": (
        "fields_every = 5",
        "fields_every = -5",
        "output.fields_every",
        ("at least 0",),
    ),
    "pillar data missing": (
        "[output]",
        '[compare]\ndata = "pillar.toml"\n[output]',
        "compare.data",
        ("no such file",),
    ),
}


def validate(path: Path) -> tuple[int, str]:
    """Validate a case file through the command line; give the exit code and the messages."""
    result = CliRunner().invoke(app, ["validate", str(path)])
    assert result.stdout == "" or result.exit_code == 0
    return result.exit_code, result.stderr


def keys_of(messages: str) -> list[str]:
    """Collect the keys that the messages name."""
    return [
        line.split(": ", 1)[1]
        for line in messages.splitlines()
        if ".toml: " in line and not line.startswith(" ")
    ]


def test_the_good_case_is_good(tmp_path: Path) -> None:
    path = tmp_path / "good.toml"
    path.write_text(GOOD)
    code, messages = validate(path)
    assert (code, messages) == (0, "")


def test_the_list_is_long_enough() -> None:
    assert len(BAD) >= 40


@pytest.mark.parametrize("name", BAD)
def test_bad_case(name: str, tmp_path: Path) -> None:
    old, new, key, words = BAD[name]
    assert old in GOOD
    path = tmp_path / "bad.toml"
    path.write_text(GOOD.replace(old, new, 1))
    code, messages = validate(path)
    assert code == 2, messages
    assert any(found.startswith(key) for found in keys_of(messages)), messages
    if not key.startswith("line"):
        assert key in keys_of(messages), messages
    for word in words:
        assert word in messages
    assert messages.count("remedy:") == messages.count("found:") == len(keys_of(messages))
    assert "Traceback" not in messages


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (GOOD.encode("utf-16"), ("UTF-16", "UTF-8")),
        (GOOD.replace("sound", "gesunde Fläche").encode("latin-1"), ("line 2", "UTF-8")),
        (b"", ("schema_version", "microstructure", "phase", "load")),
    ],
)
def test_bad_encoding_and_empty_file(
    content: bytes, words: tuple[str, ...], tmp_path: Path
) -> None:
    path = tmp_path / "bad.toml"
    path.write_bytes(content)
    code, messages = validate(path)
    assert code == 2
    for word in words:
        assert word in messages


@pytest.mark.parametrize("name", ["missing.toml", "."])
def test_no_file(name: str, tmp_path: Path) -> None:
    code, messages = validate(tmp_path / name)
    assert code == 2
    assert "(file)" in messages


def test_all_errors_are_reported_at_once(tmp_path: Path) -> None:
    text = GOOD
    wrong = [
        "key misspelt",
        "mesh size negative",
        "parameter missing",
        "phase unknown",
        "layers do not fill",
        "strain in percent",
        "yes for true",
        "fields negative",
        "version wrong",
        "pillar data missing",
    ]
    for name in wrong:
        old, new, _, _ = BAD[name]
        assert old in text, name
        text = text.replace(old, new, 1)
    path = tmp_path / "bad.toml"
    path.write_text(text)
    code, messages = validate(path)
    assert code == 2
    keys = keys_of(messages)
    assert [BAD[name][2] for name in wrong if BAD[name][2] not in keys] == []
    assert f"{len(keys)} things are wrong" in messages


def test_several_errors_in_one_phase(tmp_path: Path) -> None:
    path = tmp_path / "bad.toml"
    path.write_text(
        GOOD.replace(
            "youngs_modulus_gpa = 140.0, poisson_ratio = 0.33",
            'youngs_modulus_mpa = 140.0, poisson_ratio = "0.33", hardness = 1.0',
        )
    )
    keys = keys_of(validate(path)[1])
    assert keys == [
        "phase[0].parameters.poisson_ratio",
        "phase[0].parameters.youngs_modulus_mpa",
        "phase[0].parameters.hardness",
    ]


def test_errors_of_a_parameter_file_name_that_file(tmp_path: Path) -> None:
    (tmp_path / "materials").mkdir()
    material = tmp_path / "materials" / "iron.toml"
    material.write_text(
        'schema_version = 1\ntitle = "iron"\nlaw = "elastic"\nreferences = ["a book"]\n'
        "[parameters]\nyoungs_modulus_gpa = { value = 204.0 }\npoisson_ratio = 0.29\n"
    )
    path = tmp_path / "bad.toml"
    path.write_text(
        GOOD.replace(
            "parameters = { youngs_modulus_gpa = 204.0, poisson_ratio = 0.29 }",
            'parameters = "iron.toml"',
        )
    )
    code, messages = validate(path)
    assert code == 2
    assert f"{material}: parameters.youngs_modulus_gpa.provenance" in messages
    assert f"{material}: parameters.poisson_ratio" in messages


@pytest.mark.parametrize("verb", ["validate", "show"])
def test_exit_code_and_streams_of_the_real_command(verb: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.toml"
    path.write_text(GOOD.replace("fraction = 0.65", "fraction = 0.6"))
    finished = subprocess.run(
        [sys.executable, "-m", "ngcfem.cli", verb, str(path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 2
    assert finished.stdout == ""
    assert "microstructure.layers" in finished.stderr
    assert "Traceback" not in finished.stderr
