"""Linear probes: how much of an attribute is to be read off features of clips.

A probe is multinomial logistic regression with an L2 penalty on standardised features.
It is fitted to some clips and asked about others.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np
import scipy.optimize
import scipy.special
from jaxtyping import Bool, Float, Int

from musicrl_jax.core import errors

PENALTIES = (1e-2, 1e-1, 1.0)
_MAX_ITERATIONS = 100


@dataclasses.dataclass(frozen=True, kw_only=True)
class Probe:
    """A fitted probe: class k scores `((x - mean) / deviation) @ weights + bias`."""

    mean: Float[np.ndarray, " e"]
    deviation: Float[np.ndarray, " e"]
    weights: Float[np.ndarray, "e k"]
    bias: Float[np.ndarray, " k"]

    def predict(self, features: Float[np.ndarray, "c e"]) -> Int[np.ndarray, " c"]:
        """Returns the most probable class of each clip."""
        scaled = (features - self.mean[None]) / self.deviation[None]
        return np.argmax(scaled @ self.weights + self.bias[None], axis=1)


@dataclasses.dataclass(frozen=True, kw_only=True)
class ProbeResult:
    """What probes got right of clips that they were not fitted to.

    Attributes:
      right: whether each clip's class was told.
      chance: share that the most common class of the fitted clips gets.
      classes: that there are.
      features: numbers that a probe saw of a clip.
    """

    right: Bool[np.ndarray, " c"]
    chance: float
    classes: int
    features: int

    @property
    def accuracy(self) -> float:
        """The share that was right."""
        return float(np.mean(self.right))

    @property
    def standard_error(self) -> float:
        """Of the accuracy, binomial over clips."""
        return float(np.sqrt(self.accuracy * (1 - self.accuracy) / len(self.right)))


def fit(
    features: Float[np.ndarray, "c e"], labels: Int[np.ndarray, " c"], penalty: float
) -> Probe:
    """Fits a probe to all clips (L-BFGS from zero; the problem is convex).

    The loss is the mean cross-entropy in nats and `penalty / 2` times the sum of
    squared weights; biases are free.
    """
    mean, deviation = features.mean(axis=0), features.std(axis=0)
    deviation = np.where(deviation > 1e-9, deviation, 1.0)
    scaled = (features - mean[None]) / deviation[None]
    # Weights lie in the span of the clips: fewer numbers where features are many.
    left, values, axes = np.linalg.svd(scaled, full_matrices=False)
    points = left * values[None]
    classes = int(labels.max()) + 1
    truth = np.eye(classes)[labels]
    size = points.shape[1] * classes

    def loss(flat: Float[np.ndarray, " p"]) -> tuple[float, Float[np.ndarray, " p"]]:
        weights, bias = flat[:size].reshape(-1, classes), flat[size:]
        logits = points @ weights + bias[None]
        logs = scipy.special.log_softmax(logits, axis=1)
        value = -np.sum(truth * logs) / len(points) + 0.5 * penalty * np.sum(weights**2)
        slope = (np.exp(logs) - truth) / len(points)
        inner = points.T @ slope + penalty * weights
        return float(value), np.concatenate([inner.ravel(), slope.sum(axis=0)])

    found = scipy.optimize.minimize(
        loss,
        np.zeros(size + classes),
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": _MAX_ITERATIONS, "gtol": 1e-5},
    ).x
    weights = axes.T @ found[:size].reshape(-1, classes)
    return Probe(mean=mean, deviation=deviation, weights=weights, bias=found[size:])


def cross_validate(
    features: Float[np.ndarray, "c e"],
    labels: Sequence[str],
    *,
    folds: int = 5,
    seed: int = 0,
) -> ProbeResult:
    """Asks about each clip a probe that was fitted to the other folds.

    The penalty is the one of `PENALTIES` that does best on a quarter of the fitted
    clips, so that features of all kinds get the one that suits them.

    Raises:
      InputError: where there are too few clips, or all have one label.
    """
    names, ids = np.unique(np.asarray(labels), return_inverse=True)
    if not 2 <= folds <= len(ids) // 4 or len(names) < 2:
        raise errors.InputError(
            "A probe needs two or more labels, and two or more folds of four clips or "
            f"more; got {len(names)} labels of {len(ids)} clips for {folds} folds. "
            "Probe more clips or another attribute."
        )
    fold = np.random.default_rng(seed).permutation(len(ids)) % folds
    right = np.zeros(len(ids), bool)
    common = np.zeros(len(ids), bool)
    for number in range(folds):
        asked, seen = fold == number, np.flatnonzero(fold != number)
        penalty = _penalty(features[seen], ids[seen], seed)
        probe = fit(features[seen], ids[seen], penalty)
        right[asked] = probe.predict(features[asked]) == ids[asked]
        common[asked] = ids[asked] == np.bincount(ids[seen]).argmax()
    return ProbeResult(
        right=right,
        chance=float(np.mean(common)),
        classes=len(names),
        features=features.shape[1],
    )


def _penalty(
    features: Float[np.ndarray, "c e"], labels: Int[np.ndarray, " c"], seed: int
) -> float:
    """Returns the penalty that tells most of every fourth clip from the others."""
    held = np.random.default_rng([seed, 1]).permutation(len(labels)) % 4 == 0
    scores = [
        np.mean(
            fit(features[~held], labels[~held], penalty).predict(features[held])
            == labels[held]
        )
        for penalty in PENALTIES
    ]
    return PENALTIES[int(np.argmax(scores))]
