"""Every command of the page "Add a baseline" works, in order, for somebody who follows it."""

import os
import re
import site
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "add-a-baseline.md").read_text()
COMMANDS = {
    "thedit": "from thedit.cli import main; main()",
    "pip": "from pip._internal.cli.main import main; raise SystemExit(main())",
    "pytest": "import pytest; raise SystemExit(pytest.console_main())",
    "snakemake": "from snakemake.cli import main; main()",
}


@pytest.fixture(scope="module")
def blocks() -> list[str]:
    return re.findall(r"^```bash\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project's root whose environment can be installed into without changing this one."""
    folder = tmp_path_factory.mktemp("project")
    for name in ("workflow", "config", "thedit", "environment.yml"):
        (folder / name).symlink_to(ROOT / name)
    (folder / "data").mkdir()
    (folder / "data" / "annyheads.yaml").symlink_to(ROOT / "data" / "annyheads.yaml")
    assets = ROOT / "data" / "assets"
    if assets.is_dir():
        (folder / "data" / "assets").symlink_to(assets)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder / ".venv")], check=True)
    packages = next((folder / ".venv" / "lib").glob("python*/site-packages"))
    lines = [f"import site; site.addsitedir({path!r})" for path in site.getsitepackages()]
    (packages / "base.pth").write_text("\n".join(lines))
    for command, start in COMMANDS.items():
        program = folder / ".venv" / "bin" / command
        program.write_text(f"#!{folder}/.venv/bin/python\nif __name__ == '__main__':\n    {start}\n")
        program.chmod(0o755)
    return folder


def follow(project: Path, block: str) -> str:
    environment = {**os.environ, "PATH": f"{project / '.venv' / 'bin'}{os.pathsep}{os.environ['PATH']}"}
    command = ["bash", "-euo", "pipefail", "-c", block]
    done = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_page_can_be_followed(project: Path, blocks: list[str]):
    start, check, _, program = blocks
    assert "my-method  " in follow(project, start)
    assert "pictures:" in follow(project, check)
    assert "exit code 0" in follow(project, program)


@pytest.mark.e2e
def test_the_comparison_has_the_new_row(project: Path, blocks: list[str]):
    if not (project / "my-method").is_dir():
        follow(project, blocks[0])
    said = follow(project, blocks[2])
    assert "my-method" in said
