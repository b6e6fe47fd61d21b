"""A run's config as the gin text that its processes read."""

import dataclasses

from musicrl_jax.runs import run_config


def as_gin(config: run_config.RunConfig) -> str:
    """Returns bindings of every field that the roles of a run share."""
    return "\n".join(_bindings(config, skip=run_config.LOCAL_FIELDS)) + "\n"


def _bindings(config: object, skip: tuple[str, ...] = ()) -> list[str]:
    """Returns `Name.field = value` lines, nested configs after their references."""
    if not dataclasses.is_dataclass(config):
        return []
    name = type(config).__name__
    lines, nested = [], []
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if field.name in skip:
            continue
        if dataclasses.is_dataclass(value):
            lines.append(f"{name}.{field.name} = @{type(value).__name__}()")
            nested += _bindings(value)
        else:
            lines.append(f"{name}.{field.name} = {value!r}")
    return lines + nested
