"""Training of the landmark network, on pictures whose colours say where each point of them is."""

import json
from types import SimpleNamespace

import av
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from safetensors import safe_open
from torch.nn import functional

from thedit import config
from thedit.errors import UserError
from thedit.faces.annyheads_network import MARGIN, SIDE, LandmarkNetwork, side_of
from thedit.heads import assets, people
from thedit.landmarks.augment import SCALE, SHIFT, disturb, views
from thedit.landmarks.augment import _quantised as quantised
from thedit.landmarks.faces import Faces, benchmark, load
from thedit.landmarks.train import train
from thedit.training.augment import MIRRORED_LANDMARKS
from thedit.video.boxes import box

PIXELS = 64


def gradient(count):
    """Pictures (N, S, S, 3): red grows to the right, green downwards, from 0 at one edge to 255 at the other."""
    step = (np.arange(PIXELS) + 0.5) / PIXELS * 255
    picture = np.stack([*np.meshgrid(step, step), np.zeros((PIXELS, PIXELS))], -1)
    return np.tile(picture.round().astype(np.uint8), (count, 1, 1, 1))


def face(seed=0):
    """Landmarks (68, 2) in normalised coordinates, all different, well inside the picture."""
    return np.random.default_rng(seed).uniform(0.4, 0.6, (68, 2)).astype(np.float32)


@pytest.fixture(scope="module")
def faces():
    points = [face(seed) for seed in range(64)]
    boxes = np.stack([box(one) for one in points]).astype(np.float32)
    return Faces(torch.from_numpy(gradient(64)), torch.from_numpy(np.stack(points)), torch.from_numpy(boxes), 64)


def test_points_stay_on_what_they_mark_however_the_square_lies(faces):
    torch.manual_seed(0)
    image, points = views(faces, torch.arange(64), SIDE)
    assert image.shape == (64, 3, SIDE, SIDE) and points.shape == (64, 68, 2)
    seen = functional.grid_sample(image, 2 * points[:, None] - 1, align_corners=False)[:, :2, 0].mT / 2 + 0.5
    inside = ((points > 0.02) & (points < 0.98)).all(-1)
    as_it_is, in_a_mirror = (
        (seen - marks).abs().amax(-1).where(inside, torch.zeros(())).amax(1) < 0.01
        for marks in (faces.landmarks, faces.landmarks[:, MIRRORED_LANDMARKS])
    )
    assert inside.float().mean() > 0.9
    assert (as_it_is ^ in_a_mirror).all() and 16 < as_it_is.sum() < 48


def test_squares_are_as_inexact_as_they_should_be(faces):
    torch.manual_seed(0)
    _, points = views(faces, torch.arange(64), SIDE)
    side = (faces.box[:, 2] - faces.box[:, 0])[:, None, None]
    size = (faces.landmarks - faces.landmarks.mean(1, keepdim=True)).norm(dim=2).mean(1) / side[:, 0, 0]
    scale = (points - points.mean(1, keepdim=True)).norm(dim=2).mean(1) * MARGIN / size
    assert scale.min() > 1 / SCALE - 1e-3 and scale.max() < SCALE + 1e-3 and scale.max() / scale.min() > SCALE
    assert points.mean(1).sub(0.5).abs().max() < (SHIFT * 2**0.5 + 0.08) * SCALE / MARGIN


def test_disturbed_pictures_differ_and_stay_pictures():
    torch.manual_seed(0)
    image = torch.rand(8, 3, SIDE, SIDE) * 2 - 1
    changed = disturb(image)
    assert changed.shape == image.shape and changed.min() >= -1 and changed.max() <= 1
    assert ((changed - image).abs().mean((1, 2, 3)) > 0.01).all()


