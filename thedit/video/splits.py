"""Who is trained on and who is only scored: people named by the spec, or a share of them chosen by a hash."""

import hashlib
from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Protocol

from pydantic import Field

from thedit.config import Section

ENOUGH = 2  # people of a split from which pairs of two people can be formed


class Split(Section):
    """How people are divided; the first rule that applies decides."""

    rename: dict[str, str] = Field({}, description="split by the pattern's {split} field, e.g. {dev: train}")
    test: list[str] = Field([], description="people of the test split; * and ? match as in file names")
    test_share: float = Field(0.0, ge=0, lt=1, description="share of people, chosen by a hash of their name")
    default: str = Field("train", description="everybody else")


class Placed(Protocol):
    """What is known of an input: whom it shows, and the split."""

    @property
    def person(self) -> str:
        """Name of the person."""

    @property
    def split(self) -> str:
        """Name of the split."""


def test_people(rule: Split, people: set[str]) -> set[str]:
    """Those of ``people`` that ``rule`` puts into the test split.

    A share gives at least `ENOUGH` test people where that leaves as many to train on, and one where it leaves two.
    """
    named = {person for person in people if any(fnmatchcase(person, test) for test in rule.test)}
    if not rule.test_share:
        return named
    ranked = sorted(people - named, key=_hash)
    shared = {person for person in ranked if _hash(person) < rule.test_share * 2**32}
    least = min(ENOUGH, max(0, len(people) - ENOUGH)) - len(named)
    return named | shared | set(ranked[: max(0, least)])


def remarks(rule: Split, inputs: Iterable[Placed]) -> list[str]:
    """What a user should know about the splits: a share of too few people, and splits that nothing uses."""
    people: dict[str, set[str]] = {}
    for one in inputs:
        people.setdefault(one.split, set()).add(one.person)
    said = []
    test = len(people.get("test", ()))
    if rule.test_share and test < ENOUGH and not people.keys() - {"train", "test"}:
        count = len(set().union(*people.values()))
        said.append(
            f"split.test_share: {count} people are too few to test on two and to train on two; "
            f"{test} of them {'is' if test == 1 else 'are'} for testing"
        )
    for split in sorted(people.keys() - {"train", "test", rule.default, *rule.rename.values()}):
        said.append(f"split '{split}' is neither train nor test, and only a protocol that names it uses its people")
    return said


def _hash(person: str) -> int:
    return int(hashlib.sha256(person.encode()).hexdigest()[:8], 16)
