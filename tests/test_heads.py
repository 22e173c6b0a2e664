"""AnnyHeads: assets, people, motion, pictures and their truth."""

import dataclasses

import numpy as np
import pytest
import torch

from thedit import camera
from thedit.errors import UserError
from thedit.heads import build, motion, people, scene
from thedit.heads.assets import BLENDSHAPES, LABELS, Assets, load
from thedit.heads.frames import Frames, read_maps, write_maps
from thedit.heads.renderer import Renderer

SIZE = 64


@pytest.fixture(scope="module")
def assets(asset_file) -> Assets:
    return load(asset_file)


@pytest.fixture(scope="module")
def renderer(assets: Assets) -> Renderer:
    return Renderer(assets, SIZE)


@pytest.fixture(scope="module")
def recorded(assets: Assets, renderer: Renderer):
    """A person, a motion, a scene, and what was rendered."""
    person = people.sample(assets, 0, 1, "test")[0]
    moves = motion.animate(np.random.default_rng(1), 2)
    place = scene.sample(np.random.default_rng(2))
    return person, moves, place, renderer.render(person, moves.expression, moves.camera, place, maps=SIZE)


def test_assets_follow_the_camera_convention(assets: Assets):
    centroid = assets.mean[assets.landmarks].mean(0)
    torch.testing.assert_close(centroid, torch.tensor(camera.PIVOT), atol=1e-6, rtol=0)
    points = assets.mean[assets.landmarks]
    assert points[16, 0] > 0 > points[0, 0], "the last jaw point is on the head's left, the world's +x"
    assert points[27, 1] > points[8, 1], "y points up"
    assert points[30, 2] == points[:, 2].max(), "the tip of the nose is nearest to a frontal camera"
    assert assets.blendshapes.shape == (len(BLENDSHAPES), *assets.mean.shape)


def test_identity_components_have_unit_deviation(assets: Assets):
    torch.testing.assert_close(assets.bank.std(0), torch.ones(assets.bank.shape[1]), atol=2e-2, rtol=0)
    shape = assets.vertices(assets.bank[:3], torch.zeros(3, 52))
    assert shape.shape == (3, *assets.mean.shape)
    shifts = shape[:, assets.landmarks].mean(1) - torch.tensor(camera.PIVOT)
    assert shifts.norm(dim=-1).max() < 2e-3, "identities do not move the head as a whole"


@pytest.mark.parametrize(
    ("blendshape", "landmark", "axis", "sign"),
    [("jawOpen", 8, 1, -1), ("mouthSmileLeft", 54, 1, 1), ("eyeBlinkRight", 37, 1, -1), ("browInnerUp", 21, 1, 1)],
)
def test_blendshapes_move_what_they_name(assets: Assets, blendshape: str, landmark: int, axis: int, sign: int):
    moved = assets.blendshapes[BLENDSHAPES.index(blendshape), assets.landmarks[landmark], axis]
    assert sign * moved > 0.002


def test_missing_assets_name_the_command(tmp_path):
    with pytest.raises(UserError, match="thedit heads assets"):
        load(tmp_path / "none.safetensors")
    (tmp_path / "broken.safetensors").write_bytes(b"no tensors")
    with pytest.raises(UserError, match="build it again"):
        load(tmp_path / "broken.safetensors")


def test_people_are_reproducible_and_splits_share_nobody(assets: Assets):
    train, test = people.sample(assets, 3, 20, "train"), people.sample(assets, 3, 20, "test")
    again = people.sample(assets, 3, 5, "train")
    assert [dataclasses.replace(p, identity=None) for p in again] == [
        dataclasses.replace(p, identity=None) for p in train[:5]
    ]
    codes = {person.identity.tobytes() for person in train + test}
    assert len(codes) == 40
    assert {p.identity.tobytes() for p in people.sample(assets, 4, 20, "train")} != codes
    with pytest.raises(UserError, match="test_people"):
        people.sample(assets, 0, 10_000, "test")


def test_motion_stays_in_range_and_in_the_picture(assets: Assets):
    moves = motion.animate(np.random.default_rng(5), 75)
    assert moves.expression.min() >= 0
    assert moves.expression.max() <= 1
    assert (moves.expression.amax(0) > 0.05).sum() > 15, "many blendshapes take part"
    rotation = camera.split(moves.camera)[0][:, :3, :3]
    torch.testing.assert_close(rotation @ rotation.transpose(1, 2), torch.eye(3).expand_as(rotation), atol=1e-5, rtol=0)
    points = assets.vertices(None, moves.expression)[:, assets.landmarks]
    projected = camera.project(points, moves.camera)
    assert projected.min() > 0
    assert projected.max() < 1
    same = motion.animate(np.random.default_rng(5), 75)
    assert torch.equal(moves.camera, same.camera)


def test_pictures_are_the_same_every_time(assets: Assets, recorded):
    person, moves, place, frames = recorded
    again = Renderer(assets, SIZE).render(person, moves.expression, moves.camera, place, maps=SIZE)
    for name, value in vars(frames).items():
        assert np.array_equal(value, getattr(again, name)), name


def test_a_frame_does_not_depend_on_its_neighbours(renderer: Renderer, recorded):
    person, moves, place, frames = recorded
    alone = renderer.render(person, moves.expression[1:], moves.camera[1:], place)
    assert np.array_equal(alone.image[0], frames.image[1])


