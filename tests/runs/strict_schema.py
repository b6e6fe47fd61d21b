"""A small JSON schema checker that refuses every field a schema does not name."""

import re

TYPES = {"object": dict, "array": list, "string": str, "integer": int, "boolean": bool}


def faults(value, schema, definitions, place="$"):
    """Returns what is wrong with `value`, a line for each fault."""
    if "$ref" in schema:
        schema = definitions[schema["$ref"]]
    if "enum" in schema:
        return [] if value in schema["enum"] else [f"{place}: {value!r} is not offered"]
    kind = schema["type"]
    if type(value) is not TYPES[kind]:
        return [f"{place}: {value!r} is no {kind}"]
    if kind == "object":
        return faults_of_object(value, schema, definitions, place)
    if kind == "array":
        short = len(value) < schema.get("minItems", 0)
        return [f"{place} is too short"] * short + [
            fault
            for number, item in enumerate(value)
            for fault in faults(
                item, schema["items"], definitions, f"{place}[{number}]"
            )
        ]
    if kind == "string":
        fits = re.fullmatch(schema.get("pattern", "(?s).*"), value)
        return [] if fits else [f"{place}: {value!r} must be {schema['pattern']}"]
    small = kind == "integer" and value < schema.get("minimum", value)
    return [f"{place}: {value} is too small"] * small


def faults_of_object(value, schema, definitions, place):
    missing = [name for name in schema.get("required", []) if name not in value]
    found = [f"{place}: {name} is missing" for name in missing]
    for name, item in value.items():
        inner = schema["properties"].get(name, schema.get("additionalProperties"))
        if inner is None:
            found.append(f"{place}.{name} is unknown")
        else:
            found += faults(item, inner, definitions, f"{place}.{name}")
    return found
