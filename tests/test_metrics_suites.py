"""The suites' networks. The paper suite runs on stand-ins (tests/metrics_weights.py): its own code, no real scores."""

import cv2
import lpips
import numpy as np
import pytest
import torch
from insightface.utils import face_align

from tests import metrics_weights
from tests.shared import SHARED, needs_shared
from thedit import weights
from thedit.errors import UserError
from thedit.faces import alignment
from thedit.metrics import images, suite
from thedit.metrics.backends.efficientnet import efficientnet_lite0
from thedit.metrics.backends.inception import network
from thedit.metrics.measure import Measurer


@pytest.fixture(scope="module")
def face():
    """A square picture with a face, (256, 256, 3)."""
    picture = images.read(SHARED / "portraits" / "liveportrait_s9.jpg")
    side = min(picture.shape[:2])
    return images.enlarge(np.ascontiguousarray(picture[:side, :side]), 256)


def random_pictures(count=2, side=64):
    generator = torch.Generator().manual_seed(0)
    return torch.rand(count, 3, side, side, generator=generator) * 2 - 1


def test_five_point_alignment_agrees_with_insightface():
    rng = np.random.default_rng(0)
    for _ in range(20):
        points = alignment.ARCFACE_POINTS * rng.uniform(0.5, 4) + rng.normal(0, 3, (5, 2)) + rng.uniform(0, 100, 2)
        ours = alignment.similarity(points, alignment.ARCFACE_POINTS)
        theirs = face_align.estimate_norm(points.astype(np.float32))
        moved = [np.concatenate([points, np.ones((5, 1))], axis=1) @ matrix.T for matrix in (ours, theirs)]
        assert np.abs(moved[0] - moved[1]).max() < 1e-3


def test_five_point_alignment_undoes_a_similarity():
    angle, scale, shift = 0.3, 2.5, np.array([40.0, -7.0])
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    points = alignment.ARCFACE_POINTS @ turn.T + shift
    matrix = alignment.similarity(points, alignment.ARCFACE_POINTS)
    assert np.allclose(points @ matrix[:, :2].T + matrix[:, 2], alignment.ARCFACE_POINTS)


@pytest.mark.parametrize(("net", "entry"), [("alex", "alexnet"), ("vgg", "vgg16"), ("squeeze", "squeezenet")])
def test_lpips_agrees_with_the_package(tmp_path, monkeypatch, net, entry):
    metrics_weights.install(tmp_path, monkeypatch, [entry])
    from thedit.metrics.backends import lpips as ours

    backend = getattr(ours, net)()
    reference = lpips.LPIPS(net=net, pnet_rand=True, verbose=False)
    state = torch.load(weights.find(entry), weights_only=True)
    for number in range(reference.net.N_slices):
        part = getattr(reference.net, f"slice{number + 1}")
        names = part.state_dict().keys()
        part.load_state_dict({name: state[f"features.{name}"] for name in names})
    x, y = random_pictures(), random_pictures().flip(0)
    with torch.no_grad():
        expected = reference(x, y).flatten()
    assert torch.allclose(backend.distance(x, y).float(), expected, atol=1e-5)
    assert torch.equal(backend.distance(x, x), torch.zeros(2, dtype=torch.float64))


def test_inception_features_agree_with_pytorch_fid(tmp_path, monkeypatch):
    metrics_weights.install(tmp_path, monkeypatch, ["inception"])
    from pytorch_fid import inception as port

    from thedit.metrics.backends.inception import Inception

    state = torch.load(weights.find("inception"), weights_only=True)
    monkeypatch.setattr(port, "load_state_dict_from_url", lambda *_, **__: state)
    reference = port.InceptionV3(resize_input=False, normalize_input=False).eval()
    pictures = random_pictures(side=299)
    with torch.no_grad():
        expected = reference(pictures)[0].flatten(1)
    features = Inception().features(pictures)
    assert features.shape == (2, 2048)
    assert torch.allclose(features, expected, rtol=1e-4, atol=1e-5)
    assert not network().training


@needs_shared
def test_the_paper_suite_measures_a_picture(tmp_path, monkeypatch, face):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    metrics_weights.install(tmp_path, monkeypatch, ["scrfd-10g", "2dfan4", "arcface-r50", "alexnet", "inception"])
    chosen = suite.load("paper")
    measured = Measurer(chosen)(face)
    box = chosen.detector.detect(face)
    assert np.allclose(box, [64, 64, 192, 192], atol=1)  # where the stand-in sees its one face
    assert measured.found
    assert measured.embedding.shape == (512,)
    assert measured.features.shape == (2048,)
    assert chosen.perceptual.metric == "lpips"
    assert list(suite.feature_metrics(chosen.features.name)) == ["fid", "kid"]


