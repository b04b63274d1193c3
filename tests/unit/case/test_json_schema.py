"""The shipped JSON schema: up to date, and it accepts and refuses what it should."""

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from ngcfem.case.json_schema import SCHEMA_FILE, case_json_schema_text

CASES = Path(__file__).resolve().parents[3] / "cases"
SCHEMA: dict[str, Any] = json.loads(SCHEMA_FILE.read_text())
TYPES = {
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "object": dict,
    "array": list,
}
KEYWORDS = {
    "$defs",
    "$ref",
    "$schema",
    "additionalProperties",
    "anyOf",
    "default",
    "description",
    "enum",
    "exclusiveMaximum",
    "exclusiveMinimum",
    "items",
    "maxItems",
    "maximum",
    "minItems",
    "minLength",
    "minimum",
    "oneOf",
    "pattern",
    "properties",
    "required",
    "title",
    "type",
}


def errors(value: Any, schema: dict[str, Any], where: str = "") -> list[str]:
    """Check a value against the part of JSON schema that the file uses."""
    assert set(schema) <= KEYWORDS, set(schema) - KEYWORDS
    if "$ref" in schema:
        name = schema["$ref"].removeprefix("#/$defs/")
        return errors(value, SCHEMA["$defs"][name], where)
    found: list[str] = []
    types = schema.get("type", [])
    types = [types] if isinstance(types, str) else types
    boolean_for_number = isinstance(value, bool) and "boolean" not in types
    if types and (not isinstance(value, tuple(_classes(types))) or boolean_for_number):
        return [f"{where}: {value!r} is no {types}"]
    if "pattern" in schema and not re.search(schema["pattern"], value):
        found.append(f"{where}: {value!r} does not match {schema['pattern']}")
    if "enum" in schema and value not in schema["enum"]:
        found.append(f"{where}: {value!r} not in {schema['enum']}")
    for choice, fits in (("anyOf", lambda n: n >= 1), ("oneOf", lambda n: n == 1)):
        if choice in schema:
            results = [errors(value, option, where) for option in schema[choice]]
            if not fits(sum(not result for result in results)):
                found.append(f"{where}: {choice} fails: {min(results, key=len)}")
    if isinstance(value, int | float) and not isinstance(value, bool):
        found += [f"{where}: {value} {word}" for word in _bounds(value, schema)]
    if isinstance(value, str) and len(value) < schema.get("minLength", 0):
        found.append(f"{where}: too short")
    if isinstance(value, list):
        if not schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value)):
            found.append(f"{where}: {len(value)} items")
        for index, item in enumerate(value):
            found += errors(item, schema.get("items", {}), f"{where}[{index}]")
    if isinstance(value, dict):
        found += _object_errors(value, schema, where)
    return found


def _classes(types: list[str]) -> list[type]:
    flat: list[type] = []
    for name in types:
        entry = TYPES[name]
        flat += entry if isinstance(entry, tuple) else [entry]
    return flat


def _bounds(value: float, schema: dict[str, Any]) -> list[str]:
    checks = {
        "minimum": lambda bound: value >= bound,
        "maximum": lambda bound: value <= bound,
        "exclusiveMinimum": lambda bound: value > bound,
        "exclusiveMaximum": lambda bound: value < bound,
    }
    return [word for word, fits in checks.items() if word in schema and not fits(schema[word])]


def _object_errors(value: dict[str, Any], schema: dict[str, Any], where: str) -> list[str]:
    properties = schema.get("properties", {})
    rest = schema.get("additionalProperties", True)
    found = [f"{where}: {key} is missing" for key in schema.get("required", []) if key not in value]
    for key, item in value.items():
        if key in properties:
            found += errors(item, properties[key], f"{where}.{key}")
        elif rest is False:
            found.append(f"{where}: {key} is unknown")
        elif isinstance(rest, dict):
            found += errors(item, rest, f"{where}.{key}")
    return found


def test_schema_is_up_to_date():
    assert SCHEMA_FILE.read_text() == case_json_schema_text(), (
        "run python -m ngcfem.case.json_schema"
    )


@pytest.mark.parametrize(
    "path",
    sorted([*CASES.glob("*.toml"), *CASES.glob("four_microstructures/*.toml")]),
    ids=lambda path: path.stem,
)
def test_shipped_cases_fit_the_schema(path):
    assert errors(tomllib.loads(path.read_text()), SCHEMA) == []


def test_the_sound_case_fits_and_its_resolved_text_too(text, load):
    assert errors(tomllib.loads(text), SCHEMA) == []
    assert errors(tomllib.loads(load().resolved_toml()), SCHEMA) == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("schema_version = 1", "schema_version = 2"),
        ("size_nm = 3.0", "size_nm = 0.0"),
        ("size_nm = 3.0", "size_um = 3.0"),
        ('kind = "homogeneous"', 'kind = "homogenous"'),
        ('law = "j2"', 'law = "elastic"'),
        ("poisson_ratio = 0.33", "poisson_ratio = 0.5"),
        ("poisson_ratio = 0.33, ", ""),
        ("true_strain = -0.1", 'true_strain = "-0.1"'),
        ("true_strain = -0.1", "true_strain = -0.1\nboundary = 'free'"),
        ("[load]", "[solver]\nresidual_tolerance = 'loose'\n[load]"),
    ],
)
def test_schema_refuses_what_is_wrong(text, old, new):
    assert old in text
    assert errors(tomllib.loads(text.replace(old, new)), SCHEMA)


def test_editors_find_parameters_with_their_units():
    parameters = SCHEMA["$defs"]["Phase-j2"]["properties"]["parameters"]["anyOf"][1]["properties"]
    assert "GPa" in parameters["yield_strength_gpa"]["description"]
    assert "friction_coefficient" not in parameters


def test_statistics_may_stand_in_the_case():
    document = tomllib.loads((CASES / "nanoglass.toml").read_text())
    content = json.loads((CASES / "data" / "fe90sc10_statistics.json").read_text())
    del content["schema_version"]
    assert errors({**document, "statistics": content}, SCHEMA) == []
    assert errors({**document, "statistics": {**content, "grain": {}}}, SCHEMA)
    assert errors({**document, "statistics": {**content, "file": "x.json"}}, SCHEMA)
    assert errors({**document, "statistics": {}}, SCHEMA)
