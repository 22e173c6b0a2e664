"""Methods by name, their weights, and what a result says it was made with."""

import os
import sys
from importlib.metadata import EntryPoint

import pytest
import torch

from thedit import config, layout, provenance
from thedit.errors import UserError
from thedit.evaluation.stage import ready
from thedit.methods import registry
from thedit.training import checkpoint

OTHER = """
name: {name}
kind: baseline
licence: MIT
citation: A method of another package.
class: thedit.methods.bounds:CopySource
"""


@pytest.fixture
def other(tmp_path, monkeypatch):
    """An installed package that offers methods; returns the folder of its specs."""
    folder = tmp_path / "others_methods"
    folder.mkdir()
    (folder / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    found = registry.entry_points(group=registry.GROUP)
    mine = EntryPoint("other", "others_methods", registry.GROUP)
    monkeypatch.setattr(registry, "entry_points", lambda group: [*found, mine])
    yield folder
    sys.modules.pop("others_methods", None)


def test_methods_of_other_packages_are_found_like_our_own(other):
    (other / "theirs.yaml").write_text(OTHER.format(name="theirs"))
    assert "theirs" in registry.names()
    assert registry.find("theirs").build("tiny", 8).trainable is False


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("theirs", OTHER.format(name="thiers"), "name: is 'thiers', but the file is called 'theirs'"),
        ("theirs", OTHER.format(name="theirs") + "licens: MIT\n", "licens: unknown key; did you mean 'licence'"),
        ("theirs", "name: [", "is not valid YAML"),
        ("copy-source", OTHER.format(name="copy-source"), "method 'copy-source' is also offered by"),
        ("theirs", "name: theirs\nbase: planedct\nchange: none.\n", "base: 'planedct' is no method with a spec"),
        ("theirs", "name: theirs\nbase: planedict-5-bases\nchange: none.\n", "base: 'planedict-5-bases' is no method"),
        ("theirs", "name: theirs\nbase: planedict\n", "change: is missing"),
    ],
)
def test_a_wrong_spec_is_one_sentence(other, name, text, words):
    (other / f"{name}.yaml").write_text(text)
    with pytest.raises(UserError) as error:
        registry.find(name)
    assert words in str(error.value)


def test_a_spec_lies_over_that_of_its_base(other):
    (other / "base.yaml").write_text(OTHER.format(name="base") + "options: {a: 1, b: 1}\n")
    (other / "theirs.yaml").write_text(
        "name: theirs\nbase: base\nkind: ablation\nchange: without b.\noptions: {b: 0}\n"
    )
    base, spec = registry.find("base"), registry.find("theirs")
    assert spec.citation == "A method of another package; without b."
    assert (spec.kind, spec.options, spec.licence) == ("ablation", {"a": 1, "b": 0}, base.licence)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("class: nowhere:Method", "nowhere:Method cannot be imported"),
        ("class: thedit.methods.bounds:Copy", "thedit.methods.bounds:Copy cannot be imported"),
        ("class: thedit.config:Config", "is no subclass of"),
    ],
)
def test_a_class_that_is_none_is_one_sentence(other, line, words):
    text = OTHER.format(name="theirs").replace("class: thedit.methods.bounds:CopySource", line)
    (other / "theirs.yaml").write_text(text)
    with pytest.raises(UserError, match=words):
        registry.find("theirs").build("tiny", 8)


def test_an_unknown_method_is_one_sentence():
    with pytest.raises(UserError, match="'planedct' is offered by no installed package; did you mean 'planedict'"):
        registry.find("planedct")


@pytest.mark.parametrize("name", registry.names())
def test_specs_of_this_project_are_complete(name):
    spec = registry.find(name)
    assert spec.trained == spec.load_class().trainable
    assert spec.licence
    assert len(spec.citation) > 20


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A project folder without any weights."""
    monkeypatch.chdir(tmp_path)
    return config.Config(methods=["planedict"])


def test_missing_weights_say_how_to_get_them(run):
    with pytest.raises(UserError, match=r"planedict/weights\.safetensors: is missing; train the method"):
        ready(run, "planedict", 64)


def test_damaged_weights_are_named(run):
    path = layout.weights(run, "planedict")
    checkpoint.export(path, registry.find("planedict").build("tiny", 64), {})
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(UserError, match=r"weights\.safetensors: is damaged .* delete it and train again"):
        ready(run, "planedict", 64)


def test_weights_of_another_method_do_not_fit(run):
    checkpoint.export(layout.weights(run, "planedict"), torch.nn.Linear(2, 2), {})
    with pytest.raises(UserError, match=r"weights\.safetensors: does not fit the method"):
        ready(run, "planedict", 64)


def test_the_code_hash_follows_imports_and_nothing_else():
    def sources(module):
        return set(provenance.imported((module,), frozenset({"thedit"})))

    assert {"thedit.methods.bounds", "thedit.methods.base", "thedit.shards.batch"} <= sources("thedit.methods.bounds")
    assert "thedit.report.comparison" in sources("thedit.cli.figures")  # imported inside a function
    assert "thedit.report.comparison" not in sources("thedit.evaluation.stage")
    assert "thedit.config" not in sources("thedit.evaluation.stage")
    assert provenance.code_hash("thedit.methods.bounds") == provenance.code_hash("thedit.methods.bounds")
    assert provenance.code_hash("thedit.methods.bounds") != provenance.code_hash("thedit.methods.base")


def test_code_is_what_a_module_does(tmp_path, monkeypatch):
    def written(text):
        (tmp_path / "apart.py").write_text(text)
        os.utime(tmp_path / "apart.py", ns=(len(text), len(text)))  # two versions within a tick of the clock differ
        return provenance.code("apart")

    monkeypatch.syspath_prepend(tmp_path)
    first = written("def double(x):\n    return 2 * x\n")
    assert first == written('"""Doubles."""\n\ndef double(x):  # twice\n    """2 x."""\n    return 2 * x\n')
    assert provenance.changed(first, written("def double(x):\n    return x * 2.0\n")) == ["apart"]


def test_code_has_the_tensors_that_a_module_names():
    assert "landmarks.safetensors" in provenance.code("thedit.fitting.model")
    assert "annyheads.safetensors" in provenance.code("thedit.video.preprocess")


def test_a_hash_of_a_module_that_is_not_there_is_an_error():
    with pytest.raises(ModuleNotFoundError, match=r"thedit\.nowhere"):
        provenance.code_hash("thedit.nowhere")


def test_versions_name_what_results_depend_on():
    packages = provenance.packages()
    assert packages["torch"] == torch.__version__.partition("+")[0]
    assert "pytest" not in packages
    assert provenance.code_version().startswith("0.")