def test_missing_weights_name_file_size_licence_and_place(tmp_path, monkeypatch):
    monkeypatch.setenv("THEDIT_WEIGHTS", str(tmp_path))
    with pytest.raises(UserError, match=r"det_10g\.onnx: missing .*MB; licence: non-commercial.*thedit weights add"):
        suite.load("paper")


def test_damaged_weights_are_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("THEDIT_WEIGHTS", str(tmp_path))
    (tmp_path / "alexnet-owt-7be5be79.pth").write_bytes(b"truncated")
    with pytest.raises(UserError, match="sha256"):
        suite.load("embedded", {"perceptual": "lpips-alex"})


def test_unknown_names():
    with pytest.raises(UserError, match="there are embedded, paper"):
        suite.load("papers")
    with pytest.raises(UserError, match="role 'faces' is unknown"):
        suite.load("embedded", {"faces": "dlib-68"})
    with pytest.raises(UserError, match="there are dlib-resnet, arcface-r50"):
        suite.load("embedded", {"embedding": "facenet"})


def test_the_embedded_networks_are_not_called_lpips_or_fid():
    backend = efficientnet_lite0()
    assert backend.metric == "perceptual"
    assert list(suite.feature_metrics(backend.name)) == ["frechet", "kernel"]
    x = random_pictures()
    assert backend.features(x).shape == (2, 1280)
    assert torch.equal(backend.distance(x, x), torch.zeros(2, dtype=torch.float64))
    assert (backend.distance(x, x.flip(0)) > 0).all()


@needs_shared
def test_the_embedded_suite_measures_a_picture(face):
    measurer = Measurer(suite.load("embedded"))
    measured = measurer(face)
    assert measured.found
    assert measured.landmarks.min() > 0 and measured.landmarks.max() < 1
    eyes = measured.landmarks[36:48]
    assert eyes[:6, 0].mean() < eyes[6:, 0].mean()  # the picture's left eye first
    assert measured.embedding.shape == (128,)
    noise = measurer(np.random.default_rng(0).integers(0, 256, face.shape, dtype=np.uint8))
    assert not noise.found
    assert np.isnan(noise.embedding).all()
    assert np.isfinite(noise.features).all()


@needs_shared
def test_a_llama_has_no_face():
    picture = images.read(SHARED / "portraits" / "liveportrait_s36.jpg")
    height, width = picture.shape[:2]
    side = min(height, width)
    assert not Measurer(suite.load("embedded"))(np.ascontiguousarray(picture[:side, :side])).found


@needs_shared
def test_measurements_are_cached(tmp_path, face):
    chosen = suite.load("embedded")
    first = Measurer(chosen, tmp_path)(face)

    def broken(picture):
        raise AssertionError("measured again")

    again = Measurer(chosen, tmp_path)
    again._measure = broken
    second = again(face.copy())
    for name in ("landmarks", "embedding", "features", "blendshapes"):
        assert np.array_equal(getattr(first, name), getattr(second, name))


@needs_shared
def test_mediapipe_blendshapes_follow_jaw_and_lids(monkeypatch):
    monkeypatch.setenv("THEDIT_WEIGHTS", str(SHARED / "weights"))
    from thedit.heads.assets import BLENDSHAPES

    roles = {"blendshapes": "mediapipe-blendshapes", "detector": "blazeface", "landmarks": "facemesh-68"}
    chosen = suite.load("embedded", roles)
    capture = cv2.VideoCapture(str(SHARED / "clips" / "real3dportrait_may.mp4"))
    read, mouths, eyes = [], [], []
    for number in range(120):
        _, frame = capture.read()
        if number % 6:
            continue
        picture = np.ascontiguousarray(frame[..., ::-1])
        box = chosen.detector.detect(picture)
        points = chosen.landmarks.landmarks(picture, box)
        read.append(chosen.blendshapes.blendshapes(picture, box))
        mouths.append(points[66, 1] - points[62, 1])
        eyes.append(points[47, 1] - points[43, 1])  # the person's left eye
    values = np.stack(read)
    assert values.shape == (20, 52)
    assert values.min() >= 0 and values.max() <= 1
    assert np.corrcoef(values[:, BLENDSHAPES.index("jawOpen")], mouths)[0, 1] > 0.9
    assert np.corrcoef(values[:, BLENDSHAPES.index("eyeBlinkLeft")], eyes)[0, 1] < -0.9
