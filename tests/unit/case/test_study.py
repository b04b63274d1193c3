"""Study files: what they share is checked, and everything wrong is reported at once."""

import pytest

from ngcfem.case.study import load_study
from ngcfem.errors import InputError

STUDY = """\
schema_version = 1
same = ["load", "mesh"]
[[case]]
name = "one"
file = "one.toml"
[[case]]
name = "two"
file = "two.toml"
"""


@pytest.fixture
def study(tmp_path, text):
    """Write a study of two cases, the second with other words, and load it."""

    def load(change=("", ""), second=("2.5", "2.4"), study_text=STUDY):
        (tmp_path / "one.toml").write_text(text)
        assert second[0] in text
        (tmp_path / "two.toml").write_text(text.replace(*second))
        path = tmp_path / "study.toml"
        assert change[0] in study_text
        path.write_text(study_text.replace(*change))
        return load_study(path)

    return load


def findings(call, *arguments):
    with pytest.raises(InputError) as caught:
        call(*arguments)
    return [
        (finding.key, f"{finding.found} {finding.allowed}") for finding in caught.value.findings
    ]


def test_a_study_loads_and_its_hash_follows_its_cases(study):
    first = study()
    assert [entry.name for entry in first.cases] == ["one", "two"]
    assert first.title == "study"
    assert study().study_hash == first.study_hash
    assert study(second=("2.5", "2.3")).study_hash != first.study_hash
    assert study(change=('"two"', '"other"')).study_hash != first.study_hash


def test_sections_that_differ_are_named_with_both_values(study):
    (key, words), *rest = findings(study, ("", ""), ("true_strain = -0.1", "true_strain = -0.2"))
    assert not rest
    assert key == "case[1].file"
    assert "load.true_strain = -0.2" in words
    assert "-0.1" in words
    assert "the same [load] in all cases" in words
    # A section that the study does not name may differ.
    study(change=('"load", ', ""), second=("true_strain = -0.1", "true_strain = -0.2"))


@pytest.mark.parametrize(
    ("change", "second", "key", "words"),
    [
        (('"two"', '"one"'), ("2.5", "2.4"), "case[1].name", "each name once"),
        (('"two.toml"', '"three.toml"'), ("2.5", "2.4"), "case[1].file", "no such file"),
        (("", ""), ('"One phase"', '"Another title"'), "case[1].file", "the same problem"),
        (('"mesh"', '"meshes"'), ("2.5", "2.4"), "same[1]", "meshes"),
        (("schema_version = 1", "schema_version = 2"), ("2.5", "2.4"), "schema_version", "1"),
        (('name = "one"\n', ""), ("2.5", "2.4"), "case[0].name", "missing"),
    ],
)
def test_what_is_wrong_is_said(study, change, second, key, words):
    found = findings(study, change, second)
    assert key in dict(found)
    assert words in dict(found)[key]


def test_findings_of_all_cases_come_at_once(study):
    found = findings(
        study, ('"one.toml"', '"none.toml"'), ("poisson_ratio = 0.33", "poisson_ratio = 0.7")
    )
    assert [key for key, _ in found] == ["case[0].file", "phase[0].parameters.poisson_ratio"]
