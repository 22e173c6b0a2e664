"""Faces that would be read wrongly: the next look at a turned one mends it, others get a sentence."""

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from tests import video_files
from tests.test_reenact import folder as folder
from tests.test_reenact import request
from tests.test_reenact import weights as weights
from tests.test_reenact_options import spy as spy
from thedit import camera
from thedit.config import Preprocess
from thedit.errors import UserError
from thedit.faces.registry import find
from thedit.heads import assets, people, scene
from thedit.heads.renderer import Renderer
from thedit.reenact import consistency, faces, pipeline
from thedit.video import pose
from thedit.video.boxes import box
from thedit.video.track import settled


@pytest.fixture(scope="module")
def landmarker():
    return find("landmarks", "annyheads").load()


@pytest.fixture(scope="module")
def portrait(landmarker):
    """A picture with room around the face, to be turned, and the face's landmarks."""
    picture = cv2.copyMakeBorder(video_files.portrait(), *[40] * 4, cv2.BORDER_REPLICATE)
    face = find("detector", "dlib-hog").load()(picture, 48.0)[0]
    return picture, settled(landmarker, picture, face)


def turned(portrait, degrees):
    """The picture turned about its centre, and the landmarks with it."""
    picture, landmarks = portrait
    middle = len(picture) / 2
    matrix = cv2.getRotationMatrix2D((middle, middle), degrees, 1)
    pixels = cv2.warpAffine(picture, matrix, picture.shape[:2], borderMode=cv2.BORDER_REPLICATE)
    return pixels, landmarks @ matrix[:, :2].T + matrix[:, 2]


@pytest.mark.parametrize("degrees", [0, 20, -20, 30, -30])
def test_upright_faces_are_not_doubted(portrait, landmarker, degrees):
    assert consistency.doubt(*turned(portrait, degrees), landmarker) == ""


@pytest.mark.parametrize("degrees", [70, -70, 90, -90, 180])
def test_faces_that_are_not_upright_are_doubted(portrait, landmarker, degrees):
    assert consistency.doubt(*turned(portrait, degrees), landmarker).startswith("the face cannot be read")


def test_a_head_on_its_side_is_refused(folder, weights, tmp_path, spy, portrait, monkeypatch):
    pixels, landmarks = turned(portrait, 90)
    Image.fromarray(pixels).save(tmp_path / "side.png")
    network = faces.network
    found = lambda role, name: (lambda *_: box(landmarks)[None]) if role == "detector" else network(role, name)  # noqa: E731
    monkeypatch.setattr(faces, "network", found)
    with pytest.raises(UserError, match=r"side\.png: the face cannot be read: it is not upright"):
        pipeline.reenact(request(folder, weights, tmp_path / "out.mp4", sources=[tmp_path / "side.png"]))


def test_a_turned_head_is_read_whatever_box_the_detector_draws(asset_file, landmarker):
    heads = assets.load(asset_file)
    person = people.sample(heads, 0, 1, "test")[0]
    view = camera.join(camera.orbit(50.0, 0.0), camera.intrinsics())[None]
    expression = torch.zeros(1, 52)
    picture = (
        Renderer(heads, 256).render(person, expression, view, scene.sample(np.random.default_rng(0)), maps=64).image[0]
    )
    vertices = heads.vertices(torch.from_numpy(person.identity).float(), expression)
    truth = 256 * camera.project(vertices[:, heads.landmarks], view)[0].numpy()
    low, high = truth.min(0), truth.max(0)
    tight = np.concatenate([low - (0, 0.35 * (high[1] - low[1])), high])  # as yunet draws it, with the forehead

    def yaw(points):
        settings = Preprocess(landmarks="annyheads")
        cameras = pose.fit(points[None], points[None], np.zeros(1, int), 25.0, 256, 256, settings).cameras
        return float(camera.angles(camera.split(torch.from_numpy(cameras))[0])[0, 0])

    assert yaw(settled(landmarker, picture, tight)) == pytest.approx(50, abs=5)
    assert yaw(landmarker(picture, tight)) < 42
