"""Translation of validation errors into findings: key, what was found, what is allowed, remedy."""

import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from ngcfem.case.sections import CaseDocument
from ngcfem.case.suggestions import suggest_key, suggest_word
from ngcfem.case.toml_text import toml_value
from ngcfem.errors import Finding

Location = tuple[str | int, ...]

_TYPES: dict[str, tuple[str, str]] = {
    "float_type": ("a number", "write the number without quotes and without its unit"),
    "int_type": ("a whole number", "write a whole number without quotes and without decimals"),
    "int_from_float": ("a whole number", "write a whole number without decimals"),
    "bool_type": ("true or false", "write true or false without quotes"),
    "string_type": ("text", "put the text in double quotes"),
    "tuple_type": ("a list", "write [ ... ]; a list of tables has double brackets: [[name]]"),
    "dict_type": ("a table", "write [section] and the keys below it, or { key = value }"),
    "model_type": ("a table", "write [section] and the keys below it, or { key = value }"),
    "model_attributes_type": (
        "a table",
        "write [section] and the keys below it; double brackets make a list",
    ),
    "finite_number": ("a finite number", "replace nan or inf by the number meant"),
    "string_too_short": ("text that is not empty", "write the name"),
}

_BOUNDS: dict[str, tuple[str, str]] = {
    "greater_than": ("gt", "larger than"),
    "greater_than_equal": ("ge", "at least"),
    "less_than": ("lt", "smaller than"),
    "less_than_equal": ("le", "at most"),
}


def dotted(location: Sequence[str | int]) -> str:
    """Write a location as a dotted key with indices from 0.

    Parameters
    ----------
    location : sequence of str or int
        Keys and indices from the top of the file.

    Returns
    -------
    str
        For example ``phase[1].parameters.youngs_modulus_gpa``.
    """
    text = ""
    for part in location:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += f".{part}" if text else part
    return text or "(top of the file)"