def test_fine_steps_change_nothing_and_coarse_ones_leave_flat_blocks():
    torch.manual_seed(0)
    image = torch.rand(2, 3, 16, 16)
    assert torch.allclose(quantised(image, torch.full((2, 1, 1, 1), 1e-5)), image, atol=1e-3)
    tiles = torch.tensor([[0.0, 0.5], [1.0, -0.5]]).repeat_interleave(8, 0).repeat_interleave(8, 1)
    coarse = quantised(tiles + 0.1 * image, torch.full((2, 1, 1, 1), 0.5)).unflatten(3, (2, 8)).unflatten(2, (2, 8))
    assert coarse.std((3, 5)).max() < 1e-6 and coarse.std() > 0.3


def bank(count=4096):
    generator = np.random.default_rng(0)
    return SimpleNamespace(
        bank=torch.from_numpy(generator.normal(size=(count, 5)).astype(np.float32)), traits=torch.rand(count, 6)
    )


def record(folder, split, number, identity, frames=4):
    name = f"{split}-{number:04d}"
    path = folder / "truth" / name / "00.parquet"
    path.parent.mkdir(parents=True)

    def rows(values):
        return pa.FixedSizeListArray.from_arrays(pa.array(np.tile(values.ravel(), frames)), values.size)

    columns = {"person": [name] * frames, "identity": rows(identity), "landmarks": rows(face(number))}
    pq.write_table(pa.table(columns), path)
    video = folder / "videos" / name / "00.mp4"
    video.parent.mkdir(parents=True)
    with av.open(str(video), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": "1"})
        stream.width = stream.height = PIXELS
        for picture in gradient(frames):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())


@pytest.fixture
def recorded(tmp_path):
    """A data set with three training people, of whom one is also tested on and one calibrated on elsewhere."""
    heads, default = bank(), config.Heads()
    tested = people.sample(heads, default.seed, 1, "test")[0].identity
    calibrated = people.sample(heads, default.seed, default.train_people, "train")[-1].identity
    other = people.sample(heads, default.seed, default.train_people + 1, "train")[-1].identity
    for split in ("train", "test"):
        for number, identity in enumerate((tested, other, calibrated)):
            record(tmp_path, split, number, identity)
    (tmp_path / "heads.json").write_text(json.dumps({"seed": 1}))
    return tmp_path, heads


def test_people_that_results_are_about_are_left_out(recorded):
    folder, heads = recorded
    faces = load(folder, "train", heads)
    assert len(benchmark(heads)) == 4096 // 8 + config.Heads().train_people
    assert (faces.people, len(faces)) == (1, 4)
    assert np.allclose(faces.landmarks.numpy(), face(1)) and np.allclose(faces.box[0], box(face(1)))
    assert np.abs(faces.image[0].numpy().astype(float) - gradient(1)[0]).mean() < 8


def test_a_folder_without_clips_is_one_sentence(tmp_path):
    with pytest.raises(UserError, match=r"no clips of train people.*thedit heads render"):
        load(tmp_path, "train", bank())


def test_training_writes_weights_that_say_what_they_are_made_of(recorded, tmp_path, monkeypatch):
    folder, heads = recorded
    monkeypatch.setattr(assets, "load", lambda: heads)
    monkeypatch.setattr(assets, "PATH", folder / "heads.json")
    settings = config.Config(train=config.Train(images=9, batch=4))
    out = tmp_path / "weights.safetensors"
    error = train(settings, folder, out, 160)
    assert error["frames"] == 4 and error["mean"] > 0
    with safe_open(out, "pt") as file:
        facts = file.metadata()
        tensors = {name: file.get_tensor(name) for name in file.keys()}
    assert side_of(tensors) == 160
    LandmarkNetwork(side=160).load_state_dict(tensors)
    assert facts["data"] == '{"seed": 1}' and facts["images"] == "8" and facts["people"] == "1"
    assert json.loads(facts["held_out"]) == error and len(facts["trunk_sha256"]) == 64
    assert out.with_suffix(".csv").read_text().startswith("step,images,seconds,loss\n2,8,")
    assert out.stat().st_size < 10e6


def test_a_side_that_the_network_cannot_have_is_one_sentence(tmp_path):
    with pytest.raises(UserError, match=r"--side: 100 is no multiple of 32"):
        train(config.Config(), tmp_path, tmp_path / "weights.safetensors", 100)
