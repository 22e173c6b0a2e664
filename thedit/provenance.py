"""What a result was made with: code, packages, device."""

import ast
import functools
import hashlib
import importlib.metadata
import importlib.util
import platform
import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# Modules that reach a result not at all, or only through the configuration, whose digest stands beside the code hash.
UNHASHED = ("thedit", "thedit.cli", "thedit.config", "thedit.errors", "thedit.locks", "thedit.provenance")

ENTRY = re.compile(r"\w+(\.\w+)+:\w+")  # of something that is imported by name


def code_version() -> str:
    """The package's version; in a git checkout also the commit, and ``.dirty`` if tracked files differ from it."""
    version = importlib.metadata.version("thedit")
    if not (ROOT / ".git").exists():
        return version
    try:
        commit = _git("rev-parse", "--short=12", "HEAD")
        dirty = ".dirty" if _git("status", "--porcelain", "--untracked-files=no") else ""
    except (OSError, subprocess.CalledProcessError):
        return version
    return f"{version}+{commit}{dirty}"


def packages() -> dict[str, str]:
    """Versions of Python and of the packages that this one declares, by name."""
    declared = importlib.metadata.requires("thedit") or []
    names = sorted({re.split(r"[^A-Za-z0-9_.-]", line, maxsplit=1)[0] for line in declared if "extra ==" not in line})
    versions = {"python": platform.python_version()}
    for name in names:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue  # a package of another platform
    return versions


def device() -> str:
    """The accelerator's name, or the processor's."""
    import torch

    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    return f"{processor()}, {torch.get_num_threads()} threads"


def processor() -> str:
    """The processor's model name."""
    try:
        names = re.findall(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:
        names = []
    return names[0] if names else platform.machine()


def code(*modules: str) -> dict[str, str]:
    """The named modules, everything that they import from their own packages, and a digest of what each does.

    Twelve hex digits each, of the syntax without comments and docstrings, so that they change only with what a module
    does. Imports are read from the source, those inside functions and texts "module:name" included, and followed
    through `thedit` and the packages of the named modules. Files of tensors of a package count where a module names
    them. `UNHASHED` modules are left out. Raises `ModuleNotFoundError`.
    """
    missing = [module for module in modules if _source(module) is None]
    if missing:
        raise ModuleNotFoundError(f"no module named {missing[0]}")
    within = {"thedit", *(module.partition(".")[0] for module in modules)}
    sources = imported(modules, frozenset(within))
    found = {module: _digest(path, path.stat().st_mtime_ns) for module, path in sources.items()}
    for path in {path for module, source in sources.items() for path in _tensors(module, source)}:
        found[path.name] = _digest(path, path.stat().st_mtime_ns)
    return dict(sorted(found.items()))


def code_hash(*modules: str) -> str:
    """Twelve hex digits that change when any digest of `code` does."""
    return hashlib.sha256(repr(code(*modules)).encode()).hexdigest()[:12]


def changed(before: dict[str, str], now: dict[str, str]) -> list[str]:
    """Modules and files of two results of `code` that are not the same in both."""
    return sorted(name for name in before.keys() | now.keys() if before.get(name) != now.get(name))


def imported(modules: tuple[str, ...], within: frozenset[str]) -> dict[str, Path]:
    """Source files, by module name, of ``modules`` and of all that they import from the packages ``within``."""
    found: dict[str, Path] = {}
    waiting = list(modules)
    while waiting:
        module = waiting.pop()
        path = _source(module) if module.partition(".")[0] in within else None
        if module in found or module in UNHASHED or path is None:
            continue
        found[module] = path
        waiting += _imports(module, path, path.stat().st_mtime_ns)
        waiting.append(module.rpartition(".")[0] or module)
    return found


def _tensors(module: str, source: Path) -> list[Path]:
    """Files of tensors of the module's package that its source names."""
    package = _source(module.partition(".")[0])
    text = source.read_text()
    if package is None or ".safetensors" not in text:
        return []
    return [path for path in package.parent.rglob("*.safetensors") if path.name in text]


@functools.cache
def _digest(path: Path, modified: int) -> str:
    """Twelve hex digits of a file of tensors, or of what a module does."""
    content = path.read_bytes()
    if path.suffix == ".py":
        content = ast.unparse(_Bare().visit(ast.parse(content))).encode()
    return hashlib.sha256(content).hexdigest()[:12]


class _Bare(ast.NodeTransformer):
    """Takes away what does nothing: texts that stand alone, as docstrings do, and pass; comments are gone already."""

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        """A docstring, or an expression."""
        return None if isinstance(node.value, ast.Constant) and isinstance(node.value.value, str) else node

    def visit_Pass(self, node: ast.Pass) -> None:
        """Stands where a body is empty."""


@functools.cache
def _source(module: str) -> Path | None:
    top, *rest = module.split(".")
    spec = importlib.util.find_spec(top)  # finds without importing, as long as the name has no dot
    if spec is None or spec.origin is None:
        return None
    if not rest:
        return Path(spec.origin)
    base = Path(spec.origin).parent.joinpath(*rest)
    return next((path for path in (base.with_suffix(".py"), base / "__init__.py") if path.is_file()), None)


@functools.cache
def _imports(module: str, path: Path, modified: int) -> list[str]:
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    names = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            parent = package.rsplit(".", node.level - 1)[0] if node.level else ""
            base = ".".join(part for part in (parent, node.module) if part)
            names += [base, *(f"{base}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and ENTRY.fullmatch(node.value):
            names.append(node.value.partition(":")[0])
    return names


def _git(*arguments: str) -> str:
    command = ["git", "-C", str(ROOT), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=20).stdout.strip()
