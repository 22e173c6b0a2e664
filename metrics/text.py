"""Tables for a terminal of 80 columns."""

import io
import textwrap
from collections.abc import Iterable

import pandas as pd
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table as RichTable

from thedit.metrics.questions import Table, questions

WIDTH, HEADING = 80, 11  # characters of a line, and of a line of a heading


def readable(metrics: pd.DataFrame) -> str:
    """The tables of every protocol and method in ``metrics`` (schema `thedit.metrics.tables.METRICS`)."""
    methods = dict.fromkeys(sorted(metrics["method"].unique()), "")
    parts = [questions(str(protocol), rows, methods) for protocol, rows in metrics.groupby("protocol")]
    return as_text(table for part in parts for table in part)


def as_text(tables: Iterable[Table]) -> str:
    """Tables in plain text, values above their intervals; the best of a column has a star."""
    output = io.StringIO()
    console = Console(width=WIDTH, file=output, force_terminal=False)
    for table in tables:
        drawn = RichTable(title=table.title, title_justify="left", box=SIMPLE_HEAD, caption=table.note or None)
        drawn.caption_justify = "left"
        for number, heading in enumerate(table.headings):
            if number:
                wrapped = "\n".join(textwrap.wrap(heading, HEADING, break_long_words=False))
                drawn.add_column(wrapped, justify="right", no_wrap=True)
            else:
                drawn.add_column(heading, overflow="fold")
        for row in table.rows:
            drawn.add_row(*("\n".join(filter(None, (cell.value + "*" * cell.best, cell.more))) for cell in row))
        console.print(drawn, markup=False)
    return "\n".join(line.rstrip() for line in output.getvalue().splitlines())
