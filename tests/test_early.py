"""What a run lacks is said before its first job."""

import re
from fnmatch import fnmatchcase

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as some
from typer.testing import CliRunner

from thedit.cli import config as command
from thedit.config import Config
from thedit.errors import UserError
from thedit.evaluation import early
from thedit.methods.external import External
from thedit.video import splits
from thedit.video.splits import Split, remarks

chosen = splits.test_people


class Input:
    """As much of an input as the splits need."""

    def __init__(self, person, split):
        self.person, self.split = person, split


@given(people=some.sets(some.text(min_size=1), max_size=12), share=some.floats(0.01, 0.9))
def test_a_share_gives_two_test_people_or_says_why_not(people, share):
    rule = Split(test_share=share)
    test = chosen(rule, people)
    assert test <= people
    if len(people) >= 4:
        assert len(test) >= 2
    said = remarks(rule, [Input(person, "test" if person in test else "train") for person in people])
    assert bool(said) == (len(test) < 2)


def test_a_share_of_three_people_says_that_they_are_too_few():
    rule = Split(test_share=0.2)
    (test,) = chosen(rule, {"ann", "bob", "cid"})
    said = remarks(rule, [Input(person, "test" if person == test else "train") for person in ("ann", "bob", "cid")])
    assert said == [
        "split.test_share: 3 people are too few to test on two and to train on two; 1 of them is for testing"
    ]


def test_named_people_count_among_those_of_a_share():
    people = {f"p{number}" for number in range(9)}
    test = chosen(Split(test=["p1", "p2"], test_share=0.001), people)
    assert test == {"p1", "p2"}
    assert all(any(fnmatchcase(name, rule) for rule in ("p1", "p2")) for name in test)


def test_a_split_that_nothing_uses_is_named():
    assert remarks(Split(), [Input("ann", "train"), Input("bob", "dev")]) == [
        "split 'dev' is neither train nor test, and only a protocol that names it uses its people"
    ]


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (
            {"data": {"heads": {"test_people": 1}}},
            "'cross' needs 2 people of split 'test', which has 1; raise data.heads.test_people, or leave",
        ),
        (
            {"data": {"heads": {"train_people": 1}}},
            "training pairs two people, and split 'train' has 1; raise data.heads.train_people.",
        ),
        ({"metrics": {"suite": "paper"}}, "weights/"),
        ({"metrics": {"backends": {"blendshapes": "nobody"}}}, "'nobody' is unknown"),
        ({"methods": ["liveportrait"]}, "needs the environment variable LIVEPORTRAIT_HOME; set it."),
    ],
)
def test_what_a_run_lacks_is_one_sentence(values, words, monkeypatch, tmp_path):
    monkeypatch.delenv("LIVEPORTRAIT_HOME", raising=False)
    monkeypatch.setenv("THEDIT_WEIGHTS", str(tmp_path / "weights"))
    with pytest.raises(UserError, match=re.escape(words)):
        early.check(Config(**values))


def test_the_default_run_lacks_nothing():
    assert early.check(Config()) is None


def test_people_of_own_data_are_counted(tmp_path):
    for person in ("ann", "bob", "cid"):
        (tmp_path / "in" / person).mkdir(parents=True)
        (tmp_path / "in" / person / "a.mp4").write_bytes(person.encode())
    path = tmp_path / "mine.yaml"
    path.write_text(f"title: Mine\nroot: {tmp_path / 'in'}\nvideos: '{{person}}/*.mp4'\nsplit: {{test_share: 0.2}}\n")
    with pytest.raises(UserError, match=r"'test', which has 1; name people in split\.test of"):
        early.check(Config(data={"spec": str(path), "name": "mine"}))
    early.check(Config(data={"spec": str(path), "name": "mine"}, evaluation={"protocols": ["self", "multiview"]}))


def test_a_program_that_is_missing_is_named():
    with pytest.raises(UserError, match=r"no program 'nobody-has-this'; install it or correct options"):
        External("tiny", 64, command=["nobody-has-this", "$input"]).check()
    External("tiny", 64, command=["sh", "$input"]).check()


@pytest.mark.parametrize(
    ("content", "words"),
    [(None, "cannot be read"), (b"run: caf\xe9\n", "is not valid YAML"), (b"runn: x\n", "did you mean 'run'?")],
)
def test_the_command_says_what_is_wrong_with_a_file(tmp_path, content, words):
    path = tmp_path / "nope.yaml"
    if content is not None:
        path.write_bytes(content)
    app = typer.Typer()
    command.register(app)
    done = CliRunner().invoke(app, ["config", "check", str(path)])
    assert isinstance(done.exception, UserError)
    assert "nope.yaml" in str(done.exception) and words in str(done.exception)
