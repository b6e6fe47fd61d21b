"""Probes against scikit-learn, and what they may and may not tell."""

import numpy as np
import pytest
import sklearn.linear_model
import sklearn.preprocessing

from musicrl_jax.core import errors
from musicrl_jax.evaluation import probes, token_features


def clouds(clips=120, width=5, classes=3, apart=1.0):
    generator = np.random.default_rng(0)
    labels = generator.integers(classes, size=clips)
    centres = generator.normal(size=(classes, width)) * apart
    return centres[labels] + generator.normal(size=(clips, width)), labels


@pytest.mark.parametrize("width", [5, 200], ids=["few numbers", "more than clips"])
def test_a_probe_is_scikit_learns_logistic_regression(width):
    features, labels = clouds(width=width)
    features[:, 0] = 7 + 100 * features[:, 0]
    probe = probes.fit(features, labels, penalty=0.1)
    scaled = sklearn.preprocessing.StandardScaler().fit_transform(features)
    theirs = sklearn.linear_model.LogisticRegression(
        C=1 / (0.1 * len(features)), tol=1e-8, max_iter=5_000
    ).fit(scaled, labels)
    np.testing.assert_allclose(probe.weights.T, theirs.coef_, atol=2e-3)
    gaps = probe.bias - theirs.intercept_
    np.testing.assert_allclose(gaps - gaps.mean(), 0, atol=2e-3)
    np.testing.assert_array_equal(probe.predict(features), theirs.predict(scaled))


def test_clips_are_asked_about_by_probes_that_did_not_see_them():
    features, labels = clouds(apart=3.0)
    names = [("waltz", "tango", "polka")[label] for label in labels]
    told = probes.cross_validate(features, names)
    assert told.accuracy > 0.9
    assert (told.classes, told.features, len(told.right)) == (3, 5, 120)
    # Each clip's own number can be learned by heart and says nothing of another.
    by_heart = np.eye(len(labels))
    guessed = probes.cross_validate(by_heart, names)
    assert guessed.accuracy < told.chance + 4 * guessed.standard_error


def test_chance_is_the_share_of_the_common_label_and_the_error_binomial():
    names = ["common"] * 60 + ["rare"] * 20
    generator = np.random.default_rng(0)
    result = probes.cross_validate(generator.normal(size=(80, 2)), names)
    assert result.chance == 0.75
    spread = np.std(result.right) / np.sqrt(80)
    assert result.standard_error == pytest.approx(spread)


@pytest.mark.parametrize(
    ("names", "folds"), [(["one"] * 40, 5), (["a", "b"] * 8, 5), (["a", "b"] * 8, 1)]
)
def test_too_little_is_refused(names, folds):
    with pytest.raises(errors.InputError, match="A probe needs"):
        probes.cross_validate(np.ones((len(names), 2)), names, folds=folds)


def test_histograms_are_shares_by_level_and_ignore_order():
    tokens = np.array([[[0, 2], [0, 1], [3, 1], [0, 1]]])
    found = token_features.Histogram(size=4)(tokens)
    expected = np.array([[3, 0, 0, 1, 0, 3, 1, 0]]) / 4
    np.testing.assert_allclose(np.square(found), expected)
    shuffled = token_features.Histogram(size=4)(tokens[:, [2, 0, 3, 1]])
    np.testing.assert_array_equal(found, shuffled)


def test_changes_know_order_and_not_duration():
    changes = token_features.Changes(size=64)
    forth = np.array([5, 5, 6, 7, 7])[None, :, None]
    found = changes(forth)
    assert found.shape == (1, 64)
    np.testing.assert_allclose(np.square(found).sum(), 2 / 4)
    assert not np.array_equal(found, changes(forth[:, ::-1]))
    np.testing.assert_array_equal(found, changes(forth[:, [0, 2, 2, 3, 3]]))
    many = np.random.default_rng(0).integers(1024, size=(2, 500, 4))
    spread = np.square(changes(many))
    assert spread.shape == (2, 64)
    assert spread.max() < 3 * spread.mean()


def test_recurrence_peaks_at_the_period():
    tokens = np.tile(np.arange(12), 20)[None, :, None]
    found = token_features.Recurrence(size=30)(tokens)
    np.testing.assert_array_equal(np.flatnonzero(found[0]) + 1, [12, 24])
    with pytest.raises(errors.InputError, match="more than 30 frames"):
        token_features.Recurrence(size=30)(tokens[:, :30])
