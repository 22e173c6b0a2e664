import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as some

from thedit.errors import UserError
from thedit.video import spec
from thedit.video.sheet import read

DATA = Path(__file__).parents[1] / "data"


def touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(name.encode(errors="surrogateescape"))


def collect(root: Path, **values) -> spec.Inputs:
    return spec.collect(spec.Spec(title="Mine", root=str(root), **values), "name")


def described(inputs: spec.Inputs) -> list[tuple[str, str, str]]:
    return [(source.person, source.clip, source.split) for source in inputs.sources]


def test_a_folder_of_videos_needs_no_more_than_a_glob(tmp_path):
    touch(tmp_path, "b.mp4", "a.mp4", "notes.txt", ".hidden.mp4", "deep/er/c.mp4")
    assert described(collect(tmp_path, videos="*.mp4")) == [("a", "a", "train"), ("b", "b", "train")]
    assert [source.name for source in collect(tmp_path, videos="**/*.mp4").sources] == [
        "a.mp4",
        "b.mp4",
        "deep/er/c.mp4",
    ]


def test_fields_name_person_clip_and_split(tmp_path):
    touch(tmp_path, "dev/mp4/id1/abc/00001.mp4", "dev/mp4/id1/abc/00002.mp4", "test/mp4/id2/x-y/00001.mp4")
    inputs = collect(tmp_path, videos="{split}/mp4/{person}/{video}/{n}.mp4", split={"rename": {"dev": "train"}})
    assert described(inputs) == [
        ("id1", "abc-00001", "train"),
        ("id1", "abc-00002", "train"),
        ("id2", "x-y-00001", "test"),
    ]


def test_templates_compose_names(tmp_path):
    touch(tmp_path, "Clip+ab+P0+C1+F2-9/000.png", "Clip+ab+P0+C1+F2-9/001.png", "Clip+ab+P1+C0+F2-9/000.png")
    pattern = "Clip+{video}+P{p}+C{c}+F{range}/{frame}.png"
    inputs = collect(tmp_path, images=pattern, person="{video}-P{p}", clip="C{c}-F{range}")
    assert described(inputs) == [("ab-P0", "C1-F2-9", "train"), ("ab-P1", "C0-F2-9", "train")]
    assert [len(source.paths) for source in inputs.sources] == [2, 1]
    with pytest.raises(UserError, match="names the field 'nobody'"):
        collect(tmp_path, images=pattern, person="{nobody}")


def test_single_pictures_are_clips_of_one_frame(tmp_path):
    touch(tmp_path, "ann.jpg", "bob.jpg")
    inputs = collect(tmp_path, images="{person}.jpg")
    assert described(inputs) == [("ann", "ann", "train"), ("bob", "bob", "train")]
    assert all(len(source.paths) == 1 for source in inputs.sources)


def test_a_folder_of_pictures_is_a_clip(tmp_path):
    touch(tmp_path, "ann/1.jpg", "ann/2.jpg", "bob/1.jpg")
    inputs = collect(tmp_path, images="{person}/{frame}.jpg")
    assert [(source.person, source.clip, len(source.paths)) for source in inputs.sources] == [
        ("ann", "ann", 2),
        ("bob", "bob", 1),
    ]


def test_test_people_are_named_or_chosen_by_a_hash(tmp_path):
    touch(tmp_path, *(f"id102{n}/a.mp4" for n in range(65, 75)))
    inputs = collect(tmp_path, videos="{person}/*.mp4", split={"test": ["id1027?"]})
    assert {source.person for source in inputs.sources if source.split == "test"} == {f"id1027{n}" for n in range(5)}
    shared = collect(tmp_path, videos="{person}/*.mp4", split={"test_share": 0.5})
    assert 0 < sum(source.split == "test" for source in shared.sources) < 10
    assert described(shared) == described(collect(tmp_path, videos="{person}/*.mp4", split={"test_share": 0.5}))


def test_any_name_goes(tmp_path):
    names = ["with space.mp4", "ünï➤.mp4", "two\nlines.mp4", "\udcff.mp4", "{curly}.mp4", "a*b.mp4"]
    touch(tmp_path, *names)
    inputs = collect(tmp_path, videos="*.mp4")
    assert {source.paths[0].name for source in inputs.sources} == set(names)
    for source in inputs.sources:
        source.name.encode("utf-8")
    assert "\\xff.mp4" in {source.name for source in inputs.sources}


