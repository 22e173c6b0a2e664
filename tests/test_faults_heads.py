"""Rendered videos that were damaged are found by preprocessing and rendered again by the command that it names."""

import pytest

from tests import video_files
from thedit import config
from thedit.errors import UserError
from thedit.heads import dataset
from thedit.video.plan import divide
from thedit.video.sheet import read
from thedit.video.spec import Spec, collect

HEADS = config.Heads(train_people=1, test_people=1, clips_per_person=1, frames_per_clip=5, size=64)


def inputs(folder):
    return collect(config.parse({"title": "Small", "root": str(folder), "sheet": "sheet.csv"}, Spec, "spec"), "small")


@pytest.fixture
def folder(tmp_path):
    """A sheet as of a rendered data set, and videos of as many frames."""
    listed = dataset.clips(HEADS)
    for clip in listed:
        video_files.write(tmp_path / "videos" / f"{clip.name}.mp4", video_files.moving(HEADS.frames_per_clip))
    dataset.write_sheet(tmp_path, HEADS, listed)
    return tmp_path


def test_the_sheet_says_how_many_frames_each_video_has(folder):
    assert [row.frames for row in read(folder / "sheet.csv")] == [5, 5]
    shards, failures = divide(inputs(folder), config.Preprocess())
    assert sum(segment.stop - segment.first for shard in shards for segment in shard) == 10 and not failures


@pytest.mark.parametrize("damage", ["fewer frames", "cut", "empty", "missing"])
def test_an_incomplete_video_ends_preprocessing(folder, damage):
    path = folder / "videos" / "train-0000" / "00.mp4"
    match damage:
        case "fewer frames":
            video_files.write(path, video_files.moving(3))
        case "missing":
            path.unlink()
        case _:
            path.write_bytes(path.read_bytes()[: 2000 * (damage == "cut")])
    with pytest.raises(UserError, match=r"train-0000/00\.mp4: .+; make or copy it again \('thedit heads render'"):
        divide(inputs(folder), config.Preprocess())


def test_a_sheet_with_another_word_for_a_number_is_refused(tmp_path):
    (tmp_path / "sheet.csv").write_text("video,frames\na.mp4,many\n")
    with pytest.raises(UserError, match=r"line 2: frames is 'many'; write how many"):
        read(tmp_path / "sheet.csv")
