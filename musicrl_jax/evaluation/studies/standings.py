"""Each model of a study: mean opinion score, wins, and Bradley-Terry strength."""

import dataclasses

import numpy as np
from jaxtyping import Float, Int

from musicrl_jax.evaluation import bradley_terry, resampling
from musicrl_jax.evaluation.studies import table as tables


@dataclasses.dataclass(frozen=True, kw_only=True)
class Standing:
    """What raters said of one model, over all its comparisons.

    Intervals are of 95 %, over resampled prompts and raters.

    Attributes:
      name: of the model.
      ratings: of its clips.
      mos: mean opinion score, 1 to 5.
      low: lower end of its interval.
      high: its upper end.
      wins: ratings in which its clip scored higher than the other one.
      ties: in which both scored the same.
      losses: in which the other clip scored higher.
      bt: Bradley-Terry strength in log-odds, with mean 0 over models; NaN where the
        ratings do not identify it.
      bt_low: lower end of its interval.
      bt_high: its upper end.
    """

    name: str
    ratings: int
    mos: float
    low: float
    high: float
    wins: int
    ties: int
    losses: int
    bt: float
    bt_low: float
    bt_high: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class Ladder:
    """The fit of Bradley-Terry strengths to a study.

    Attributes:
      identifiable: whether wins (or ties) lead from each model to each other one, and
        sides change enough to tell an advantage that was fitted from strength.
      resamples_identifiable: share of resamples of which the same is true; intervals
        leave the others out.
      with_advantage: whether an advantage of the first clip was fitted.
      advantage: of the first clip in log-odds; 0 where it was not fitted.
      advantage_low: lower end of its 95 % interval.
      advantage_high: its upper end.
    """

    identifiable: bool
    resamples_identifiable: float
    with_advantage: bool
    advantage: float
    advantage_low: float
    advantage_high: float


def rank(
    table: tables.Table,
    weights: Int[np.ndarray, "r n"],
    *,
    with_advantage: bool = False,
) -> tuple[tuple[Standing, ...], Ladder]:
    """Returns the standing of each model that has ratings, and the fit behind them.

    Args:
      table: the ratings.
      weights: how often each resample draws each row.
      with_advantage: fit an advantage of the first clip, too.
    """
    present = [m for m in range(len(table.models)) if table.takes_part(m).any()]
    fitted = _strengths(table, present, weights, with_advantage)
    standings = tuple(
        _standing(table, model, weights, fitted.strength[:, place])
        for place, model in enumerate(present)
    )
    interval = resampling.percentile_interval(fitted.advantage[1:])
    ladder = Ladder(
        identifiable=bool(fitted.identifiable[0]),
        resamples_identifiable=float(fitted.identifiable[1:].mean()),
        with_advantage=with_advantage,
        advantage=float(fitted.advantage[0]),
        advantage_low=interval[0],
        advantage_high=interval[1],
    )
    return standings, ladder


def _strengths(
    table: tables.Table,
    present: list[int],
    weights: Int[np.ndarray, "r n"],
    with_advantage: bool,
) -> bradley_terry.Strengths:
    """Returns the fit to all ratings, then that to each resample."""
    place = np.full(len(table.models), -1)
    place[present] = np.arange(len(present))
    sides = place[np.stack([table.first, table.second])]
    games, game = np.unique(sides, axis=1, return_inverse=True)
    belongs = np.eye(games.shape[1])[game.ravel()]
    half = 0.5 * (table.lead == 0)
    drawn = np.concatenate([np.ones((1, weights.shape[1])), weights])
    return bradley_terry.fit(
        bradley_terry.Games(first=games[0], second=games[1], players=len(present)),
        drawn @ (belongs * ((table.lead > 0) + half)[:, None]),
        drawn @ (belongs * ((table.lead < 0) + half)[:, None]),
        with_advantage=with_advantage,
    )


def _standing(
    table: tables.Table,
    model: int,
    weights: Int[np.ndarray, "r n"],
    strength: Float[np.ndarray, " fits"],
) -> Standing:
    """Returns one model's row; `strength` is of all ratings, then of each resample."""
    own, taking_part = table.score_of(model), table.takes_part(model)
    lead = np.where(table.first == model, table.lead, -table.lead)[taking_part]
    with np.errstate(invalid="ignore"):
        resampled = (weights @ own) / (weights @ taking_part)
    low, high = resampling.percentile_interval(resampled)
    weakest, strongest = resampling.percentile_interval(strength[1:])
    known = np.isfinite(strength[0])
    return Standing(
        name=table.models[model],
        ratings=int(taking_part.sum()),
        mos=float(own[taking_part].mean()),
        low=low,
        high=high,
        wins=int(np.sum(lead > 0)),
        ties=int(np.sum(lead == 0)),
        losses=int(np.sum(lead < 0)),
        bt=float(strength[0]),
        bt_low=weakest if known else float("nan"),
        bt_high=strongest if known else float("nan"),
    )
