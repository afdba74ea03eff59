"""Which keys a piece of a configuration has, for the message about one that it does not have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def known_keys(schema: Mapping[str, Any], location: Sequence[str | int]) -> list[str]:
    """List the keys of the piece of a configuration at `location`, walking its JSON schema down to it."""
    options = [schema]
    for part in location:
        options = [inner for option in options for inner in _step(schema, option, str(part))]
    forms = [form for option in options for form in _forms(schema, option)]
    return sorted({key for form in forms for key in form.get("properties", {})})


def _forms(schema: Mapping, option: Mapping) -> list[Mapping]:
    """Return the forms that a piece may take: one, several kinds, or a piece or null."""
    option = _resolved(schema, option)
    forms = [*option.get("oneOf", []), *option.get("anyOf", [])]
    return [inner for form in forms for inner in _forms(schema, form)] or [option]


def _step(schema: Mapping, option: Mapping, part: str) -> list[Mapping]:
    """Go one key down; a discriminator's tag (``parametric``) picks one of several forms."""
    option = _resolved(schema, option)
    forms = [*option.get("oneOf", []), *option.get("anyOf", [])]
    if forms:
        mapping = option.get("discriminator", {}).get("mapping", {})
        if part in mapping:
            return [{"$ref": mapping[part]}]
        return [inner for form in forms for inner in _step(schema, form, part)]
    if part in option.get("properties", {}):
        return [option["properties"][part]]
    extra = option.get("additionalProperties")
    patterns = list(option.get("patternProperties", {}).values())
    return [*patterns, extra] if isinstance(extra, dict) else patterns


def _resolved(schema: Mapping, option: Mapping) -> Mapping:
    while "$ref" in option or "allOf" in option:
        reference = option["$ref"] if "$ref" in option else option["allOf"][0]["$ref"]
        option = schema["$defs"][reference.rsplit("/", 1)[-1]]
    return option
