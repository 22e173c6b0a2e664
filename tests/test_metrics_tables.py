"""From predictions to the table: scores, aggregates, comparisons, failures, determinism."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from thedit import camera
from thedit.errors import UserError
from thedit.files import sha256
from thedit.fitting.model import landmark_model
from thedit.metrics import aggregate, statistics, tables
from thedit.metrics.measure import Measured, Measurer
from thedit.metrics.scale import DIFFERENT, SAME, on_scale, scale
from thedit.metrics.scoring import TrueFrames, score
from thedit.metrics.suite import Suite
from thedit.metrics.text import readable
from thedit.metrics.views import views
from thedit.shards.batch import PARTS

VIEW = camera.join(camera.orbit(0.0, 0.0), camera.intrinsics())
STAMP = {"seed": 0, "config_hash": "c", "code_version": "v", "packages": "{}", "device": "d"}


class FakeNetworks:
    """Stands for all networks: a picture's first pixel tells what they see (0: no face)."""

    name, sha256, size, metric, model = "fake", "0" * 64, 3, "perceptual", landmark_model()

    def detect(self, picture):
        return np.array([0.0, 0, 1, 1]) if picture[0, 0, 0] else None

    def landmarks(self, picture, box):
        points = camera.project(landmark_model().mean.float(), VIEW)
        return points.numpy().astype(np.float64) * 256 + np.outer(np.arange(68) % 3 - 1, [picture[0, 0, 1] / 32, 0])

    def embed(self, picture, landmarks):
        return np.array([1.0, picture[0, 0, 0], picture[0, 0, 1]])

    def features(self, pictures):
        return pictures[:, :, 0, :2].flatten(1)

    def distance(self, prediction, target):
        return (prediction - target).abs().mean((1, 2, 3)).double()


class FakeStore:
    """Three people with one clip of five frames each."""

    def __init__(self):
        rng = np.random.default_rng(0)
        self._pictures = rng.integers(90, 160, (15, 16, 16, 3), dtype=np.uint8)
        people = np.repeat(["a", "b", "c"], 5)
        self.index = pd.DataFrame({"person": people, "clip": "0", "split": "test", "frame": list(range(5)) * 3})

    def picture(self, row, name="image"):
        if name == "parts":
            return np.where(np.arange(16) < 8, PARTS["mouth"], PARTS["face"]) * np.ones((16, 1), int)
        return self._pictures[row]

    def column(self, name):
        assert name == "camera"
        return VIEW.expand(15, 25).numpy()


def measurer():
    network = FakeNetworks()
    return Measurer(Suite("fake", *[network] * 6))


def protocol():
    rows = []
    for number, person in enumerate("abc"):
        for frame in range(4):
            row = {"protocol": "self", "pair": f"{person}-0", "frame": frame, "source_row": 5 * number}
            row |= {"source_id": f"{person}/0", "driver_row": 5 * number + frame + 1, "driver_id": f"{person}/0"}
            rows.append(row | {"camera": VIEW.numpy(), "target": "driver"})
    return pd.DataFrame(rows)


def predict(folder, store, seed, failed=()):
    """Noisy copies of the drivers; the frames ``failed`` of every pair are not delivered."""
    rng = np.random.default_rng(seed)
    made = []
    for row in protocol().itertuples():
        picture = store.picture(row.driver_row).astype(int) + rng.integers(-9, 10, (16, 16, 3))
        path = folder / row.pair / f"{row.frame:04d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture.clip(1, 255).astype(np.uint8)).save(path)
        ok = row.frame not in failed
        made.append(
            {
                "pair": row.pair,
                "frame": row.frame,
                "status": "ok" if ok else "failed",
                "reason": "" if ok else "ran out of luck",
                "sha256": sha256(path) if ok else "",
            }
        )
    pd.DataFrame(made).to_parquet(folder / "predictions.parquet")


def scores(tmp_path, method="one", seed=1, failed=(), shuffle=False):
    store, folder = FakeStore(), tmp_path / method
    predict(folder, store, seed, failed)
    labels = {"method": method, "method_version": "1", "dataset": "fake", "protocol": "self"}
    pairs = protocol().sample(frac=1, random_state=3) if shuffle else protocol()
    return score(pairs, folder, store, measurer(), None, labels)


