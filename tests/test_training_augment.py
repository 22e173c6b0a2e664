"""Augmented training pairs stay true: labels follow the pictures, both frames of a pair change alike."""

from dataclasses import fields, replace

import torch

from thedit import camera
from thedit.heads.assets import BLENDSHAPES
from thedit.shards.batch import TrainBatch
from thedit.shards.synthetic import frames
from thedit.training.augment import MIRRORED_BLENDSHAPES, MIRRORED_LANDMARKS, augment, crop, mirror

POINTS = torch.rand(1, 10, 3, generator=torch.Generator().manual_seed(0)) - 0.5


def made_up(count=4, size=32, seed=0):
    batch = frames(count, size, seed)
    return replace(batch, landmarks=torch.rand(count, 68, 2, generator=torch.Generator().manual_seed(seed)))


def test_mirrored_twice_is_the_same():
    batch = made_up()
    again = mirror(mirror(batch))
    for field in fields(batch):
        torch.testing.assert_close(getattr(again, field.name), getattr(batch, field.name))


def test_mirrored_camera_sees_the_mirrored_point_on_the_other_side():
    batch = made_up()
    seen = camera.project(POINTS.expand(4, -1, -1), batch.camera)
    mirrored = camera.project(POINTS.expand(4, -1, -1) * torch.tensor([-1.0, 1.0, 1.0]), mirror(batch).camera)
    torch.testing.assert_close(mirrored[..., 0], 1 - seen[..., 0], atol=1e-5, rtol=0)
    torch.testing.assert_close(mirrored[..., 1], seen[..., 1], atol=1e-5, rtol=0)


def test_mirrored_labels_change_sides():
    assert BLENDSHAPES[MIRRORED_BLENDSHAPES[BLENDSHAPES.index("eyeBlinkLeft")]] == "eyeBlinkRight"
    assert MIRRORED_BLENDSHAPES[BLENDSHAPES.index("jawOpen")] == BLENDSHAPES.index("jawOpen")
    assert BLENDSHAPES[MIRRORED_BLENDSHAPES[BLENDSHAPES.index("jawLeft")]] == "jawRight"
    assert sorted(MIRRORED_LANDMARKS) == list(range(68))
    pairs = {
        0: 16,
        17: 26,
        31: 35,
        36: 45,
        37: 44,
        41: 46,
        48: 54,
        55: 59,
        60: 64,
        65: 67,
        8: 8,
        30: 30,
        51: 51,
        57: 57,
    }
    assert all(MIRRORED_LANDMARKS[a] == b and MIRRORED_LANDMARKS[b] == a for a, b in pairs.items())


def test_crop_moves_points_and_picture_alike():
    batch = made_up()
    box = torch.tensor([[0.25, 0.125, 0.5]]).expand(4, 3)
    cropped = crop(batch, box)
    seen = camera.project(POINTS.expand(4, -1, -1), batch.camera)
    moved = camera.project(POINTS.expand(4, -1, -1), cropped.camera)
    torch.testing.assert_close(moved, (seen - box[:, None, :2]) / 0.5, atol=1e-4, rtol=0)
    inside = batch.image[:, :, 4:20, 8:24]
    halved = torch.nn.functional.avg_pool2d(cropped.image, 2)
    assert (halved - inside).abs().mean() < 0.1 * (inside - inside.mean()).abs().mean()
    whole = crop(batch, torch.tensor([[0.0, 0.0, 1.0]]).expand(4, 3))
    torch.testing.assert_close(whole.image, batch.image, atol=1e-5, rtol=0)
    assert torch.equal(whole.parts, batch.parts)


def test_a_pair_changes_alike():
    batch = made_up()
    changed = augment(TrainBatch(batch, batch, batch, batch))
    assert torch.equal(changed.source.image, changed.target.image)
    assert torch.equal(changed.source.camera, changed.target.camera)
    assert (changed.source.image - changed.other.image).abs().max() > 0.1
    assert changed.source.image.abs().max() <= 1
