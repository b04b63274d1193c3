"""Writing TOML values, and the words for text that is no TOML."""

import tomllib

import pytest

from ngcfem.case.toml_text import decode_text, parse_toml, toml_key, toml_value
from ngcfem.errors import InputError


@pytest.mark.parametrize(
    "value",
    [
        True,
        -3,
        1e-7,
        1.0 / 3.0,
        1e22,
        "plain",
        'quotes " and \\ and \t and \x7f and \u00e9',
        [1, 2.5, "free"],
        [],
        {"value": 1.0, "a key": "x"},
        [{"phase": "a", "fraction": 0.5}],
    ],
)
def test_values_come_back_exactly(value):
    back = tomllib.loads(f"x = {toml_value(value)}")["x"]
    assert back == value
    assert type(back) is type(value)


@pytest.mark.parametrize("key", ["plain_key", "with space", "", "-mg_levels", 'quo"te'])
def test_keys_come_back(key):
    assert tomllib.loads(f"{toml_key(key)} = 1") == {key: 1}


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("a = 1\nb = \n", "line 2", "Invalid value"),
        ("a = 1\na = 2", "line 2", "same key twice: a = 2"),
        ("[a]\nx = 1\n[a]\n", "line 3", "the table a twice"),
        ("[a.b]\n[c]\n[a.b]\n", "line 3", "the table a.b twice"),
        ("a = 1 b = 2", "line 1", "Expected newline"),
        ('a = "x', "line 1", "Unterminated string"),
        ("a 1", "line 1", "Expected '='"),
        ("a = [1, 2", "line 1", "Unclosed array"),
    ],
)
def test_syntax_errors_name_the_line(text, line, words):
    with pytest.raises(InputError) as caught:
        parse_toml(text, "x.toml")
    (finding,) = caught.value.findings
    assert finding.key.startswith(line)
    assert words in finding.found
    assert finding.allowed
    assert finding.remedy


def test_undecodable_text_names_line_and_offset():
    with pytest.raises(InputError) as caught:
        decode_text(b"a = 1\nb = '\xe4'\n", "x.toml")
    (finding,) = caught.value.findings
    assert finding.key == "line 2"
    assert "0xe4 at offset 11" in finding.found
