from pathlib import Path

import pytest

from thedit import config
from thedit.errors import UserError


def test_an_empty_file_gives_the_defaults(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text("")
    assert config.load(path) == config.Config()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("train: {step: 5}", "train.step: unknown key"),
        ("train: {image: 5}", "did you mean 'images'?"),
        ("train: {batch: 0}", "train.batch: input should be greater than 0"),
        ("data: {preprocess: {crop: round}}", "data.preprocess.crop"),
        ("run: a/b", "run: "),
        ("train: [", "is not valid YAML"),
    ],
)
def test_a_mistake_is_one_sentence_that_names_file_and_key(tmp_path, text, words):
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(UserError) as error:
        config.load(path)
    assert words in str(error.value)
    assert "mine.yaml" in str(error.value)
    assert "\n" not in str(error.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UserError, match=r"nowhere\.yaml: cannot be read"):
        config.load(tmp_path / "nowhere.yaml")


def test_the_digest_changes_with_any_option():
    changed = config.Config(train=config.Train(batch=9))
    assert config.digest(changed) != config.digest(config.Config())
    assert config.digest(config.Config()) == config.digest(config.Config())


def test_a_config_may_lie_over_another(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "all.yaml").write_text("methods: [fomm, lia]\ntrain: {images: 800, batch: 8}\ndata: {name: mine}")
    (tmp_path / "long.yaml").write_text("base: all.yaml\nmethods: [fomm]\ntrain: {images: 1600}")
    (tmp_path / "longer.yaml").write_text("base: long.yaml\ntrain: {images: 3200}")
    loaded = config.load("longer.yaml")
    assert (loaded.methods, loaded.train.images, loaded.train.batch, loaded.data.name) == (["fomm"], 3200, 8, "mine")


@pytest.mark.parametrize(
    ("base", "words"),
    [
        ("a.yaml", "'a.yaml' is no file below"),
        ("b.yaml", "no file below"),
        ("c.yaml", "c.yaml: cannot be read"),
    ],
)
def test_a_base_that_is_none_is_one_sentence(tmp_path, monkeypatch, base, words):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.yaml").write_text(f"base: {base}")
    (tmp_path / "b.yaml").write_text("base: a.yaml")
    with pytest.raises(UserError, match=words):
        config.load("a.yaml")


@pytest.mark.parametrize("path", sorted(Path("config").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_config_of_this_project_is_whole(path):
    assert config.load(path).methods