def shown(value: object) -> str:
    """Show what stands in the file, shortened.

    Parameters
    ----------
    value : object
        A parsed TOML value.

    Returns
    -------
    str
        Its TOML text, at most about 80 characters.
    """
    text = toml_value(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _variants(annotation: Any) -> Iterator[type[BaseModel]]:
    """Section classes that a type annotation holds, at any depth."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
        return
    for argument in typing.get_args(annotation):
        yield from _variants(argument)


def _tag(section: type[BaseModel]) -> str | None:
    field = section.model_fields.get("kind")
    if field is None or typing.get_origin(field.annotation) is not typing.Literal:
        return None
    return typing.get_args(field.annotation)[0]


@cache
def _all_keys() -> dict[str, dict[str, None]]:
    """Every key of a case file and the headings it belongs under, in the order of the file."""
    homes: dict[str, dict[str, None]] = {}

    def visit(section: type[BaseModel], heading: str) -> None:
        for name, field in section.model_fields.items():
            inner = list(_variants(field.annotation))
            listed = typing.get_origin(field.annotation) is tuple
            path = f"{heading}.{name}" if heading else name
            if not inner or name == "parameters":
                kind = _tag(section)
                home = f"[{heading}]" if heading else "the top of the file"
                homes.setdefault(name, {})[f'{home} with kind = "{kind}"' if kind else home] = None
                continue
            for variant in inner:
                visit(variant, path if not listed else f"[{path}]")

    visit(CaseDocument, "")
    return homes


class _Place(NamedTuple):
    """Where in the file, and in the models, one error stands."""

    key: Location
    found: object
    field: FieldInfo | None
    classes: tuple[type[BaseModel], ...]

    @property
    def name(self) -> str:
        names = [part for part in self.key if isinstance(part, str)]
        return names[-1] if names else ""

    @property
    def description(self) -> str:
        return (self.field.description or "").rstrip(".") if self.field else ""

    def step(self, part: str | int) -> "_Place":
        """Follow one part of a pydantic location.

        A part that is no key or index of the document is the name of a branch of a union: it
        narrows the classes and leaves the key alone.
        """
        if isinstance(part, int):
            if isinstance(self.found, Sequence) and part < len(self.found):
                return self._replace(key=(*self.key, part), found=self.found[part])
            return self
        owner = next((c for c in self.classes if part in c.model_fields), None)
        stands = isinstance(self.found, Mapping) and part in self.found
        if not stands:
            tagged = tuple(c for c in self.classes if _tag(c) == part)
            if tagged:
                return self._replace(classes=tagged)
            if owner is None or not isinstance(self.found, Mapping):
                return self
        found = self.found[part] if stands else None  # type: ignore[index]
        if owner is None:
            return self._replace(key=(*self.key, part), found=found, field=None)
        field = owner.model_fields[part]
        classes = tuple(_variants(field.annotation))
        return _Place((*self.key, part), found, field, classes or self.classes)


def _place(model: type[BaseModel], document: object, location: Location) -> _Place:
    place = _Place((), document, None, (model,))
    for part in location:
        place = place.step(part)
    return place


def findings_of(
    error: ValidationError,
    file: str,
    model: type[BaseModel],
    document: object,
    heading: Location = (),
) -> list[Finding]:
    """Translate all errors of one validation.

    Parameters
    ----------
    error : ValidationError
        What pydantic found.
    file : str
        File that was validated.
    model : type
        Section class the document was validated against.
    document : object
        What was validated.
    heading : tuple of str or int
        Where the document stands in the file.

    Returns
    -------
    list of Finding
        One for each error.
    """
    return [
        _finding(dict(details), file, model, document, heading)
        for details in error.errors(include_url=False)
        # A list whose items are all wrong also counts as too short.
        if not (details["type"] == "too_short" and details["input"])
    ]


def _finding(
    details: dict[str, Any],
    file: str,
    model: type[BaseModel],
    document: object,
    heading: Location,
) -> Finding:
    kind: str = details["type"]
    context: dict[str, Any] = details.get("ctx") or {}
    place = _place(model, document, details["loc"])
    key = dotted((*heading, *place.key))
    found = shown(place.found)
    meaning = f" ({place.description})" if place.description else ""
    if kind == "refused":
        return Finding(file, key, found, context["allowed"], context["remedy"])
    if kind == "missing":
        where = dotted((*heading, *place.key[:-1])) if len(heading) + len(place.key) > 1 else ""
        under = f" under {where}" if where else " to the file"
        return Finding(
            file,
            key,
            "nothing: the key is missing",
            place.description or "a value",
            f"add {place.name}{under}",
        )
    if kind == "extra_forbidden":
        return _unknown_key(file, key, place.name, _place(model, document, details["loc"][:-1]))
    if kind in ("union_tag_not_found", "union_tag_invalid"):
        discriminator = str(context.get("discriminator", "kind")).strip("'")
        tags = _expected_tags(place)
        given = place.found.get(discriminator) if isinstance(place.found, Mapping) else None
        key = dotted((*heading, *place.key, discriminator))
        if given is None:
            return Finding(
                file,
                key,
                "nothing: the key is missing",
                "one of " + ", ".join(tags),
                f'add {discriminator} = "{tags[0]}" or another of these',
            )
        return Finding(
            file, key, shown(given), "one of " + ", ".join(tags), suggest_word(given, tags)
        )
    if kind == "literal_error":
        words = [str(word) for word in _literals(place.field)] or [context["expected"]]
        return Finding(
            file, key, found, " or ".join(words) + meaning, suggest_word(place.found, words)
        )
    if kind in _BOUNDS:
        name, words_for = _BOUNDS[kind]
        return Finding(
            file,
            key,
            found,
            f"a number {words_for} {context[name]:g}{meaning}",
            f"choose a value {words_for} {context[name]:g}",
        )
    if kind == "too_short":
        return Finding(
            file,
            key,
            f"{context.get('actual_length', 0)} entries",
            f"at least {context.get('min_length', 1)}{meaning}",
            f"add [[{key}]] with its keys",
        )
    if kind in ("too_long", "missing_argument"):
        return Finding(
            file,
            key,
            found,
            f"{context.get('max_length', 'fewer')} entries{meaning}",
            "remove the rest",
        )
    allowed, remedy = _TYPES.get(kind, (details["msg"], "correct the value"))
    return Finding(file, key, found, f"{allowed}{meaning}", remedy)


def _expected_tags(place: _Place) -> list[str]:
    return [tag for section in place.classes if (tag := _tag(section))]


def _literals(field: FieldInfo | None) -> tuple[Any, ...]:
    if field is None:
        return ()

    def literals(annotation: Any) -> Iterator[Any]:
        origin = typing.get_origin(annotation)
        if origin is typing.Literal:
            yield from typing.get_args(annotation)
        elif origin in (typing.Union, types.UnionType, typing.Annotated):
            for argument in typing.get_args(annotation):
                yield from literals(argument)

    return tuple(literals(field.annotation))


def _unknown_key(file: str, key: str, name: str, parent: _Place) -> Finding:
    known = list(parent.classes[0].model_fields)
    remedy = suggest_key(name, known)
    homes = [*_all_keys().get(name, ())]
    if not remedy and homes:
        here = tuple(home for home in homes if home.startswith(f"[{parent.name}] with"))
        if here:
            remedy = f"{name} is a key of {' or '.join(here)}: correct the kind, or delete the line"
        else:
            remedy = f"{name} is a key of {homes[0]}: move it there, or delete the line"
    return Finding(
        file,
        key,
        f"unknown key {name}",
        ", ".join(known),
        remedy or "delete the line, or use one of these keys",
    )


def validate_part(adapter: TypeAdapter[Any], value: object) -> tuple[Any, ValidationError | None]:
    """Validate one part of a document without raising.

    Parameters
    ----------
    adapter : TypeAdapter
        Of the type the part must have.
    value : object
        The part.

    Returns
    -------
    tuple
        The validated part or None, and the error or None.
    """
    try:
        return adapter.validate_python(value), None
    except ValidationError as error:
        return None, error


def without_unknown_keys(document: Mapping[str, Any], error: ValidationError) -> dict[str, Any]:
    """Drop the unknown keys of the tables of a document.

    Parameters
    ----------
    document : mapping
        What was validated: sections by name.
    error : ValidationError
        What pydantic found.

    Returns
    -------
    dict
        The sections without the keys that the error calls unknown.
    """
    unknown = {
        details["loc"][-1]
        for details in error.errors(include_url=False)
        if details["type"] == "extra_forbidden"
    }
    return {
        name: {key: value for key, value in section.items() if key not in unknown}
        if isinstance(section, Mapping)
        else section
        for name, section in document.items()
    }
