"""The benchmark of the metrics, the probes and the measurements inside a model, on data whose answer is known."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from thedit import camera
from thedit.evaluation import probes
from thedit.evaluation.structure import Frame, correspondence, to_model
from thedit.fitting.model import landmark_model
from thedit.metrics import tables
from thedit.metrics.suite import Suite
from thedit.metrics.validity import Sample, validity


def sample(noise, seed=0):
    """Four people, two clips each, twelve frames a clip; ``noise`` is that of the measurements."""
    rng = np.random.default_rng(seed)
    person = np.repeat([f"p{number}" for number in range(4)], 24)
    clip = np.array([f"{name}/{number % 24 // 12}" for number, name in enumerate(person)])
    yaw, pitch = (torch.from_numpy(rng.uniform(-limit, limit, 96)).float() for limit in (50, 15))
    true = camera.join(camera.orbit(yaw, pitch), camera.intrinsics())
    found = camera.join(camera.orbit(yaw + noise * 10, pitch), camera.intrinsics())
    expression = rng.uniform(0, 1, (96, 52)) * (rng.random((96, 52)) < 0.2)
    measured = expression + noise * rng.normal(0, 1, (96, 52))
    people = {name: rng.normal(0, 1, 8) for name in np.unique(person)}
    embedding = np.stack([people[name] for name in person]) + noise * rng.normal(0, 4, (96, 8))
    return Sample(person, clip, embedding, found.numpy(), measured, np.empty((96, 0)), true.numpy(), expression)


SUITE = Suite(
    "fake", *(SimpleNamespace(name=role, sha256="0", model=landmark_model()) for role in ("d", "l", "t", "e", "p", "f"))
)


def pick(table, metric, statistic, group, variant=None):
    rows = table[(table["metric"] == metric) & (table["statistic"] == statistic) & (table["group"] == group)]
    return float(rows[rows["variant"] == variant]["value"].iloc[0] if variant else rows["value"].iloc[0])


def test_perfect_measurements_are_perfectly_valid_and_noise_costs(tmp_path):
    perfect, noisy = validity(sample(0.0), SUITE), validity(sample(0.3), SUITE)
    for group in ("one person", "two people"):
        for variant in ("mean-absolute", "l2", "landmarks-mm", "landmarks-mm-centred", "openings-mm-centred"):
            assert pick(perfect, "aed", "spearman", group, variant) == pytest.approx(1, abs=1e-6)
            assert pick(noisy, "aed", "spearman", group, variant) < 0.9
    assert pick(perfect, "pose", "median", "yaw 0 to 90") < 0.05
    assert pick(noisy, "pose", "median", "yaw 0 to 90") == pytest.approx(3, abs=0.2)
    assert pick(perfect, "csim", "auc", "yaw 0 to 90") == 1
    assert pick(perfect, "csim", "tar at far 1 %", "yaw 0 to 30") == 1
    assert pick(noisy, "csim", "auc", "yaw 0 to 90") < 1
    stamp = {"dataset": "fake", "config_hash": "c", "code_version": "v"}
    tables.write(perfect.assign(**stamp), tables.VALIDITY, tmp_path / "validity.parquet")


def test_the_plot_shows_what_the_table_says():
    from thedit.report.figures.validity import BINS, draw

    table = validity(sample(0.3), SUITE)
    pose, identity, expression = draw(table).axes
    seen = [group for group in BINS if group in set(table["group"])]
    medians = [pick(table, "pose", "median", group, "geodesic-degrees") for group in seen]
    assert pose.lines[0].get_ydata().tolist() == medians
    assert [line.get_label() for line in identity.lines[:2]] == ["auc", "tar at far 1 %"]
    assert len(expression.patches) == 2 * len(expression.get_yticklabels())


def test_frames_without_a_face_are_counted():
    whole = sample(0.1)
    blind = whole.camera.copy()
    blind[:24] = np.nan
    table = validity(Sample(whole.person, whole.clip, whole.embedding, blind, *list(vars(whole).values())[4:]), SUITE)
    assert pick(table, "detection", "found", "all") == 0.75


def test_probes_find_what_is_there_and_nothing_else():
    rng = np.random.default_rng(0)
    person = np.repeat(np.array(["a", "b", "c", "d"]), 40)
    clip = np.array([str(number % 2) for number in range(160)])
    wanted = rng.normal(size=(160, 3))
    identity = np.stack([np.eye(4)["abcd".index(name)] for name in person]) + rng.normal(0, 0.05, (160, 4))
    motion = wanted @ rng.normal(size=(3, 6)) + rng.normal(0, 0.05, (160, 6))
    assert probes.identity_accuracy(identity, person, clip) == 1
    assert probes.identity_accuracy(motion, person, clip) < 0.5
    assert probes.explained_variance(motion, wanted, person) > 0.7
    assert probes.explained_variance(identity, wanted, person) < 0.1
    assert np.isnan(probes.identity_accuracy(identity, person, np.full(160, "0")))
    assert np.isnan(probes.explained_variance(motion, wanted, np.full(160, "a")))


def test_planes_that_know_the_surface_find_it():
    generator = torch.Generator().manual_seed(0)
    places = torch.rand(60, 3, generator=generator) - 0.5
    moved = places + 0.05 * torch.randn(60, 3, generator=generator)
    ramp = (torch.arange(64) + 0.5) / 64 - 0.5  # planes whose features are the coordinates themselves
    planes = torch.zeros(1, 3, 3, 64, 64)
    for plane, axes in enumerate(((0, 1), (0, 2), (1, 2))):
        planes[0, plane, axes[0]] = ramp[None, :]
        planes[0, plane, axes[1]] = ramp[:, None]
    inside = places.clamp(-0.49, 0.49)
    first, second = Frame(0, "a", planes, inside, inside), Frame(1, "b", planes, moved, inside)
    errors = correspondence(first, second)
    assert errors["model"].max() == 0 and errors["position"].max() == 0
    assert errors["chance"].mean() > 100
    assert (errors["bound"] > 0).all()


def test_true_points_are_seen_where_the_true_camera_sees_them():
    points = torch.tensor(camera.PIVOT) + 0.1 * torch.randn(50, 3, generator=torch.Generator().manual_seed(0))
    true = camera.join(camera.orbit(20.0, -5.0), camera.intrinsics())
    assert torch.allclose(to_model(points, true, true), points, atol=1e-5)
    longer = camera.join(camera.orbit(20.0, -5.0, radius=5.4), camera.intrinsics(2 * camera.FOCAL))
    seen, wanted = camera.project(to_model(points, true, longer), longer), camera.project(points, true)
    assert (seen - wanted).abs().median() < 0.003  # all but the perspective of a lens that nobody knows
