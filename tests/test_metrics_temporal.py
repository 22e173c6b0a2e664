"""Expression tracking and flicker: what they see, what they leave out, and how rows of a pair come out."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from thedit.fitting.model import landmark_model
from thedit.heads.assets import BLENDSHAPES
from thedit.metrics import flicker, tracking
from thedit.metrics.measure import Measured
from thedit.metrics.pair import Pair
from thedit.metrics.temporal import flicker as flicker_rows
from thedit.metrics.temporal import followed

T = 12
OPEN = torch.linspace(0, 1, T).mul(6.0).sin().double()  # how far the mouth is open, in (-1, 1)


def face(mouth=OPEN, turn=0.0):
    """Landmarks (T, 68, 2), y downwards, of the mean head whose lips move apart; turned by degrees in the picture."""
    points = landmark_model().mean[:, :2].double() * torch.tensor([1.0, -1.0])
    points = points.repeat(len(mouth), 1, 1)
    points[:, 65:68, 1] += 0.01 * (mouth[:, None] + 1)
    angle = torch.deg2rad(torch.tensor(turn, dtype=torch.float64))
    rotation = torch.stack([angle.cos(), -angle.sin(), angle.sin(), angle.cos()]).view(2, 2)
    return points @ rotation.T


def test_openings_do_not_depend_on_place_size_and_roll():
    plain = tracking.openings(face())
    assert plain.shape == (T, len(tracking.STILL))
    assert (plain > 0).all()
    torch.testing.assert_close(tracking.openings(3 * face(turn=25.0) + 7), plain)


def test_the_brows_are_above_the_eyes_and_rise():
    points = face()
    points[1:, 17:27, 1] -= 0.01
    brows = tracking.openings(points)[:, list(tracking.STILL).index("brows")]
    assert brows[0] > 0 and (brows[1:] > brows[0]).all()


def test_shares_average_to_pearsons_correlation():
    random = torch.Generator().manual_seed(0)
    ours, theirs = torch.randn(2, T, 3, generator=random, dtype=torch.float64)
    found = tracking.correlation(ours, theirs).mean(0)
    wanted = [np.corrcoef(a, b)[0, 1] for a, b in zip(ours.T.numpy(), theirs.T.numpy())]
    np.testing.assert_allclose(found.numpy(), wanted)


def test_what_does_not_move_follows_nothing_and_frames_without_a_face_are_left_out():
    curve = OPEN[:, None]
    assert (tracking.correlation(torch.ones(T, 1), curve) == 0).all()
    torch.testing.assert_close(tracking.correlation(2 * curve + 1, curve).mean(), torch.tensor(1.0).double())
    hole = curve.clone()
    hole[3] = torch.nan
    shares = tracking.correlation(hole, curve)
    assert shares[3].isnan() and torch.isfinite(shares[[0, 1, 2, *range(4, T)]]).all()
    torch.testing.assert_close(shares.nanmean(), torch.tensor(1.0).double())
    assert tracking.correlation(curve[:2], curve[:2]).isnan().all()
    with pytest.raises(ValueError, match="two times"):
        tracking.correlation(curve, curve[:-1])


def test_truth_that_hardly_moves_is_told_apart():
    still = torch.tensor([0.1, 0.1])
    curves = torch.stack([OPEN, 0.01 * OPEN], dim=1)
    assert tracking.moves(curves, still).tolist() == [True, False]
    assert not tracking.moves(curves[:2], still).any()


def test_gaze_is_positive_to_the_persons_left_and_up():
    shapes = torch.zeros(3, 52)
    shapes[1, [BLENDSHAPES.index("eyeLookOutLeft"), BLENDSHAPES.index("eyeLookInRight")]] = 1
    shapes[2, [BLENDSHAPES.index("eyeLookUpLeft"), BLENDSHAPES.index("eyeLookUpRight")]] = 1
    assert tracking.gaze(shapes).tolist() == [[0, 0], [1, 0], [0, 1]]


def pair(predictions=None, drivers=None, targets=None, reasons=None):
    """A pair of T frames; only what `thedit.metrics.temporal` reads of it."""
    pictures = [np.full((8, 8, 3), frame, np.uint8) for frame in range(T)]
    empty = torch.zeros(T, 25)
    fields = (predictions or pictures, reasons or [""] * T, drivers or pictures, targets or pictures)
    return Pair(*fields, source=pictures[0], person=[], requested=empty, driving=empty)


def measured(points):
    nothing = np.empty(0)
    return [Measured(one.numpy(), one.numpy(), nothing, nothing, nothing) for one in points]


NETWORK = SimpleNamespace(name="marks", sha256="0" * 64)
SUITE = SimpleNamespace(tracking=NETWORK, blendshapes=None)


def values(rows):
    table = {}
    for row in rows:
        table.setdefault(row.variant, []).append(row.value)
    return {variant: np.array(one) for variant, one in table.items()}


def test_rows_of_a_pair():
    truth = measured(face())
    found = values(followed(pair(), SUITE, truth, truth, truth))
    assert found["mouth-height-correlation"].mean() == pytest.approx(1) and (found["error"] == 0).all()
    assert found["correlation"].mean() == pytest.approx(1)
    assert (found["moving"] == 1 / len(tracking.STILL)).all()  # the lips alone
    assert "brows-correlation" not in found and (found["brows-error"] == 0).all()
    still = values(followed(pair(), SUITE, measured(face(torch.zeros(T))), truth, truth))
    assert (still["mouth-height-correlation"] == 0).all() and still["mouth-height-error"].mean() > 0.01
    against = values(followed(pair(), SUITE, measured(face(-OPEN)), truth, [None] * T))
    assert against["mouth-height-correlation@driver"].mean() < -0.99
    assert not any("@driver" not in variant for variant in against)
    wider = face()
    wider[:, 48, 0] -= 0.01  # another person's mouth, wider all the time
    other = values(followed(pair(), SUITE, measured(wider), truth, [None] * T))
    assert other["mouth-width-error-centred@driver"].max() < 1e-12


def test_frames_without_a_face_say_why():
    truth = measured(face())
    blind = [Measured(np.full((68, 2), np.nan), np.full((68, 2), np.nan), *[np.empty(0)] * 3), *truth[1:]]
    made = [None, *pair().predictions[1:]]
    rows = list(followed(pair(made, reasons=["failed: no memory", *[""] * (T - 1)]), SUITE, blind, truth, truth))
    assert {row.reason for row in rows if row.frame == 0 and np.isnan(row.value)} == {"failed: no memory"}
    rows = list(followed(pair(), SUITE, truth, blind, blind))
    assert {row.reason for row in rows if np.isnan(row.value)} == {
        "no face found in the true picture",
        "no face found in the driver",
    }


def test_a_driver_that_holds_still_has_no_rows():
    frozen = pair(drivers=[np.zeros((8, 8, 3), np.uint8)] * T)
    truth = measured(face())
    assert not list(followed(frozen, SUITE, truth, truth, truth)) and not list(flicker_rows(frozen))


def clip(side=64):
    """Six pictures of smooth noise that moves two pixels to the right and one down a frame."""
    random = np.random.default_rng(0).integers(0, 256, (16, 16, 3)).astype(np.float32)
    large = torch.nn.functional.interpolate(
        torch.from_numpy(random).movedim(2, 0)[None], size=(128, 128), mode="bicubic", align_corners=False
    )[0].movedim(0, 2)
    whole = large.clamp(0, 255).round().to(torch.uint8).numpy()
    return [whole[32 - t : 32 - t + side, 32 - 2 * t : 32 - 2 * t + side] for t in range(6)]


def test_motion_finds_where_pixels_were():
    before, now = clip()[:2]
    moved = flicker.motion(before, now)
    assert moved.known.mean() > 0.9
    columns, rows = np.meshgrid(np.arange(64), np.arange(64))
    inner = moved.known.copy()
    inner[:4], inner[-4:], inner[:, :4], inner[:, -4:] = False, False, False, False
    error = np.abs(moved.place - np.stack([columns - 2, rows - 1], -1))[inner]
    assert np.median(error) < 0.2
    assert flicker.warping_error(before, now, moved) < 3


def test_flicker_is_seen_and_standing_still_is_no_way_out():
    truth = clip()
    bright = [(one * (1.0 if t % 2 else 0.8)).astype(np.uint8) for t, one in enumerate(truth)]
    means = {}
    for name, made in {"truth": truth, "flickers": bright, "stands still": [truth[0]] * 6}.items():
        found = values(flicker_rows(pair(made, drivers=truth, targets=truth)))
        means[name] = found["warping-excess"].mean()
        assert len(found["warping-error"]) == 5
    assert means["truth"] == 0 and means["flickers"] > 10 and means["stands still"] > 10
    missing = [truth[0], None, *truth[2:]]
    rows = list(flicker_rows(pair(missing, drivers=truth, targets=truth, reasons=["", "lost", *[""] * 4])))
    assert [(row.frame, row.reason) for row in rows if np.isnan(row.value)] == [(1, "lost")] * 2 + [(2, "lost")] * 2
    assert not list(flicker_rows(pair(truth, drivers=truth, targets=[None] * 6)))
    with pytest.raises(ValueError, match="one size"):
        flicker.warping_error(truth[0][:32], truth[1][:32], flicker.motion(*truth[:2]))
