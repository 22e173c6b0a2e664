"""The report of a run: one page that opens on the result, in one file, without a network.

results/<run>/report.html has the comparison with the best of every column marked, all methods on the same frames, a
player in which source, driver, truth and methods move in step, a head that turns with the mouse, and every table.
"""

import base64
import html
from pathlib import Path

from thedit import layout
from thedit.config import Config
from thedit.files import atomic
from thedit.report import comparison, sprite
from thedit.report.artefacts import provenance_of
from thedit.report.figures.examples import Examples
from thedit.report.render import as_html
from thedit.report.sprite import SIDE, Sprite

HERE = Path(__file__).parent
CHARTS = ("comparison_*.png", "views.png", "training.png")


def write_page(config: Config) -> Path:
    """Write the report of a finished run and return its path. Raises `UserError` when tables are missing."""
    path = layout.run(config) / "report.html"
    examples = Examples(config)
    head = sprite.turning(examples)
    parts = [
        _section("The result", as_html(comparison.of_run(config, comparison.GLANCE))),
        _section("All methods on the same frames", _picture(layout.run(config) / "figures" / "methods.png")),
        *(_section(f"In step: {pair}", _player(one)) for pair, one in sprite.players(config, examples).items()),
        _section(f"{examples.name}: move the mouse over the head to turn it", _player(head, "player turn"))
        if head
        else "",
        _section("Every table", as_html(comparison.of_run(config))),
        _section("Charts", "\n".join(map(_picture, _charts(layout.run(config) / "figures")))),
    ]
    with atomic(path) as sibling:
        sibling.write_text(_page(config, "\n".join(parts)))
    return path


def _page(config: Config, body: str) -> str:
    known = provenance_of(layout.run(config))
    facts = ", ".join(
        f"{name.replace('_', ' ')} {known[name]}" for name in ("seed", "code_version", "config_hash", "device")
    )
    title = html.escape(f"Run {config.run}")
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title}</title><style>:root {{ --side: {SIDE}px }}
{(HERE / "page.css").read_text()}</style></head><body>
<h1>{title}</h1>
<p>One-shot face reenactment from a single picture, on {html.escape(config.data.name)}. {html.escape(facts)}.
Values stand above their 95 % intervals, clustered by person; the best of each column is marked, trivial bounds
and methods that failed on more than a tenth of the frames apart.
How each file was made: <a href="workflow.html">workflow.html</a>.</p>
{body}
<script>{(HERE / "page.js").read_text()}</script></body></html>
"""


def _section(title: str, body: str) -> str:
    return f"<section><h2>{html.escape(title)}</h2><div class='scroll'>{body}</div></section>"


def _player(shown: Sprite, kind: str = "player") -> str:
    """Tracks with a slider and a button; a turning head has one track, whose column the mouse chooses."""
    names = [""] if "turn" in kind else shown.headings
    tracks = "".join(
        f"<figure><div class='cell'></div><figcaption>{html.escape(one)}</figcaption></figure>" for one in names
    )
    rows = len(shown.pictures)
    return (
        f"<div class='{kind}' data-side='{SIDE}' data-rows='{rows}' data-columns='{len(shown.headings)}'>"
        f"<img hidden alt='' src='{shown.uri}'><div class='tracks'>{tracks}</div>"
        f"<div class='bar'><button>Play</button><input type='range' min='0' max='{rows - 1}' value='0' "
        f"aria-label='moment'></div></div>"
    )


def _charts(folder: Path) -> list[Path]:
    return [path for pattern in CHARTS for path in sorted(folder.glob(pattern))]


def _picture(path: Path) -> str:
    if not path.is_file():
        return ""
    encoded = base64.b64encode(path.read_bytes()).decode()
    return f"<p><img alt='{html.escape(path.stem)}' src='data:image/png;base64,{encoded}'></p>"