def test_the_same_file_under_a_second_name_is_a_problem_and_loops_of_links_do_not_hang(tmp_path):
    touch(tmp_path, "a/one.mp4")
    (tmp_path / "a" / "two.mp4").symlink_to(tmp_path / "a" / "one.mp4")
    (tmp_path / "a" / "loop.mp4").symlink_to(tmp_path / "a" / "loop.mp4")
    (tmp_path / "a" / "up").symlink_to(tmp_path)
    inputs = collect(tmp_path, videos="**/*.mp4")
    assert [source.name for source in inputs.sources] == ["a/loop.mp4", "a/one.mp4"]
    assert inputs.problems == [spec.Problem("a/two.mp4", "is the same file as a/one.mp4")]


def test_what_is_missing_is_said(tmp_path):
    expect = [{"path": "dev", "what": "the development videos, from the authors"}]
    with pytest.raises(
        UserError, match=r"no such folder; put the files of Mine there\.\n  dev: the development videos"
    ):
        collect(tmp_path / "nowhere", videos="dev/{person}.mp4", expect=expect)
    with pytest.raises(UserError, match=r"nothing matches 'dev/\{person\}.mp4'"):
        collect(tmp_path, videos="dev/{person}.mp4", expect=expect)
    touch(tmp_path, "test/a.mp4")
    inputs = collect(tmp_path, videos="{split}/{person}.mp4", expect=expect, people={"test": 3})
    assert inputs.missing == [
        "dev: missing; the development videos, from the authors",
        "split test: 1 of 3 people are there",
    ]


