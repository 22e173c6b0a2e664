"""Tables as a page, as Markdown, as LaTeX and as comma-separated values."""

import html
from collections.abc import Sequence

import pandas as pd

from thedit.metrics.questions import QUESTIONS, Cell, Table
from thedit.metrics.text import as_text

LATEX = str.maketrans(
    {character: rf"\{character}" for character in "&%_#$"}
    | {"↑": r"$\uparrow$", "↓": r"$\downarrow$", "–": "--", "…": r"\ldots ", "∞": r"$\infty$", "°": r"$^\circ$"}
)


def as_html(tables: Sequence[Table]) -> str:
    """Tables as HTML; every text is escaped."""
    parts = []
    for table in tables:
        head = "".join(f"<th>{_html_heading(text)}</th>" for text in table.headings)
        body = "".join(f"<tr>{''.join(map(_html_cell, row))}</tr>" for row in table.rows)
        note = f"<p class='note'>{html.escape(table.note)}</p>" if table.note else ""
        parts.append(f"<h3>{html.escape(table.title)}</h3>")
        parts.append(f"<div class='scroll'><table><tr>{head}</tr>{body}</table></div>{note}")
    return "\n".join(parts) + "\n"


def as_markdown(tables: Sequence[Table]) -> str:
    """Tables in Markdown, the best of a column in bold letters."""
    return "\n\n".join(f"**{table.title}**\n\n{_markdown(table)}" for table in tables)


def as_latex(tables: Sequence[Table]) -> str:
    """Tables for LaTeX with the package booktabs, the best of a column in bold letters."""
    return "\n\n".join(map(_latex, tables)) + "\n"


def as_csv(metrics: pd.DataFrame, methods: Sequence[str]) -> str:
    """The rows behind the tables (schema `thedit.metrics.tables.METRICS`), with the question that each answers."""
    asked = {(one.metric, one.variant): question for question, columns in QUESTIONS.items() for one in columns}
    keys = zip(metrics["metric"], metrics["variant"])
    rows = metrics.assign(question=[asked.get(key, "") for key in keys])
    rows = rows[(rows["question"] != "") & rows["method"].isin(methods)]
    columns = ["protocol", "question", "metric", "variant", "backend", "method"]
    return rows[[*columns, "value", "ci_low", "ci_high", "n", "n_failed"]].sort_values(columns).to_csv(index=False)


FORMATS = {"text": as_text, "markdown": as_markdown, "latex": as_latex}


def _html_heading(text: str) -> str:
    """A heading whose unit and arrow stay on the line of the word before."""
    return html.escape(text).replace(", °", ",\u00a0°").replace(" ↑", "\u00a0↑").replace(" ↓", "\u00a0↓")


def _html_cell(cell: Cell) -> str:
    kind = " class='best'" if cell.best else ""
    return f"<td{kind}>{html.escape(cell.value)}<small>{html.escape(cell.more)}</small></td>"


def _markdown(table: Table) -> str:
    lines = [_line(table.headings), _line(["---", *["--:"] * (len(table.headings) - 1)])]
    for row in table.rows:
        values = [f"**{cell.value}**" if cell.best else cell.value for cell in row]
        lines.append(
            _line([f"{value}<br><sub>{cell.more}</sub>" if cell.more else value for value, cell in zip(values, row)])
        )
    return "\n".join(lines + ([f"\n{table.note}"] if table.note else []))


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |"


def _latex(table: Table) -> str:
    def cell(one: Cell) -> str:
        value = one.value.translate(LATEX)
        small = rf" {{\scriptsize {one.more.translate(LATEX)}}}" if one.more else ""
        return (rf"\textbf{{{value}}}" if one.best else value) + small

    lines = [" & ".join(text.translate(LATEX) for text in table.headings) + r" \\", r"\midrule"]
    lines += [" & ".join(map(cell, row)) + r" \\" for row in table.rows]
    columns = "l" + "r" * (len(table.headings) - 1)
    inside = "\n".join([r"\toprule", *lines, r"\bottomrule"])
    return f"% {table.title}\n\\begin{{tabular}}{{{columns}}}\n{inside}\n\\end{{tabular}}"
