"""Bradley-Terry strengths of players from comparisons, for many weightings at once.

The log-odds that the first of two wins are the difference of their strengths, plus an
advantage of the first place where that is asked for. A tie is half a win of each.
Source: Bradley and Terry, *Rank Analysis of Incomplete Block Designs*, 1952.
"""

import dataclasses

import numpy as np
from jaxtyping import Bool, Float, Int

from musicrl_jax.core import errors

_STEPS = 100
_LONGEST_STEP = 1.0
_TOLERANCE = 1e-8  # of the gradient, as a share of the comparisons
_RIDGE = 1e-12
_FARTHEST = 15.0  # log-odds; where nothing bounds them, they come out beyond it


@dataclasses.dataclass(frozen=True, kw_only=True)
class Games:
    """Comparisons of numbered players, grouped by who was shown first.

    Attributes:
      first: the player in first place.
      second: the other one.
      players: how many there are.
    """

    first: Int[np.ndarray, " g"]
    second: Int[np.ndarray, " g"]
    players: int

    def __post_init__(self) -> None:
        if self.players < 2 or np.any(self.first == self.second):
            raise errors.InputError(
                "Strengths need two players or more, and comparisons of different "
                f"ones; got {self.players} players. Check the pairs."
            )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Strengths:
    """The most likely strengths of each weighting.

    Attributes:
      strength: in log-odds, with mean 0 over players; NaN where not identifiable.
      advantage: of the first place in log-odds; 0 where it was not fitted.
      identifiable: whether the likelihood has one greatest value.
    """

    strength: Float[np.ndarray, "r players"]
    advantage: Float[np.ndarray, " r"]
    identifiable: Bool[np.ndarray, " r"]


def fit(
    games: Games,
    first_wins: Float[np.ndarray, "r g"],
    second_wins: Float[np.ndarray, "r g"],
    *,
    with_advantage: bool = False,
) -> Strengths:
    """Fits strengths by Newton's method, all weightings in step.

    Args:
      games: who was compared with whom.
      first_wins: weight of the comparisons that the first won, ties half.
      second_wins: the same for the second.
      with_advantage: fit an advantage of the first place, too.
    """
    count = len(first_wins)
    design = _design(games, with_advantage)
    good = strongly_connected(games, first_wins, second_wins)
    good &= _full_rank(design, first_wins + second_wins)
    values = np.zeros((count, design.shape[1]))
    if good.any():
        values[good], converged = _newton(design, first_wins[good], second_wins[good])
        good[good] = converged
    values[~good] = np.nan
    last = -values[:, : games.players - 1].sum(axis=1, keepdims=True)
    strength = np.concatenate([values[:, : games.players - 1], last], axis=1)
    advantage = values[:, -1] if with_advantage else np.where(good, 0.0, np.nan)
    return Strengths(strength=strength, advantage=advantage, identifiable=good)


def strongly_connected(
    games: Games,
    first_wins: Float[np.ndarray, "r g"],
    second_wins: Float[np.ndarray, "r g"],
) -> Bool[np.ndarray, " r"]:
    """Returns whether wins lead from each player to each other one.

    Otherwise some players beat all others they met, or met none, and their strength
    can grow without bound. Source: Ford, *Solution of a Ranking Problem from Binary
    Comparisons*, 1957.
    """
    players = games.players
    reached = np.tile(np.eye(players), (len(first_wins), 1, 1))
    for game, (one, other) in enumerate(zip(games.first, games.second, strict=True)):
        reached[:, one, other] += first_wins[:, game] > 0
        reached[:, other, one] += second_wins[:, game] > 0
    for _ in range(players.bit_length()):
        reached = np.minimum(reached @ reached, 1.0)
    return np.all(reached > 0, axis=(1, 2))


def _design(games: Games, with_advantage: bool) -> Float[np.ndarray, "g c"]:
    """Returns the columns of the regression; the last player is minus the others."""
    basis = np.concatenate(
        [np.eye(games.players - 1), -np.ones((1, games.players - 1))]
    )
    columns = basis[games.first] - basis[games.second]
    if with_advantage:
        columns = np.concatenate([columns, np.ones((len(columns), 1))], axis=1)
    return columns


def _full_rank(
    design: Float[np.ndarray, "g c"], total: Float[np.ndarray, "r g"]
) -> Bool[np.ndarray, " r"]:
    """Returns whether the comparisons that were made tell all coefficients apart.

    They do not where an advantage is asked for and, say, the same player of two always
    comes first: strength and advantage then say the same.
    """
    products = np.einsum("rg,gc,gd->rcd", (total > 0) * 1.0, design, design)
    return np.linalg.matrix_rank(products, hermitian=True) == design.shape[1]


def _newton(
    design: Float[np.ndarray, "g c"],
    first_wins: Float[np.ndarray, "r g"],
    second_wins: Float[np.ndarray, "r g"],
) -> tuple[Float[np.ndarray, "r c"], Bool[np.ndarray, " r"]]:
    """Returns the regression's coefficients, and which weightings converged."""
    total = first_wins + second_wins
    values = np.zeros((len(total), design.shape[1]))
    ridge = _RIDGE * np.eye(design.shape[1])
    size = total.sum(axis=1)
    steepest = np.full(len(total), np.inf)
    for _ in range(_STEPS):
        chance = 1 / (1 + np.exp(-values @ design.T))
        gradient = (first_wins - total * chance) @ design
        steepest = np.abs(gradient).max(axis=1) / size
        if np.all(steepest < _TOLERANCE):
            break
        curvature = total * chance * (1 - chance)
        hessian = np.einsum("rg,gc,gd->rcd", curvature, design, design)
        hessian += ridge * size[:, None, None]
        step = np.linalg.solve(hessian, gradient[..., None])[..., 0]
        length = np.abs(step).max(axis=1, keepdims=True)
        values += step * np.minimum(1.0, _LONGEST_STEP / np.maximum(length, 1e-300))
    bounded = np.abs(values).max(axis=1) < _FARTHEST
    return values, (steepest < _TOLERANCE) & bounded