def test_a_mistake_in_a_spec_is_one_sentence(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("title: Mine\nroot: x\nvideo: '*.mp4'\n")
    with pytest.raises(UserError, match=r"mine\.yaml: video: unknown key; did you mean 'videos'"):
        spec.load(path)
    path.write_text("title: Mine\nroot: x\nvideos: '*.mp4'\nsheet: sheet.csv\n")
    with pytest.raises(UserError, match="exactly one of 'videos', 'images' and 'sheet'"):
        spec.load(path)
    with pytest.raises(UserError, match=r"nowhere\.yaml: cannot be read .*check data\.spec"):
        spec.load(tmp_path / "nowhere.yaml")


@pytest.mark.parametrize("path", sorted(DATA.glob("*.yaml")), ids=lambda path: path.stem)
def test_the_specs_that_come_along_are_valid(path):
    assert spec.load(path).title


def test_a_sample_sheet(tmp_path):
    path = tmp_path / "sheet.csv"
    path.write_text(
        "video,person,split,start,end\nann/01.mp4,ann,train,,\nann/02.mp4,ann,train,,\nx.mp4,bob,test,1.5,3\nx.mp4,cid,test,3,\n"
    )
    inputs = collect(tmp_path, sheet="sheet.csv")
    assert described(inputs) == [
        ("ann", "01", "train"),
        ("ann", "02", "train"),
        ("bob", "x@1.5", "test"),
        ("cid", "x@3", "test"),
    ]
    assert (inputs.sources[2].start, inputs.sources[2].end) == (1.5, 3.0)
    path.write_text("video\na.mp4\nb.mp4\n")
    assert described(collect(tmp_path, sheet="sheet.csv")) == [("a", "a", "train"), ("b", "b", "train")]


@pytest.mark.parametrize(
    "content",
    [
        b"video,person,split,start,end\r\nbase.mp4,ann,train,0,0.5\r\n",
        b"video;person;split;start;end\r\nbase.mp4;ann;train;0;0,5\r\n",  # Excel in half of Europe
        b"sep=;\r\nvideo;person;split;start;end\r\nbase.mp4;ann;train;0;0,5\r\n",
        "video\tperson\tsplit\tstart\tend\nbase.mp4\tann\ttrain\t0\t0.5\n".encode("utf-16"),  # its "Unicode text"
        "\ufeffvideo,person,split,start,end\nbase.mp4,ann,train,0,0.5\n".encode(),
        b"Video,Person,SPLIT,start,end\nbase.mp4,ann,Train,0,0.5\n",
        b"video,person,split,start,end\r\nbase.mp4,ann,train,0,0.5\r\n,,,,\r\n,,,,\r\n",
        b"video,person,split,start,end,,\r\nbase.mp4,ann,train,0,0.5,,\r\n",
    ],
)
def test_a_sheet_is_read_as_table_programs_save_it(tmp_path, content):
    (tmp_path / "sheet.csv").write_bytes(content)
    (row,) = read(tmp_path / "sheet.csv")
    assert (row.video, row.person, row.split, row.start, row.end) == ("base.mp4", "ann", "train", 0.0, 0.5)


def test_a_sheet_may_come_from_windows_and_its_test_is_no_third_split(tmp_path):
    touch(tmp_path, "sub/a.mp4")
    (tmp_path / "sheet.csv").write_text("video,person,split\nsub\\a.mp4,ann,Test\n")
    (source,) = collect(tmp_path, sheet="sheet.csv").sources
    assert source.paths == (tmp_path / "sub/a.mp4",) and source.split == "test"


def test_pictures_are_ordered_by_the_number_of_their_frame(tmp_path):
    touch(tmp_path, *(f"ann/{number}.jpg" for number in range(1, 13)), *(f"bob/{10**n}.jpg" for n in range(3)))
    touch(tmp_path, *(f"cid/{name}.jpg" for name in ("1", "01", "2", "4", "5")), *(f"dot/{n}.jpg" for n in (0, 5, 10)))
    inputs = collect(tmp_path, images="{person}/{frame}.jpg")
    names = {source.person: [path.stem for path in source.paths] for source in inputs.sources}
    assert names["ann"] == [str(number) for number in range(1, 13)]
    assert names["bob"] == ["1", "10", "100"]
    assert names["dot"] == ["0", "5", "10"]  # every fifth is a rate, not a gap
    assert len(names["cid"]) == 4
    said = {problem.reason for problem in inputs.problems if problem.name.startswith("cid/")}
    assert "its clip lacks 1 of its frames, the first of them number 3" in said
    assert any(reason.startswith("has the same frame number as cid/") for reason in said)


@given(
    width=some.integers(1, 6), before=some.text(some.sampled_from("ab_-. é"), max_size=4), count=some.integers(2, 30)
)
def test_renaming_that_keeps_the_numbers_keeps_the_order(width, before, count):
    with tempfile.TemporaryDirectory() as folder:
        touch(Path(folder), *(f"x/x{before}{number:0{width}d}.png" for number in range(1, count + 1)))
        (source,) = collect(Path(folder), images="{person}/{frame}.png").sources
        assert [int(path.stem[1 + len(before) :]) for path in source.paths] == list(range(1, count + 1))


def test_files_that_a_pattern_does_not_match_are_named_with_a_count(tmp_path):
    touch(tmp_path, "ann.mp4", "bob.MOV", "deep/er/c.mp4", ".hidden.mp4", "a.txt", "b.txt")
    inputs = collect(tmp_path, videos="*.mp4")
    assert inputs.missing == ["4 files do not match '*.mp4' and are not used (a.txt, b.txt, bob.MOV, ...)"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("video,person\na.mp4,ann\nb.mp4,bob\na.mp4,ann\n", "line 4 repeats line 2; remove one of them"),
        ("video,who\na.mp4,ann\n", "unknown column 'who'; known columns are video, person, split, start, end, frames"),
        ("video,start,end\na.mp4,5,2\n", "line 2: end 2 is not after start 5"),
        ("video,start\na.mp4,soon\n", "line 2: start is 'soon'; write seconds"),
        ("person\nann\n", "has no column 'video'"),
        ("video,person\n,ann\n", "line 2 has no video"),
        ("video\na.mp4,ann\n", "line 2 has more values than columns"),
    ],
)
def test_a_mistake_in_a_sheet_is_one_sentence_with_its_line(tmp_path, text, words):
    path = tmp_path / "sheet.csv"
    path.write_text(text)
    with pytest.raises(UserError) as error:
        read(path)
    assert words in str(error.value) and "sheet.csv" in str(error.value) and "\n" not in str(error.value)


def test_a_sheet_that_is_no_table_is_one_sentence(tmp_path):
    (tmp_path / "sheet.csv").write_bytes(b"video\n\xff\xfe\n")
    with pytest.raises(UserError, match="is no CSV file in UTF-8"):
        read(tmp_path / "sheet.csv")
    with pytest.raises(UserError, match=r"nowhere\.csv: cannot be read"):
        read(tmp_path / "nowhere.csv")
