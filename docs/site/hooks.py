"""What the site needs beyond the pages: the API reference, a page a room, and links that leave the documentation.

Links to files of the repository that are no pages are shown as their path, since the site may stand anywhere; pictures
come along.
"""

import posixpath
import re
from pathlib import Path

from mkdocs.structure.files import File

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "thedit"
PICTURE = re.compile(r"(!\[[^\]]*\]\()(\.\./[^)\s]+)(?=\))")
LINK = re.compile(r"(?<!!)\[([^\]]+)\]\(((?!https?:|#|mailto:)[^)\s#]+)(#[^)\s]*)?\)")


def on_files(files, config):
    """Add the pages of the API reference, and the pictures that pages show from elsewhere in the repository."""
    shown = {
        _path(page.src_uri, match[2])
        for page in list(files)
        if page.is_documentation_page()
        for match in PICTURE.finditer(page.content_string)
    }
    for path in sorted(shown):
        files.append(File.generated(config, f"repository/{path}", abs_src_path=str(ROOT / path)))
    for name, modules in rooms().items():
        text = "\n".join([f"# {name}", "", *(f"::: {module}\n" for module in modules)])
        files.append(File.generated(config, f"api/{name}.md", content=text))
    index = "\n".join(["# API reference", "", *(f"- [{name}]({name}.md)" for name in rooms())])
    files.append(File.generated(config, "api/index.md", content=index + "\n"))
    return files


def on_page_markdown(markdown, page, config, files):
    """Show links to files outside the documentation as what they name."""
    folder = posixpath.dirname(page.file.src_uri)

    def brought(match):
        return match[1] + posixpath.relpath(f"repository/{_path(page.file.src_uri, match[2])}", folder or ".")

    def shown(match):
        target = posixpath.normpath(posixpath.join(folder, match[2]))
        if files.get_file_from_path(target):
            return match[0]
        path = posixpath.normpath(posixpath.join("docs", target))
        return match[1] if match[1].strip("`") == path else f"{match[1]} (`{path}`)"

    return LINK.sub(shown, PICTURE.sub(brought, markdown))


def _path(page, link):
    """Where in the repository the file lies that a page of the documentation links to."""
    return posixpath.normpath(posixpath.join("docs", posixpath.dirname(page), link))


def rooms():
    """Public modules by room, as dotted names."""
    found: dict[str, list[str]] = {}
    for path in sorted([*PACKAGE.rglob("*.py"), *(PACKAGE / "metrics").rglob("*.py")]):  # metrics: a link, not followed
        parts = path.relative_to(ROOT).with_suffix("").parts
        if any(part.startswith("_") and part != "__init__" for part in parts) or "cli" in parts:
            continue
        module = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        room = ".".join(module.split(".")[:2]) if (PACKAGE / parts[1]).is_dir() else "thedit"
        found.setdefault(room, []).append(module)
    return dict(sorted(found.items()))
