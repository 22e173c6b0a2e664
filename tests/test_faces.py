import copy
from dataclasses import replace
from typing import get_args

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from tests import video_files
from tests.shared import SHARED
from thedit import config, weights
from thedit.errors import UserError
from thedit.faces import registry
from thedit.faces.annyheads import AnnyHeadsLandmarks
from thedit.faces.annyheads import _square as square
from thedit.faces.annyheads_network import SIDE, LandmarkNetwork
from thedit.fitting.model import CALIBRATED
from thedit.video.boxes import box, iou
from thedit.video.decode import Picture
from thedit.video.shots import Shots
from thedit.video.track import Tracker

FACE = np.array([110.0, 70.0, 200.0, 160.0])  # roughly, of `video_files.with_face()`


def load(role, name):
    return registry.find(role, name).load()


@pytest.fixture
def offered(monkeypatch):
    if not SHARED.is_dir():
        pytest.skip("needs $THEDIT_SHARED")
    monkeypatch.setenv("THEDIT_WEIGHTS", str(SHARED / "weights"))


@pytest.fixture(scope="module")
def dlib_face():
    return load("detector", "dlib-hog")(video_files.with_face(), 48)


def test_dlib_finds_the_face(dlib_face):
    assert len(dlib_face) == 1 and iou(dlib_face[0], FACE) > 0.5


@pytest.mark.parametrize("name", ["yunet", "blazeface"])
def test_other_detectors_find_the_same_face(offered, dlib_face, name):
    found = load("detector", name)(video_files.with_face(), 48)
    assert len(found) == 1 and iou(found[0], dlib_face[0]) > 0.35
    assert load("detector", name)(video_files.wall(), 48).shape == (0, 4)


@pytest.mark.parametrize("name", ["facemesh-68", "annyheads"])
def test_landmarks_of_two_networks_agree(offered, dlib_face, name):
    picture = video_files.with_face()
    first, second = (load("landmarks", network)(picture, dlib_face[0]) for network in ("dlib-68", name))
    eyes = np.linalg.norm(first[36:42].mean(0) - first[42:48].mean(0))
    assert np.linalg.norm(first[17:] - second[17:], axis=1).mean() < 0.15 * eyes


def test_a_face_cut_out_of_a_larger_picture_is_measured_as_its_copy(dlib_face):
    picture = np.pad(video_files.with_face(), ((32, 32), (32, 32), (0, 0)))
    view = picture[32:-32, 32:-32]
    copied = view.copy()
    assert not view.flags.c_contiguous
    np.testing.assert_array_equal(load("detector", "dlib-hog")(view, 48), load("detector", "dlib-hog")(copied, 48))
    for name in ("dlib-68", "annyheads"):
        points = load("landmarks", name)(copied, dlib_face[0])
        np.testing.assert_array_equal(load("landmarks", name)(view, dlib_face[0]), points)
    np.testing.assert_array_equal(
        load("embedding", "dlib-resnet")(view, points), load("embedding", "dlib-resnet")(copied, points)
    )


def test_our_networks_square_lies_where_the_box_says():
    step = np.arange(40) + 0.5
    pixels = np.stack([*np.meshgrid(step, step), np.zeros((40, 40))], -1).astype(np.float32)  # colours are coordinates
    for corner, side in ((np.array([4.25, 7.5]), 20.0), (np.array([-10.0, 3.0]), 30.0), (np.array([0.0, 0.0]), 39.0)):
        wanted = corner + (np.stack(np.meshgrid(*(np.arange(SIDE) + 0.5,) * 2), -1) * side / SIDE)
        assert np.abs(square(pixels, corner, side, SIDE)[..., :2] - wanted.clip(0.5, 39.5)).max() < 0.05
    large = np.tile(np.random.default_rng(0).uniform(0, 255, (800, 800, 1)), 3).astype(np.float32)
    assert square(large, np.zeros(2), 800.0, SIDE).std() < 0.25 * large.std()  # antialiased: noise averages out


def test_our_network_follows_the_face_and_needs_no_exact_box(dlib_face):
    find, side = load("landmarks", "annyheads"), np.ptp(dlib_face[0][::2])
    here = find(video_files.with_face(), dlib_face[0])
    there = find(video_files.with_face(left=100), dlib_face[0] + [60, 0, 60, 0])
    inexact = find(video_files.with_face(), dlib_face[0] + 0.08 * side * np.array([1, -1, 1.5, -0.5]))
    assert np.abs(there - here - [60, 0]).max() < 0.05 * side
    assert np.linalg.norm(inexact - here, axis=1).mean() < 0.04 * side


