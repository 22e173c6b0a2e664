"""What a driver's motion is read from, and what is kept out of it."""

from dataclasses import replace

import torch

from thedit.methods import view
from thedit.methods.planedict import shared
from thedit.shards.batch import PARTS
from thedit.shards.synthetic import frames


def face_frames():
    """Two frames whose face is an upright square, with landmarks at its corners."""
    batch = frames(2, 64)
    parts = torch.zeros_like(batch.parts)
    parts[0, :, 16:48, 16:48] = PARTS["face"]
    parts[1, :, 8:24, 32:48] = PARTS["mouth"]
    landmarks = torch.zeros(2, 68, 2)
    landmarks[0, :34], landmarks[0, 34:] = torch.tensor([0.25, 0.25]), torch.tensor([0.75, 0.75])
    landmarks[1, :34], landmarks[1, 34:] = torch.tensor([0.5, 0.125]), torch.tensor([0.75, 0.375])
    return replace(batch, parts=parts, landmarks=landmarks)


def test_a_face_view_shows_nothing_but_the_face():
    batch = face_frames()
    inside = batch.parts > 0
    other = replace(batch, image=torch.where(inside, batch.image, -batch.image))
    assert torch.equal(view.face(batch), view.face(other))
    assert not torch.equal(view.face(batch), view.face(replace(batch, image=-batch.image)))


def test_a_face_fills_its_view():
    white = replace(face_frames(), image=torch.ones(2, 3, 64, 64))
    seen = view.face(white)
    share = (1 / view.MARGIN) ** 2
    torch.testing.assert_close(seen.mean((1, 2, 3)), torch.full((2,), share), atol=0.02, rtol=0)
    assert (seen[:, :, 32, 32] == 1).all() and (seen[:, :, 0] == 0).all()


def test_a_cut_of_everything_is_the_picture():
    image = frames(2, 32).image
    torch.testing.assert_close(view.cut(image, torch.tensor([[0.0, 0.0, 1.0]] * 2)), image, atol=1e-5, rtol=0)


def test_shared_motion_is_the_share_of_variance_between_people():
    torch.manual_seed(0)
    person, first, second = torch.randn(3, 20000, 4).unbind()
    assert abs(shared(first, second)) < 0.02
    assert abs(shared(person, person) - 1) < 1e-5
    assert abs(shared(person + first, person + second) - 0.5) < 0.02
