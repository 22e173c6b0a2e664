"""A picture that moves as a video does, and weights that can be given away."""

import json

import av
import numpy as np
import pytest
import safetensors
import torch
import typer
from PIL import Image
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner

from tests import video_files
from tests.training_shards import write_shards
from thedit import layout
from thedit.cli import reenact, train
from thedit.config import Config, Preprocess
from thedit.errors import UserError
from thedit.files import sha256
from thedit.methods import trained
from thedit.methods.bounds import CopyDriver, CopySource
from thedit.reenact import faces, pipeline
from thedit.reenact.request import Request
from thedit.shards.store import FrameStore
from thedit.training import checkpoint
from thedit.training.export import export
from thedit.training.loop import train as train_method

SIZE, FRAMES = 64, 12
SETTINGS = Config(
    run="brief",
    data={"preprocess": {"landmarks": "annyheads"}},
    train={"images": 2, "batch": 2, "augment": False},
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A project with a portrait, a driving video, and a briefly trained method."""
    root = tmp_path_factory.mktemp("project")
    Image.fromarray(video_files.portrait()).save(root / "portrait.png")
    Image.fromarray(video_files.wall()).save(root / "wall.png")
    video_files.write(root / "driving.mp4", video_files.moving(FRAMES))
    train_method(
        SETTINGS, "planedict", write_shards(root / "shards", SIZE), root / layout.weights(SETTINGS, "x").parent
    )
    return root


@pytest.fixture
def weights(folder):
    return folder / layout.weights(SETTINGS, "x")


def read(path):
    """Frames (F, H, W, 3) of a video, its rate and its codec."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        pictures = np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(stream)])
        return pictures, stream.average_rate, stream.codec_context.name


def invoke(command, *arguments):
    app = typer.Typer()
    command.register(app)
    app.callback()(lambda: None)  # a group, as in thedit
    return CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)


def test_the_command_makes_a_video_and_says_what_it_cost(folder, weights, tmp_path):
    source = tmp_path / "ein Bild ü ➤.png"
    source.write_bytes((folder / "portrait.png").read_bytes())
    out = tmp_path / "neu er Ordner" / "out.mp4"
    files = ["--source", source, "--driving", folder / "driving.mp4", "--out", out, "--weights", weights]
    result = invoke(reenact, "reenact", *files)
    assert result.exit_code == 0
    pictures, rate, codec = read(out)
    assert pictures.shape == (FRAMES, SIZE, SIZE, 3)
    assert (rate, codec) == (25, "h264")
    assert f"{FRAMES} frames" in result.output
    assert "frames/s, peak memory" in result.output
    assert "repeat" not in result.output
    assert list(out.parent.iterdir()) == [out]


def request(folder, weights, out, **options):
    """What a user asks for, of the portrait and the driving video unless ``options`` say else."""
    files = {"sources": [folder / "portrait.png"], "driving": folder / "driving.mp4", "out": out, "weights": weights}
    return Request(**(files | options))


@pytest.mark.parametrize("said", [("annyheads", "dlib-68"), ("dlib-68", "annyheads")], ids=str)
def test_faces_are_labelled_by_the_networks_that_the_weights_name(folder, weights, tmp_path, monkeypatch, said):
    section = Preprocess(size=SIZE, landmarks=said[0], pose=said[1]).model_dump_json()
    change(weights, tmp_path / "weights.safetensors", preprocess=section)
    asked, network = [], faces.network
    monkeypatch.setattr(faces, "network", lambda *which: asked.append(which) or network(*which))
    pipeline.reenact(request(folder, tmp_path / "weights.safetensors", tmp_path / "out.mp4"))
    assert [name for role, name in asked if role == "landmarks"] == [*said, *said]


def bound(monkeypatch, method):
    """Let the command show the source or the driver, whatever the weights."""
    monkeypatch.setattr(trained, "load", lambda path: (method("tiny", SIZE).eval(), Preprocess(size=SIZE)))


def test_the_source_is_the_picture_and_the_driver_the_video(folder, weights, tmp_path, monkeypatch):
    bound(monkeypatch, CopyDriver)
    pipeline.reenact(request(folder, weights, tmp_path / "driver.mp4"))
    bound(monkeypatch, CopySource)
    pipeline.reenact(request(folder, weights, tmp_path / "source.mp4"))
    driver, source = (read(tmp_path / f"{name}.mp4")[0].astype(float) for name in ("driver", "source"))
    assert np.abs(np.diff(source, axis=0)).mean() < 1
    assert np.abs(np.diff(driver, axis=0)).mean() > 3


def test_frames_without_a_face_repeat_another(folder, weights, tmp_path, monkeypatch):
    bound(monkeypatch, CopyDriver)
    wall = [video_files.wall()] * 3
    video_files.write(tmp_path / "driving.mp4", [*wall, *video_files.moving(6), *wall])
    made = pipeline.reenact(request(folder, weights, tmp_path / "out.mp4", driving=tmp_path / "driving.mp4"))
    assert made.frames == 12
    assert made.repeated == {"no face found": 6}
    change = np.abs(np.diff(read(tmp_path / "out.mp4")[0].astype(float), axis=0)).mean((1, 2, 3))
    assert (change > 2).tolist() == [False] * 3 + [True] * 5 + [False] * 3


