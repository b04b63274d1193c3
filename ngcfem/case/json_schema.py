"""JSON schema of the case file, from which editors complete and check as one types."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ngcfem.atomprobe.statistics import StatisticsFile
from ngcfem.case.sections import LAW_FILE_PATTERN, CaseDocument
from ngcfem.constitutive.parameters import LAW_PARAMETERS, ParameterSpec

SCHEMA_FILE = Path(__file__).with_name("case.schema.json")


def case_json_schema() -> dict[str, Any]:
    """Build the schema from the models of the sections and the parameters of the laws.

    Returns
    -------
    dict
        JSON schema, draft 2020-12. The phases branch by law, so that an editor offers the
        parameters of the law that is written.
    """
    schema = _plain_words(CaseDocument.model_json_schema(mode="validation"))
    inline = _plain_words(StatisticsFile.model_json_schema(mode="validation"))
    definitions = schema["$defs"] | inline.pop("$defs")
    schema["$defs"] = definitions
    definitions["StatisticsSection"] = _statistics(definitions["StatisticsSection"], inline)
    phase = definitions.pop("PhaseSection")
    schema["properties"]["phase"]["items"] = {
        "anyOf": [{"$ref": f"#/$defs/{_phase_name(law)}"} for law in LAW_PARAMETERS]
    }
    for law in LAW_PARAMETERS:
        definitions[_phase_name(law)] = _phase_of_law(phase, law)
    schema["properties"]["phase"]["items"]["anyOf"].append({"$ref": "#/$defs/Phase-of-a-file"})
    definitions["Phase-of-a-file"] = _phase_of_a_file(phase)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **schema,
        "title": "ngcfem case file",
    }


def case_json_schema_text() -> str:
    """Write the schema as the shipped file has it.

    Returns
    -------
    str
        JSON text.
    """
    return json.dumps(case_json_schema(), indent=2) + "\n"


def _statistics(named: Mapping[str, Any], inline: Mapping[str, Any]) -> dict[str, Any]:
    """Either the name of a statistics file, or its content but for the version of its schema."""
    properties = {
        name: content for name, content in inline["properties"].items() if name != "schema_version"
    }
    required = [name for name in inline["required"] if name not in ("schema_version", "title")]
    return {
        "description": named["description"],
        "anyOf": [
            {**named, "additionalProperties": False, "required": ["file"]},
            {**inline, "properties": properties, "required": required},
        ],
    }


def _phase_name(law: str) -> str:
    return "Phase-" + law


def _phase_of_law(phase: Mapping[str, Any], law: str) -> dict[str, Any]:
    properties = dict(phase["properties"])
    description = properties["law"]["description"]
    properties["law"] = {"description": description, "type": "string", "enum": [law]}
    properties["parameters"] = {
        "description": properties["parameters"]["description"],
        "anyOf": [
            {"type": "string", "description": "Parameter file (TOML)."},
            {
                "type": "object",
                "additionalProperties": False,
                "properties": {spec.name: _parameter(spec) for spec in LAW_PARAMETERS[law]},
                "required": [spec.name for spec in LAW_PARAMETERS[law] if spec.default is None],
            },
        ],
    }
    return {**phase, "properties": properties, "title": f"Phase of law {law}"}


def _phase_of_a_file(phase: Mapping[str, Any]) -> dict[str, Any]:
    """A law of a user's own: its parameters are known to its file alone."""
    properties = dict(phase["properties"])
    properties["law"] = {
        "description": "Constitutive law of your own: Python file and class.",
        "type": "string",
        "pattern": LAW_FILE_PATTERN,
    }
    values = {"anyOf": [{"type": "number"}, {"$ref": "#/$defs/Value"}]}
    properties["parameters"] = {
        "description": properties["parameters"]["description"],
        "anyOf": [
            {"type": "string", "description": "Parameter file (TOML)."},
            {"type": "object", "additionalProperties": values},
        ],
    }
    return {**phase, "properties": properties, "title": "Phase of a law from a file"}


def _parameter(spec: ParameterSpec) -> dict[str, Any]:
    number: dict[str, Any] = {"type": "number"}
    if spec.choices:
        number = {"type": "string", "enum": list(spec.choices)}
    if spec.minimum is not None:
        number["exclusiveMinimum" if spec.exclusive_minimum else "minimum"] = spec.minimum
    if spec.maximum is not None:
        number["exclusiveMaximum" if spec.exclusive_maximum else "maximum"] = spec.maximum
    unit = f" in {spec.unit}" if spec.unit else ""
    parameter: dict[str, Any] = {
        "description": f"{spec.description}{unit}.",
        "anyOf": [number, {"$ref": "#/$defs/Value"}],
    }
    if spec.default is not None:
        parameter["default"] = spec.default
    return parameter


def _plain_words(node: Any) -> Any:
    """Say the same in fewer words that every editor knows.

    TOML has no null; a single choice is written as an enumeration, a list of equal items as such;
    the generated titles repeat the keys.
    """
    if isinstance(node, list):
        return [_plain_words(item) for item in node]
    if not isinstance(node, dict):
        return node
    plain = {
        key: _plain_words(item)
        for key, item in node.items()
        if key != "discriminator" and not (key == "title" and isinstance(item, str))
    }
    if "const" in plain:
        plain["enum"] = [plain.pop("const")]
    if "default" in plain and plain["default"] is None:
        del plain["default"]
    items = plain.get("prefixItems")
    if items and all(item == items[0] for item in items):
        plain["items"] = items[0]
        del plain["prefixItems"]
    choices = [choice for choice in plain.get("anyOf", []) if choice != {"type": "null"}]
    if len(choices) == 1:
        del plain["anyOf"]
        return {**choices[0], **plain}
    if choices:
        plain["anyOf"] = choices
    return plain


if __name__ == "__main__":
    SCHEMA_FILE.write_text(case_json_schema_text())
