"""Disentanglement: what linear probes read from a code (Alain and Bengio, 2017)."""

import numpy as np

RIDGE = 1.0  # times the number of training rows; features have unit variance


def identity_accuracy(codes: np.ndarray, person: np.ndarray, clip: np.ndarray) -> float:
    """Share of frames whose person a linear classifier names, trained on the first clip of each, tested on the others.

    codes (N, D), person and clip (N,) names. NaN if nobody has a second clip. Chance is one over the people.
    """
    first = {name: min(clip[person == name]) for name in np.unique(person)}
    training = np.array([clip[row] == first[person[row]] for row in range(len(codes))])
    if training.all():
        return float("nan")
    names = np.unique(person[training])
    goal = (person[training, None] == names).astype(np.float64)
    scores = _ridge(codes[training], goal, codes[~training])
    return float((names[scores.argmax(1)] == person[~training]).mean())


def explained_variance(codes: np.ndarray, wanted: np.ndarray, person: np.ndarray) -> float:
    """R^2 of ``wanted`` (N, A) predicted linearly from ``codes`` (N, D), for people left out of training, one by one.

    1 is perfect, 0 as good as the mean of the training people, below 0 worse. Each column counts by its variance.
    """
    names = np.unique(person)
    if len(names) < 2:
        return float("nan")
    error = baseline = 0.0
    for name in names:
        test = person == name
        error += np.square(wanted[test] - _ridge(codes[~test], wanted[~test], codes[test])).sum()
        baseline += np.square(wanted[test] - wanted[~test].mean(0)).sum()
    return float(1 - error / baseline)


def _ridge(features: np.ndarray, goal: np.ndarray, new: np.ndarray) -> np.ndarray:
    """Ridge regression with intercept: predictions (M, A) for ``new`` (M, D) from features (N, D) and goals (N, A)."""
    middle, spread = features.mean(0), features.std(0) + 1e-8
    x, y = (features - middle) / spread, goal - goal.mean(0)
    gram = x @ x.T + RIDGE * len(x) * np.eye(len(x))  # (N, N): there are fewer frames than features
    return (new - middle) / spread @ x.T @ np.linalg.solve(gram, y) + goal.mean(0)