def test_maps_agree_with_the_mesh(assets: Assets, recorded):
    person, moves, _, frames = recorded
    vertices = assets.vertices(torch.from_numpy(person.identity), moves.expression[0])
    head = (frames.triangle[0] >= 0) & (frames.mask[0] == LABELS["skin"])
    rows, columns = np.nonzero(head)
    corners = vertices[assets.triangles[torch.from_numpy(frames.triangle[0][head])].long()]  # (N, 3, 3)
    first_two = torch.from_numpy(frames.barycentric[0][head])
    weights = torch.cat([first_two, 1 - first_two.sum(1, keepdim=True)], 1)
    points = (corners * weights[..., None]).sum(1)
    face = points[:, 1] > -0.1  # the neck turns with the body
    pixels = torch.from_numpy(np.stack([columns, rows], -1)) + 0.5
    found = camera.project(points[None], moves.camera[:1])[0] * SIZE
    torch.testing.assert_close(found[face], pixels[face].float(), atol=0.02, rtol=0)
    centre = camera.split(moves.camera[0])[0][:3, 3]
    distance = (points - centre).norm(dim=-1)
    torch.testing.assert_close(distance[face], torch.from_numpy(frames.depth[0][head])[face], atol=1e-3, rtol=0)


def test_every_part_of_a_face_is_seen(renderer: Renderer, assets: Assets):
    person = dataclasses.replace(
        people.sample(assets, 0, 1, "train")[0], hair_style="side", beard="goatee", female=False
    )
    expression = torch.zeros(1, 52)
    expression[0, [BLENDSHAPES.index(name) for name in ("jawOpen", "mouthUpperUpLeft", "mouthUpperUpRight")]] = 0.6
    view = camera.join(camera.orbit(0.0, -5.0), camera.intrinsics(9.0))[None]
    seen = renderer.render(person, expression, view, scene.sample(np.random.default_rng(0)), maps=SIZE).mask
    missing = {name for name, label in LABELS.items() if not (seen == label).any()}
    assert missing <= {"background", "clothes", "tongue", "mouth", "lashes", "hair"}


def test_light_and_background_stay_in_the_room(renderer: Renderer, recorded):
    person, moves, place, frames = recorded
    expression, view = moves.expression[:1], moves.camera[:1]
    same = renderer.render(person, expression, view, place, recorded=view, window=torch.tensor([[0.0, 0.0, 1.0]]))
    assert np.array_equal(same.image, frames.image[:1])
    orbit = camera.join(camera.orbit(40.0, 0.0), camera.intrinsics(3.7))[None]
    fixed = renderer.render(person, expression, orbit, place, recorded=view).image
    carried = renderer.render(person, expression, orbit, place).image
    assert not np.array_equal(fixed, carried), "the light stays with the recording camera"


def test_stored_maps_come_back(recorded, tmp_path):
    frames: Frames = recorded[3]
    write_maps(tmp_path / "maps.arrow", frames)
    back = read_maps(tmp_path / "maps.arrow")
    assert np.array_equal(back.mask, frames.mask)
    assert np.array_equal(back.triangle, frames.triangle)
    np.testing.assert_allclose(back.depth, frames.depth, atol=1e-4)
    np.testing.assert_allclose(back.barycentric, frames.barycentric, atol=1 / 255)


def test_components_of_similar_size_do_not_depend_on_the_number_of_threads():
    random = np.random.default_rng(0).standard_normal((900, 512))
    people = np.linalg.qr(random)[0].T * np.linspace(1, 1.02, 512)[:, None]
    people = people.reshape(512, 300, 3).astype(np.float32)
    found = []
    for threads in (1, 2):
        before = torch.get_num_threads()
        torch.set_num_threads(threads)
        try:
            found.append(build._principal_components(people, np.ones(300, np.float32))[0].half())
        finally:
            torch.set_num_threads(before)
    assert (found[0].float() - found[1].float()).abs().max() < 2e-3 * found[0].float().abs().max()


def test_heads_turn_far_and_show_every_action():
    moves = [motion.animate(np.random.default_rng([7, clip]), 64) for clip in range(80)]
    angles = camera.angles(camera.split(torch.cat([one.camera[::4] for one in moves]))[0]).abs()
    assert (angles.amax(0) < torch.tensor([63.0, 32.0, 27.0])).all()
    assert ((angles < torch.tensor([30.0, 15.0, 12.5])).float().mean(0) > 0.6).all(), "most within half"
    assert 0.03 < (angles[:, 0] > 45).float().mean() < 0.2
    spread = torch.stack([camera.angles(camera.split(one.camera)[0])[:, 0] for one in moves])
    assert (spread.amax(1) - spread.amin(1)).max() > 70, "one clip has views far apart"
    strongest = torch.cat([one.expression for one in moves]).amax(0)
    assert {name for name, value in zip(BLENDSHAPES, strongest) if value < 0.35} == set()
    jaw, closed = (BLENDSHAPES.index(name) for name in ("jawOpen", "mouthClose"))
    assert all((one.expression[:, closed] <= 0.81 * one.expression[:, jaw]).all() for one in moves)