def change(weights, path, **facts):
    """A copy of the weights with other metadata; None removes an entry."""
    with safetensors.safe_open(weights, "pt") as file:
        metadata = file.metadata() | {"digest": None} | facts
    save_file(load_file(weights), path, {key: value for key, value in metadata.items() if value is not None})


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"sources": "wall.png"}, r"wall\.png: no face found; choose another file"),
        ({"sources": "nowhere.png"}, r"nowhere\.png: there is no such file; choose another file"),
        ({"driving": "text.mp4"}, r"text\.mp4: is no video or is cut short \(.*\); choose another file"),
        ({"driving": "sound.mp4"}, r"sound\.mp4: has no picture, only sound; choose another file"),
        ({"out": "out.avi"}, r"out\.avi: the video is written as MP4; let the name end in \.mp4"),
        ({"out": "wall.png/out.mp4"}, r"out\.mp4: cannot be written \(.*\); choose another folder"),
        ({"weights": "none.safetensors"}, r"none\.safetensors: is missing; train the method"),
        ({"weights": "short.safetensors"}, r"short\.safetensors: is damaged \("),
        ({"weights": "bare.safetensors"}, r"bare\.safetensors: its metadata lack size; use "),
        ({"weights": "other.safetensors"}, r"other\.safetensors: methods: 'planedct' is offered by no installed"),
        ({"weights": "wide.safetensors"}, r"wide\.safetensors: does not fit the method"),
        ({"weights": "blind.safetensors"}, r"blind\.safetensors: preprocess\.pose: .* correct the value"),
        ({"weights": "huge.safetensors"}, r"huge\.safetensors: size: .* correct the value"),
    ],
    ids=lambda value: next(iter(value.values())) if isinstance(value, dict) else "",
)
def test_a_file_that_cannot_be_used_is_one_sentence(folder, weights, tmp_path, files, words):
    for name in ("portrait.png", "wall.png", "driving.mp4"):
        (tmp_path / name).symlink_to(folder / name)
    (tmp_path / "text.mp4").write_text("no video")
    video_files.write_sound(tmp_path / "sound.mp4")
    (tmp_path / "good.safetensors").symlink_to(weights)
    (tmp_path / "short.safetensors").write_bytes(weights.read_bytes()[:5000])
    change(weights, tmp_path / "bare.safetensors", size=None)
    change(weights, tmp_path / "other.safetensors", method="planedct")
    change(weights, tmp_path / "wide.safetensors", preset="small", size="128")
    change(weights, tmp_path / "blind.safetensors", preprocess='{"pose": "none"}')
    change(weights, tmp_path / "huge.safetensors", size="-64")
    good = {"sources": "portrait.png", "driving": "driving.mp4", "out": "out.mp4", "weights": "good.safetensors"}
    chosen = {role: tmp_path / name for role, name in (good | files).items()}
    chosen["sources"] = [chosen["sources"]]
    with pytest.raises(UserError, match=words):
        pipeline.reenact(Request(**chosen))
    assert not list(tmp_path.rglob("*out.*"))


def test_exported_weights_are_half_as_large_and_make_the_same_pictures(folder, weights, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    layout.weights(SETTINGS, "planedict").parent.mkdir(parents=True)
    layout.weights(SETTINGS, "planedict").symlink_to(weights)
    (tmp_path / "config.yaml").write_text("run: brief")
    out = tmp_path / "pretrained" / "half.safetensors"
    result = invoke(train, "export", "--config", "config.yaml", "--method", "planedict", "--out", out)
    assert result.exit_code == 0
    assert out.stat().st_size < 0.51 * weights.stat().st_size
    with safetensors.safe_open(out, "pt") as half, safetensors.safe_open(weights, "pt") as full:
        sources = {"source_sha256": sha256(weights), "source_digest": trained.digest(weights)}
        assert half.metadata() == full.metadata() | sources | {"digest": trained.digest(out)}
    assert {tensor.dtype for tensor in load_file(out).values()} == {torch.float16}
    frames = FrameStore(folder / "shards").batch([0, 1])
    pictures = []
    for path in (weights, out):
        method, _ = trained.load(path)
        device = next(method.parameters()).device
        source, driving = frames[:1].to(device), frames[1:].to(device)
        pictures.append(method.drive(method.encode(source), driving, driving.camera))
    assert pictures[0].std() > 0.05
    torch.testing.assert_close(pictures[1], pictures[0], atol=1 / 255, rtol=0)
    pipeline.reenact(request(folder, out, tmp_path / "out.mp4"))


def test_what_half_precision_cannot_hold_is_not_exported(tmp_path):
    save_file({"fine": torch.ones(2), "loud": torch.tensor([1e6])}, tmp_path / "weights.safetensors")
    with pytest.raises(UserError, match="loud holds values that half precision cannot"):
        export(tmp_path / "weights.safetensors", tmp_path / "out.safetensors")
    assert not (tmp_path / "out.safetensors").exists()


@pytest.mark.parametrize("name", ["lia", "coefficient-triplanes", "planedict-5-bases"])
def test_weights_of_any_method_say_how_to_build_it(name, tmp_path):
    spec = trained.registry.find(name)
    method = spec.build("tiny", SIZE)
    made = Preprocess(size=SIZE, landmarks="annyheads", pose="dlib-68", crop="aligned", crop_scale=1.25, camera="truth")
    facts = {"method": name, "preset": "tiny", "size": str(SIZE), "options": json.dumps(spec.options)}
    checkpoint.export(tmp_path / "weights.safetensors", method, facts | {"preprocess": made.model_dump_json()})
    loaded, settings = trained.load(tmp_path / "weights.safetensors")
    assert settings == made.model_copy(update={"camera": "fitted"})
    change(tmp_path / "weights.safetensors", tmp_path / "old.safetensors", preprocess=None, landmarks="annyheads")
    assert trained.load(tmp_path / "old.safetensors")[1] == Preprocess(size=SIZE, landmarks="annyheads")
    assert type(loaded) is type(method)
    for key, value in loaded.state_dict().items():
        assert torch.equal(value.cpu(), method.state_dict()[key])