def table_of(rows):
    return aggregate.metrics(aggregate.frames(rows), aggregate.distances(rows), resamples=200, seed=0).assign(**STAMP)


def pick(table, metric, variant, method="one"):
    (row,) = table[
        (table["metric"] == metric) & (table["variant"] == variant) & (table["method"] == method)
    ].itertuples()
    return row


def test_scores_and_aggregates_follow_their_schemas(tmp_path):
    rows = scores(tmp_path)
    tables.write(rows, tables.SCORES, tmp_path / "scores.parquet")
    rows = tables.read(tmp_path / "scores.parquet", tables.SCORES)
    tables.write(aggregate.frames(rows), tables.FRAMES, tmp_path / "frames.parquet")
    tables.write(table_of(rows), tables.METRICS, tmp_path / "metrics.parquet")
    table = tables.read(tmp_path / "metrics.parquet", tables.METRICS)
    assert pick(table, "psnr", "target").n == 12
    assert 20 < pick(table, "psnr", "target").value < 40
    assert pick(table, "frechet", "driver").n == pick(table, "frechet", "driver").n_reference == 12
    text = readable(table)
    assert "PSNR" in text and max(map(len, text.splitlines())) <= 80


def test_two_runs_give_the_same_bytes_and_the_order_of_rows_does_not_matter(tmp_path):
    for name, shuffle in (("first", False), ("second", True)):
        folder = tmp_path / name
        rows = scores(folder, shuffle=shuffle)
        tables.write(rows, tables.SCORES, folder / "scores.parquet")
        shuffled = rows.sample(frac=1, random_state=1) if shuffle else rows
        tables.write(aggregate.frames(shuffled), tables.FRAMES, folder / "frames.parquet")
        tables.write(table_of(shuffled), tables.METRICS, folder / "metrics.parquet")
    for file in ("scores", "frames", "metrics"):
        first, second = (tmp_path / name / f"{file}.parquet" for name in ("first", "second"))
        assert first.read_bytes() == second.read_bytes(), file


def test_frames_without_a_face_and_frames_not_delivered_are_failures_never_zeros(tmp_path):
    rows = scores(tmp_path, failed=(2,))
    table = table_of(rows)
    for metric, variant in (("psnr", "target"), ("csim", "source"), ("apd", "geodesic-degrees")):
        row = pick(table, metric, variant)
        assert (row.n, row.n_failed) == (9, 3)
    lost = rows[(rows["frame"] == 2) & (rows["metric"] != tables.FEATURES)]
    assert lost["value"].isna().all() and not lost["valid"].any()
    assert lost["reason"].str.contains("ran out of luck").all()
    blind = measurer()
    black = blind(np.zeros((16, 16, 3), np.uint8))
    assert not black.found and np.isnan(black.embedding).all()


def test_identical_frames_are_counted_apart_and_hide_no_mean(tmp_path):
    rows = scores(tmp_path)
    chosen = (rows["metric"] == "psnr") & (rows["variant"] == "target")
    first = rows.index[chosen & (rows["frame"] == 0)]
    others = rows.loc[chosen & (rows["frame"] != 0), "value"]
    rows.loc[first, "value"] = np.inf
    table = aggregate.metrics(aggregate.frames(rows), aggregate.distances(rows), 100, 0)
    named = table[table["metric"] == "psnr"].set_index("variant")
    psnr, alike = named.loc[["target"]], named.loc[["target-identical"]]
    assert psnr["value"].item() == pytest.approx(others.mean()) and np.isfinite(psnr["ci_high"].item())
    assert psnr["n"].item() == len(others)
    assert (alike["value"].item(), alike["n"].item()) == (0.25, len(others) + len(first))
    assert f"{len(first)} identical" in readable(table)
    rows.loc[chosen, "value"] = np.inf  # all are: the mean hides nothing
    table = aggregate.metrics(aggregate.frames(rows), aggregate.distances(rows), 100, 0)
    assert table.loc[(table["metric"] == "psnr") & (table["variant"] == "target"), "value"].item() == np.inf
    assert "target-identical" not in set(table["variant"])


