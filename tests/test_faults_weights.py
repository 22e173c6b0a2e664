"""What a file of weights can and cannot do to who uses it."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from thedit.errors import UserError
from thedit.files import sha256
from thedit.methods import registry, trained
from thedit.training import checkpoint

SIZE = 64


def facts(method="planedict", **options):
    """The metadata of a file of weights."""
    labels = {"preset": "tiny", "size": str(SIZE), "landmarks": "annyheads", "pose": "annyheads"}
    return {"method": method, "options": json.dumps(options), **labels}


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """Good weights of an untrained planedict."""
    path = tmp_path_factory.mktemp("weights") / "good.safetensors"
    checkpoint.export(path, registry.find("planedict").build("tiny", SIZE), facts())
    return path


def test_weights_run_no_program(tmp_path):
    path, ran = tmp_path / "weights.safetensors", tmp_path / "ran"
    command = {"command": ["touch", str(ran)], "home": str(tmp_path)}
    save_file({"any": torch.zeros(1)}, path, facts("liveportrait", **command))
    with pytest.raises(UserError, match=r"weights\.safetensors: method: 'liveportrait' is not trained"):
        trained.load(path)
    assert not ran.exists()


@pytest.mark.parametrize(
    ("method", "options", "words"),
    [
        ("planedict", {"command": ["true"]}, r"options: command: unknown key; known keys are"),
        ("fomm", {"command": ["true"]}, r"options: command: unknown key"),
        ("lia", {"home": "/"}, r"options: home: unknown key"),
        ("planedict", {"bases": "many"}, r"options: bases: .* correct the value"),
        ("copy-source", {}, r"method: 'copy-source' is not trained"),
        ("../planedict", {}, r"'\.\./planedict' is offered by no installed package"),
        ("planedict", {"plane_size": 2**40}, r"does not fit the method|make no network"),
        ("planedict", {"channel_base": 2**50, "channel_max": 2**50}, r"does not fit the method|make no network"),
        ("planedict", {"plane_size": 33}, r"does not fit the method|make no network|plane_size"),
    ],
)
def test_only_options_of_a_trained_method_are_taken(weights, tmp_path, method, options, words):
    path = tmp_path / "weights.safetensors"
    save_file(load_file(weights), path, facts(method, **options))
    with pytest.raises(UserError, match=words) as refused:
        trained.load(path)
    assert str(refused.value).startswith(f"{path}: ")


def test_weights_that_are_not_numbers_are_refused(weights, tmp_path):
    path, tensors = tmp_path / "weights.safetensors", load_file(weights)
    name = next(name for name, tensor in tensors.items() if tensor.is_floating_point())
    tensors[name].view(-1)[0] = torch.nan
    save_file(tensors, path, facts())
    with pytest.raises(UserError, match=f"{name} holds values that are not finite"):
        trained.load(path)


def test_good_weights_load(weights):
    method, settings = trained.load(weights)
    assert settings.size == SIZE
    assert torch.equal(next(iter(method.state_dict().values())).cpu(), next(iter(load_file(weights).values())))


def test_the_digest_is_of_what_decides_the_pictures(weights, tmp_path):
    method = registry.find("planedict").build("tiny", SIZE)
    method.load_state_dict(load_file(weights))
    later, other = tmp_path / "later.safetensors", tmp_path / "other.safetensors"
    checkpoint.export(later, method, {"seconds": "99.9", **facts()})
    checkpoint.export(other, method, facts(bases=5))
    assert sha256(later) != sha256(weights)
    assert trained.digest(later) == trained.digest(weights) != trained.digest(other)
    with torch.no_grad():
        next(method.parameters()).view(-1)[0] += 1e-6
    checkpoint.export(other, method, facts())
    assert trained.digest(other) != trained.digest(weights)


def test_one_flipped_bit_in_weights_is_found(weights, tmp_path):
    content = bytearray(weights.read_bytes())
    content[-1000] ^= 1
    path = tmp_path / "weights.safetensors"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"weights\.safetensors: is damaged, its digest differs"):
        trained.load(path)
