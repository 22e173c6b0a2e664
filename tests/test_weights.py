import pytest
from typer.testing import CliRunner

from tests.shared import SHARED, needs_shared
from thedit import cli, weights
from thedit.cli import weights as commands
from thedit.errors import UserError


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("THEDIT_WEIGHTS", str(tmp_path))
    return tmp_path


def test_a_missing_file_is_named_with_size_licence_and_place(folder):
    with pytest.raises(UserError) as error:
        weights.find("arcface-r50")
    for words in (str(folder / "w600k_r50.onnx"), "174.4 MB", "non-commercial", "buffalo_l", "thedit weights add"):
        assert words in str(error.value)


def test_another_file_under_the_name_is_refused(folder):
    (folder / "alexnet-owt-7be5be79.pth").write_bytes(b"not the network")
    with pytest.raises(UserError, match=r"is not the expected 7be5be79\.\.\."):
        weights.find("alexnet")
    with pytest.raises(UserError, match="belongs to no known weights"):
        weights.add(folder / "alexnet-owt-7be5be79.pth")


def test_every_entry_says_what_its_user_must_know():
    for name, entry in weights.REGISTRY.items():
        assert entry.name == name and entry.licence and entry.source.startswith("https://")
        assert len(entry.sha256) == 64 or entry.sha256 in entry.file


@needs_shared
def test_a_file_is_recognised_by_its_content_and_then_found(folder, tmp_path_factory):
    download = tmp_path_factory.mktemp("downloads") / "some name.bin"
    download.write_bytes((SHARED / "weights" / "face_detection_yunet_2023mar.onnx").read_bytes())
    assert weights.add(download).name == "yunet"
    assert weights.find("yunet") == folder / "face_detection_yunet_2023mar.onnx"


@needs_shared
def test_the_commands_list_and_check(monkeypatch):
    monkeypatch.setenv("THEDIT_WEIGHTS", str(SHARED / "weights"))
    commands.register(cli.app)
    listed = CliRunner().invoke(cli.app, ["weights", "list"]).output
    assert "yunet: there" in listed and "arcface-r50: missing" in listed
    checked = CliRunner().invoke(cli.app, ["weights", "check"]).output
    assert "mediapipe: as expected, 64184e229b26" in checked and "inception: missing" in checked