def test_distances_between_sets_compare_methods_at_equal_n(tmp_path):
    rows = pd.concat([scores(tmp_path, "one", 1), scores(tmp_path, "two", 2, failed=(0, 1))])
    table = table_of(rows)
    for method, failed in (("one", 0), ("two", 6)):
        row = pick(table, "frechet", "driver", method)
        assert (row.n, row.n_failed) == (6, failed)


def test_methods_scored_on_other_frames_are_refused(tmp_path):
    one, two = scores(tmp_path, "one", 1), scores(tmp_path, "two", 2)
    with pytest.raises(UserError, match=r"two was scored on 8 frames, others on 12"):
        table_of(pd.concat([one, two[two["pair"] != "a-0"]]))


def test_a_picture_that_was_exchanged_is_refused(tmp_path):
    store, folder = FakeStore(), tmp_path / "one"
    predict(folder, store, 1)
    Image.fromarray(np.zeros((16, 16, 3), np.uint8)).save(folder / "a-0" / "0001.png")
    labels = {"method": "one", "method_version": "1", "dataset": "fake", "protocol": "self"}
    with pytest.raises(UserError, match=r"0001\.png: is not the picture that was written"):
        score(protocol(), folder, store, measurer(), None, labels)


def test_a_method_that_cannot_do_a_protocol_has_no_rows(tmp_path):
    store, folder = FakeStore(), tmp_path / "one"
    predict(folder, store, 1)
    made = pd.read_parquet(folder / "predictions.parquet").assign(status="not applicable", reason="no camera control")
    made.to_parquet(folder / "predictions.parquet")
    labels = {"method": "one", "method_version": "1", "dataset": "fake", "protocol": "self"}
    rows = score(protocol(), folder, store, measurer(), None, labels)
    tables.write(rows, tables.SCORES, tmp_path / "scores.parquet")
    assert len(tables.read(tmp_path / "scores.parquet", tables.SCORES)) == 0


def test_comparisons_are_paired(tmp_path):
    rows = pd.concat([scores(tmp_path, "one", 1), scores(tmp_path, "two", 2, failed=(0,))])
    frames = aggregate.frames(rows)
    table = aggregate.comparisons(frames, "one", resamples=200, seed=0).assign(**STAMP)
    row = pick(table, "psnr", "target", "two")
    chosen = (frames["metric"] == "psnr") & (frames["variant"] == "target")
    shared = frames[chosen & (frames["frame"] != 0)].groupby("method")["value"].mean()
    assert row.n == 9
    assert row.difference == pytest.approx(shared["two"] - shared["one"])
    assert row.ci_low <= row.difference <= row.ci_high
    tables.write(table, tables.COMPARISONS, tmp_path / "comparisons.parquet")


def test_a_region_is_scored_alone(tmp_path):
    store = FakeStore()
    predict(tmp_path / "one", store, 1)
    labels = {"method": "one", "method_version": "1", "dataset": "fake", "protocol": "self"}
    top = np.arange(16)[:, None] < 8

    def truth(rows):
        return TrueFrames([store.picture(row) for row in rows["driver_row"]], [top * np.ones(16, bool)] * len(rows))

    rows = score(protocol(), tmp_path / "one", store, measurer(), truth, labels)
    values = rows[(rows["pair"] == "b-0") & (rows["frame"] == 2) & (rows["metric"] == "psnr")]
    values = values.set_index("variant")["value"]
    made = np.array(Image.open(tmp_path / "one/b-0/0002.png")).astype(float)
    error = (made - store.picture(8)) ** 2
    assert values["target-head"] == pytest.approx(10 * np.log10(255**2 / error[:8].mean()))
    assert values["target-parts"] == pytest.approx(10 * np.log10(255**2 / error[:, :8].mean()))
    assert values["target"] == pytest.approx(10 * np.log10(255**2 / error.mean()))
    without = score(protocol(), tmp_path / "one", store, measurer(), None, labels)
    assert set(without.loc[without["metric"] == "psnr", "variant"]) == {"target", "target-parts"}
    cross = protocol().assign(target="truth")
    crossed = score(cross, tmp_path / "one", store, measurer(), truth, labels)
    assert set(crossed.loc[crossed["metric"] == "psnr", "variant"]) == {"target", "target-head"}
    unknown = score(protocol().assign(target="none"), tmp_path / "one", store, measurer(), truth, labels)
    assert "psnr" not in set(unknown["metric"])


