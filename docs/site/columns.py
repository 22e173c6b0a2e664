"""Docstrings of this project list fields in two aligned columns; the site shows them as lists."""

import re

import griffe

ROW = re.compile(r"^(\S.*?)\s{2,}(\S.*)$")


class Columns(griffe.Extension):
    """Rewrite every docstring that has such columns."""

    def on_instance(self, *, obj, **_):
        """Rewrite the docstring of a module, class, function or attribute."""
        if obj.docstring:
            obj.docstring.value = listed(obj.docstring.value)


def listed(text):
    """``text`` with each row of two columns as an item of a list; indented lines after a row go on with it."""
    lines, inside = [], False
    for line in text.splitlines():
        row = ROW.match(line)
        if row:
            lines += [""] * (not inside) + [f"- `{row[1]}`: {row[2]}"]
        elif inside and line.startswith(" ") and line.strip():
            lines.append(f"    {line.strip()}")
        else:
            lines += [""] * (inside and bool(line.strip())) + [line]
        inside = bool(row) or (inside and line.startswith(" ") and bool(line.strip()))
    return "\n".join(lines)
