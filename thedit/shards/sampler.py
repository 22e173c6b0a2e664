"""Which frames form a training batch: a pure function of a seed and a position, so that its state is one integer."""

from typing import NamedTuple

import numpy as np
import pandas as pd

from thedit.errors import UserError


class Pairs(NamedTuple):
    """Rows of a `thedit.shards.store.FrameStore`, each (B,) int64."""

    source: np.ndarray
    target: np.ndarray
    other: np.ndarray
    driver: np.ndarray  # the very array ``target`` where nobody is to be driven by somebody else

    def part(self, first: int, step: int) -> "Pairs":
        """Pairs number ``first``, ``first + step``, ..."""
        source, target, other = (rows[first::step] for rows in self[:3])
        return Pairs(source, target, other, target if self.driver is self.target else self.driver[first::step])


class PairSampler:
    """Draws training pairs: every person equally often, and as a target each of a person's frames as ``weight`` says.

    index     person, clip and split of every row (`FrameStore.index`)
    batch     pairs a batch, B
    seed      all draws follow from it and from the position
    split     rows that are drawn from
    doubles   share of the pairs whose driver is somebody else who gives the target's ``performance`` at the same
              ``frame``, where there is somebody; the driver of the others is the target itself
    weight    (N,) of every row, above 0: how often it is a target beside the person's others; None: as often as they

    ``sampler[n]`` is batch number n, whatever was drawn before. A target without a second frame in its clip is
    its own source. Raises `UserError` when the split has fewer than two people.
    """

    def __init__(
        self,
        index: pd.DataFrame,
        batch: int,
        seed: int = 0,
        split: str = "train",
        doubles: float = 0.0,
        weight: np.ndarray | None = None,
    ):
        chosen = index.loc[index["split"] == split]
        if chosen["person"].nunique() < 2:
            raise UserError(
                f"split '{split}' has frames of {chosen['person'].nunique()} people, training pairs need two; "
                "add videos of other people."
            )
        chosen = chosen.sort_values(["person", "clip"], kind="stable")
        self.batch, self.seed, self.doubles = batch, seed, doubles
        self._rows = chosen.index.to_numpy(np.int64)  # (R,) rows of the store, people and clips together
        person = chosen.groupby("person").ngroup().to_numpy()
        group = chosen.groupby(["person", "clip"]).ngroup().to_numpy()
        self._person_start, self._person_count = _runs(person)  # (people,)
        start, count = _runs(group)
        self._start, self._count = start[group], count[group]  # (R,) where each row's companions lie
        self._doubles = _doubles(chosen, person) if doubles else None
        self._weight = None if weight is None else np.append(0.0, weight[self._rows].cumsum(dtype=np.float64))

    def __getitem__(self, position: int) -> Pairs:
        random = np.random.Generator(np.random.Philox(np.random.SeedSequence([self.seed, position])))
        people = len(self._person_start)
        person = random.integers(people, size=self.batch)
        target = self._target(random, person)
        step = 1 + random.integers(np.maximum(self._count[target] - 1, 1))  # 1 .. count - 1: never the target itself
        random.random(self.batch)  # keeps the draws that follow where finished trainings had them
        source = self._start[target] + (target - self._start[target] + step) % self._count[target]
        stranger = (person + 1 + random.integers(people - 1, size=self.batch)) % people
        other = self._person_start[stranger] + random.integers(self._person_count[stranger])
        wanted = self._rows[target]
        if self._doubles is None:
            return Pairs(self._rows[source], wanted, self._rows[other], wanted)
        first, count, order = self._doubles
        double = order[first[target] + random.integers(np.maximum(count[target], 1))]
        driven = (random.random(self.batch) < self.doubles) & (count[target] > 0)
        driver = self._rows[np.where(driven, double, target)]
        return Pairs(self._rows[source], wanted, self._rows[other], driver)

    def _target(self, random: np.random.Generator, person: np.ndarray) -> np.ndarray:
        """One of the frames of each person (B,), as a place among `_rows`."""
        start, count = self._person_start[person], self._person_count[person]
        if self._weight is None:
            return start + random.integers(count)
        drawn = random.uniform(self._weight[start], self._weight[start + count])
        return np.clip(np.searchsorted(self._weight, drawn, side="right") - 1, start, start + count - 1)


def _runs(labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Start and length of each run of sorted labels 0 .. n-1."""
    count = np.bincount(labels)
    return np.cumsum(count) - count, count


def _doubles(rows: pd.DataFrame, person: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Who else gives the same moment of the same performance: for each of R rows the start and the number of its
    doubles in an array of rows, and that array."""
    moments = pd.DataFrame({"moment": rows.groupby(["performance", "frame"]).ngroup().to_numpy(), "person": person})
    moments["row"] = np.arange(len(moments))
    pairs = moments.merge(moments, on="moment", suffixes=("", "_double"))
    pairs = pairs[pairs["person"] != pairs["person_double"]].sort_values(["row", "row_double"])
    count = np.bincount(pairs["row"], minlength=len(rows))
    return np.cumsum(count) - count, count, np.append(pairs["row_double"].to_numpy(), 0)
