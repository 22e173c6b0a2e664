import torch

from thedit import camera


def test_orbit_and_angles_are_inverse():
    wanted = torch.tensor([[0.0, 0.0, 0.0], [40.0, -20.0, 15.0], [-75.0, 30.0, -40.0]])
    found = camera.angles(camera.orbit(wanted[:, 0], wanted[:, 1], wanted[:, 2]))
    torch.testing.assert_close(found, wanted, atol=1e-3, rtol=0)


def test_orbit_gives_proper_rotations_that_look_at_the_pivot():
    cam2world = camera.orbit(torch.tensor([10.0, -50.0]), torch.tensor([5.0, 25.0]), 30.0)
    rotation = cam2world[:, :3, :3]
    torch.testing.assert_close(rotation @ rotation.transpose(1, 2), torch.eye(3).expand(2, 3, 3), atol=1e-6, rtol=0)
    torch.testing.assert_close(torch.linalg.det(rotation), torch.ones(2))
    cameras = camera.join(cam2world, camera.intrinsics())
    pivot = torch.tensor(camera.PIVOT).expand(2, 1, 3)
    torch.testing.assert_close(camera.project(pivot, cameras), torch.full((2, 1, 2), 0.5), atol=1e-5, rtol=0)


def test_axes_of_a_frontal_camera():
    cameras = camera.join(camera.orbit(0.0, 0.0), camera.intrinsics())
    x, y = camera.project(torch.tensor([[0.1, 0.2, 0.2]]), cameras)[0]
    assert x > 0.5, "the world's +x is the picture's right"
    assert y < 0.5, "the world's +y is the picture's top"
    assert camera.orbit(30.0, 0.0)[0, 3] > 0, "positive yaw moves the camera to +x"
    assert camera.orbit(0.0, 30.0)[1, 3] > 0, "positive pitch moves the camera up"


def test_a_crop_projects_to_the_same_places():
    cameras = camera.join(camera.orbit(20.0, 10.0), camera.intrinsics(3.0))
    points = torch.randn(7, 3) * 0.2
    box = torch.tensor([0.2, 0.1, 0.6])
    expected = (camera.project(points, cameras) - box[:2]) / box[2]
    torch.testing.assert_close(camera.project(points, camera.crop(cameras, box)), expected, atol=1e-5, rtol=1e-5)


def test_rays_pass_through_the_points_that_project_to_their_pixels():
    cameras = camera.join(camera.orbit(-25.0, 15.0, 5.0), camera.intrinsics())[None]
    origins, directions = camera.rays(cameras, 8)
    pixels = camera.project(origins + 2.6 * directions, cameras).reshape(8, 8, 2)
    torch.testing.assert_close(pixels[2, 5], torch.tensor([5.5 / 8, 2.5 / 8]), atol=1e-5, rtol=0)


def test_rotation_error_is_exact_for_tiny_and_large_angles():
    still = camera.orbit(0.0, 0.0)
    for degrees in (1e-3, 1.0, 90.0, 179.0):
        turned = camera.orbit(torch.tensor(degrees), torch.tensor(0.0))
        assert abs(camera.rotation_error(still, turned).item() - degrees) < 1e-3


def test_mixed_precision_leaves_the_geometry_alone():
    cameras = camera.join(camera.orbit(torch.linspace(-20, 20, 4), 5.0), camera.intrinsics())
    points = torch.rand(4, 10, 3, generator=torch.Generator().manual_seed(0)) - 0.5
    exact = *camera.rays(cameras, 16), camera.project(points, cameras)
    with torch.autocast("cpu", torch.bfloat16):
        mixed = *camera.rays(cameras, 16), camera.project(points, cameras)
    for value, wanted in zip(mixed, exact):
        assert torch.equal(value, wanted)