def test_our_network_is_used_with_its_normalisations_folded_and_finds_the_same():
    used, trained = AnnyHeadsLandmarks()._network, LandmarkNetwork()
    trained.load_state_dict(load_file(registry.ANNYHEADS))
    assert not any(isinstance(module, nn.BatchNorm2d) for module in used.modules())
    picture = 2 * torch.rand(1, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0)) - 1
    with torch.no_grad():
        torch.testing.assert_close(used(picture), trained.eval()(picture), atol=1e-5, rtol=0)


def test_missing_weights_of_our_network_are_one_sentence(monkeypatch, tmp_path):
    missing = replace(registry.find("landmarks", "annyheads"), weights=tmp_path / "none.safetensors")
    monkeypatch.setattr(registry, "NETWORKS", (missing,))
    with pytest.raises(UserError, match="is missing or damaged; install the package again"):
        load("landmarks", "annyheads")


def test_mediapipe_sees_the_head_turn_with_the_picture(offered, dlib_face):
    from thedit.faces.mediapipe import Mesh
    from thedit.faces.mediapipe_pose import head_rotation

    picture = video_files.with_face()
    mesh = Mesh()
    straight = head_rotation(mesh(picture, dlib_face[0]), 320, 256)
    mirrored = head_rotation(mesh(picture[:, ::-1].copy(), dlib_face[0] * [-1, 1, -1, 1] + [320, 0, 320, 0]), 320, 256)
    mirror = np.diag([-1.0, 1, 1])
    apart = mirror @ mirrored @ mirror @ straight.T
    assert np.degrees(np.arccos((np.trace(apart) - 1) / 2)) < 6
    assert np.allclose(straight @ straight.T, np.eye(3)) and np.linalg.det(straight) > 0


@pytest.mark.parametrize("network", registry.NETWORKS, ids=lambda network: network.name)
def test_missing_weights_are_named(monkeypatch, tmp_path, network):
    monkeypatch.setenv("THEDIT_WEIGHTS", str(tmp_path))
    if network.weights in weights.REGISTRY:
        with pytest.raises(UserError, match=r"missing .*licence: .*thedit weights add"):
            network.load()
    else:  # its weights come with a package
        assert callable(network.load()) and network.licence


def test_a_name_is_one_network_everywhere():
    keys = [(network.role, network.name) for network in registry.NETWORKS]
    assert len(set(keys)) == len(keys)
    assert set(registry.names("detector")) == set(get_args(config.Detector))
    assert set(registry.names("landmarks")) == set(get_args(config.Landmarks))
    assert {registry.find("landmarks", name).model for name in registry.names("landmarks")} == set(CALIBRATED)
    with pytest.raises(UserError, match="landmarks: 'dlib' is no face network; there are dlib-68, annyheads"):
        registry.find("landmarks", "dlib")


def follow(frames: list[np.ndarray]) -> Tracker:
    landmarker = load("landmarks", "dlib-68")
    tracker = Tracker(load("detector", "dlib-hog"), landmarker, landmarker, 48)
    for number, pixels in enumerate(frames):
        tracker.add(Picture(number, number / 25, pixels))
    return tracker


def test_a_face_is_followed_through_fast_motion():
    lefts = [40, 40, 55, 80, 110, 130, 130, 90, 45, 20]
    (track,) = follow([video_files.with_face(left=left) for left in lefts]).tracks
    assert track.frames == list(range(10))
    centres = np.array([points.mean(0)[0] for points in track.landmarks])
    assert np.abs(centres - centres[0] - (np.array(lefts) - 40)).max() < 4


def test_a_face_that_leaves_is_not_followed_into_the_wall():
    tracker = follow([video_files.with_face()] * 3 + [video_files.wall()] * 3)
    assert [track.frames for track in tracker.tracks] == [[0, 1, 2]]


def test_when_two_tracks_show_one_face_the_older_goes_on():
    tracker = follow([video_files.with_face()])
    (older,) = tracker.tracks
    newer = copy.deepcopy(older)
    tracker.state = [older, newer], [0, 1], 1
    tracker.add(Picture(1, 1 / 25, video_files.with_face()))
    assert [track.frames for track in tracker.tracks] == [[0, 1], [0]]
    for track in tracker.tracks:
        assert len(track.landmarks) == len(track.pose_landmarks) == len(track.sharpness) == len(track.frames)


def test_the_box_of_landmarks_is_the_detectors(dlib_face):
    points = load("landmarks", "dlib-68")(video_files.with_face(), dlib_face[0])
    assert iou(box(points), dlib_face[0]) > 0.7


def test_a_cut_is_a_cut_and_motion_is_not():
    shots = Shots()
    calm = [shots(video_files.with_face(left=40 + 10 * n)) for n in range(8)]
    assert not any(calm)
    assert shots(255 - video_files.with_face(left=110))
    assert not shots(255 - video_files.with_face(left=112))