def fake_people(clips, blind=()):
    """Three people with eight pictures each over ``clips``, a measurer of known unit vectors, and their angles."""
    person, clip = np.repeat(["a", "b", "c"], 8), np.tile(np.repeat([0, 1], 4), 3) * (clips - 1)
    index = pd.DataFrame({"person": person, "clip": clip.astype(str), "split": "test"})
    angles = np.repeat([0.0, 1.0, 2.5], 8) + 0.2 * np.tile(np.repeat([0, 1], 4), 3)

    def measure(row):
        vector = np.array([np.cos(angles[row]), np.sin(angles[row])])
        return SimpleNamespace(found=row not in blind, embedding=np.full(2, np.nan) if row in blind else vector)

    measure.suite = SimpleNamespace(embedding=SimpleNamespace(name="fake", sha256="0" * 64))
    return SimpleNamespace(index=index, picture=lambda row: row), measure, angles


def test_the_scale_compares_clips_of_one_person_and_pictures_of_two(tmp_path):
    store, measure, angles = fake_people(clips=2, blind=[0])
    table = scale(store, measure)
    tables.write(table, tables.SCALE, tmp_path / "scale.parquet")
    rows = table.set_index("group")
    apart = [np.cos(angles[i] - angles[j]) for i in range(1, 24) for j in range(i + 1, 24) if i // 8 != j // 8]
    assert rows.loc[SAME, "value"] == pytest.approx(np.cos(0.2))  # frames of one clip would have 1
    assert rows.loc[DIFFERENT, "value"] == pytest.approx(np.mean(apart))
    assert list(rows.loc[[SAME, DIFFERENT], "n"]) == [3 * 4 + 2 * 16, len(apart)]
    assert set(table["n_failed"]) == {1} and set(table["n_people"]) == {3}
    assert rows.loc[DIFFERENT, "ci_low"] < rows.loc[DIFFERENT, "value"] < rows.loc[DIFFERENT, "ci_high"]
    single = scale(*fake_people(clips=1)[:2]).set_index("group")
    assert np.isnan(single.loc[SAME, "value"]) and single.loc[SAME, "n"] == 0


def test_csim_on_the_scale_is_a_row_of_its_own(tmp_path):
    rows = scores(tmp_path, failed=(2,))
    ends = pd.DataFrame({"backend": "fake", "group": [SAME, DIFFERENT], "value": [0.9, 0.5]})
    frames = aggregate.frames(rows)
    table = aggregate.metrics(on_scale(frames, ends), aggregate.distances(rows), resamples=200, seed=0)
    plain, scaled = (pick(table, "csim", variant) for variant in ("source", "source-rescaled"))
    for name in ("value", "ci_low", "ci_high"):
        assert getattr(scaled, name) == pytest.approx((getattr(plain, name) - 0.5) / 0.4)
    assert (scaled.n, scaled.n_failed) == (plain.n, plain.n_failed) == (9, 3)
    for useless in (ends.assign(value=[0.5, 0.9]), ends.assign(value=np.nan), ends.assign(backend="other"), ends[:1]):
        pd.testing.assert_frame_equal(on_scale(frames, useless), frames)


def test_views_are_told_apart_by_yaw_and_compared_with_the_front(tmp_path):
    frames = aggregate.frames(scores(tmp_path, failed=(3,)))
    yaw, pitch = [0.0, -29.0, 31.0, 45.0], [0.0, 0.0, 0.0, 20.0]
    pairs = protocol()[["protocol", "pair", "frame"]].assign(yaw=yaw * 3, pitch=pitch * 3)
    table = views(frames, pairs, resamples=200, seed=0)
    tables.write(table.assign(**STAMP), tables.VIEWS, tmp_path / "views.parquet")
    psnr = table[(table["metric"] == "psnr") & (table["variant"] == "target")].set_index("yaw")
    assert list(psnr.index) == [0, 30]  # the view from above is left out
    values = frames[(frames["metric"] == "psnr") & (frames["variant"] == "target")].set_index("frame")["value"]
    assert psnr.loc[30, "value"] == pytest.approx(values[[1, 2]].mean())
    assert psnr.loc[30, "change"] == pytest.approx(values[[1, 2]].mean() - values[0].mean())
    assert psnr.loc[30, "change_low"] <= psnr.loc[30, "change"] <= psnr.loc[30, "change_high"]
    assert psnr.loc[0, ["change", "change_low", "change_high"]].isna().all()
    lost = views(frames, pairs.assign(yaw=[0.0, 0.0, 0.0, 45.0] * 3, pitch=0.0), 200, 0).set_index(["metric", "yaw"])
    assert list(lost.loc[("csim", 45), ["n", "n_failed"]]) == [0, 3]
    assert np.isnan(lost.loc[("csim", 45), "change"])


def test_a_run_without_multi_view_protocols_has_no_views(tmp_path):
    none = pd.DataFrame(columns=["protocol", "pair", "frame", "yaw", "pitch"])
    table = views(aggregate.frames(scores(tmp_path)), none, resamples=10, seed=0)
    assert table.empty
    tables.write(table.assign(**STAMP), tables.VIEWS, tmp_path / "views.parquet")


def test_bad_tables_name_file_and_column(tmp_path):
    path = tmp_path / "scores.parquet"
    scores(tmp_path).drop(columns="value").to_parquet(path)
    with pytest.raises(UserError, match=r"scores\.parquet: .*value"):
        tables.read(path, tables.SCORES)
    path.write_bytes(b"PAR1 truncated")
    with pytest.raises(UserError, match=r"scores\.parquet: is damaged"):
        tables.read(path, tables.SCORES)
    with pytest.raises(UserError, match=r"missing\.parquet"):
        tables.read(tmp_path / "missing.parquet", tables.SCORES)


def test_clustered_intervals():
    rng = np.random.default_rng(0)
    people = np.repeat(np.arange(20), 50)
    values = rng.normal(0, 1, 20)[people] + rng.normal(0, 0.01, 1000)  # frames of a person hardly differ
    clustered = statistics.clustered_mean(values, people, 2000, 0)
    naive = statistics.clustered_mean(values, np.arange(1000), 2000, 0)
    assert clustered.high - clustered.low > 3 * (naive.high - naive.low)
    assert clustered.low < clustered.value < clustered.high
    assert clustered == statistics.clustered_mean(values, people, 2000, 0)
    alone = statistics.clustered_mean(np.ones(3), np.zeros(3), 100, 0)
    assert alone.value == 1 and np.isnan(alone.low)
    nothing = statistics.clustered_mean(np.full(3, np.nan), np.arange(3), 100, 0)
    assert np.isnan(nothing.value)
    endless = statistics.clustered_mean(np.array([np.inf, np.inf]), np.arange(2), 100, 0)
    assert endless.value == np.inf
    mixed = statistics.clustered_mean(np.array([np.inf, 1.0, np.nan, 3.0]), np.arange(4), 100, 0)
    assert mixed.value == 2.0


def test_jackknife_of_a_mean_is_the_standard_error():
    values = np.random.default_rng(0).normal(size=12)
    without = [np.delete(values, number).mean() for number in range(12)]
    interval = statistics.jackknife(values.mean(), without)
    reach = 2.200985 * values.std(ddof=1) / 12**0.5  # Student's t with 11 degrees of freedom
    assert interval.high - interval.value == pytest.approx(reach, rel=1e-5)


def test_a_measured_picture_knows_whether_it_has_a_face():
    seen = Measured(np.zeros((68, 2)), np.zeros((68, 2)), np.zeros(3), np.empty(0), np.zeros(2))
    assert seen.found
    assert torch.tensor(seen.landmarks).shape == (68, 2)
