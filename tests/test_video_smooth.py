import numpy as np
import torch

from thedit import camera
from thedit.video.smooth import FACE, frame_rate, smooth, smooth_poses


def test_smoothing_does_not_lag_and_keeps_parabolas():
    frames = np.arange(40)
    motion = 0.01 * (frames - 13.0) ** 2
    assert np.allclose(smooth(motion, frames, 25, FACE), motion)
    peak = np.exp(-(((frames - 20) / 4) ** 2))
    assert smooth(peak, frames, 25, FACE).argmax() == 20


def test_noise_shrinks():
    random = np.random.default_rng(0)
    noise = random.standard_normal((500, 68, 2))
    assert smooth(noise, np.arange(500), 25, FACE).std() < 0.62 * noise.std()


def test_nothing_is_smoothed_across_a_gap_and_short_runs_stay():
    frames = np.array([*range(10), *range(50, 60), 80, 81])
    values = np.where(frames < 40, 0.0, np.where(frames < 70, 1.0, 5.0)) + 0.0
    values[-1] = 7
    assert np.allclose(smooth(values, frames, 25, FACE), values)


def test_smoothed_poses_are_rotations_about_the_same_head():
    random = torch.Generator().manual_seed(0)
    yaw = torch.linspace(-30, 30, 60)
    noisy = camera.orbit(yaw + torch.randn(60, generator=random), torch.randn(60, generator=random))
    true = camera.orbit(yaw, torch.zeros(60))
    pivot = np.array(camera.PIVOT)
    steady = torch.from_numpy(smooth_poses(noisy.numpy(), np.arange(60), 25, pivot))
    rotation = steady[:, :3, :3]
    assert torch.allclose(rotation @ rotation.mT, torch.eye(3).expand(60, 3, 3), atol=1e-5)
    assert np.allclose(np.linalg.norm(steady[:, :3, 3].numpy() - pivot, axis=1), camera.RADIUS, atol=1e-4)
    assert camera.rotation_error(steady, true).mean() < 0.6 * camera.rotation_error(noisy, true).mean()


def test_the_window_is_measured_in_seconds():
    noise = np.random.default_rng(0).standard_normal((200, 2))
    frames = np.arange(200)
    assert smooth(noise, frames, 50, FACE).std() < 0.9 * smooth(noise, frames, 25, FACE).std()
    assert np.array_equal(smooth(noise, frames, 25 / 4, FACE), noise), "the neighbours are too far away in time"
    assert frame_rate({0: 0.0, 2: 0.1, 4: 0.16}) == 25
    assert frame_rate({7: 0.28}) == 0
