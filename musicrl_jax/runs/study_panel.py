"""Compares a small panel's choices with recorded preferences (paper, section 3.3).

Required: `StudyPanelConfig.recorded`, `.panel` (also --recorded, --panel).

Both are CSV or `.jsonl` files with the fields pair_id and label ("a", "b", or "tie" or
nothing for no choice); other fields are ignored.
"""

import dataclasses
import pathlib

from musicrl_jax.evaluation.studies import panel


@dataclasses.dataclass(frozen=True, kw_only=True)
class StudyPanelConfig:
    """A comparison.

    Attributes:
      recorded: file of the preferences on record, one row a pair.
      panel: file of the panel's choices, one row a judgement.
    """

    recorded: str
    panel: str


def run(config: StudyPanelConfig) -> panel.PanelResult:
    """Returns how often the panel chose what is on record.

    Raises:
      InputError: where a file cannot be used, or the two share no pair.
    """
    return panel.compare(
        panel.read_choices(pathlib.Path(config.recorded)),
        panel.read_choices(pathlib.Path(config.panel)),
    )
