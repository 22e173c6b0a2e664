"""`thedit benchmark`: take part in the comparison without this program, and score who did."""

from pathlib import Path
from typing import Annotated

import typer

ConfigFile = Annotated[Path, typer.Option("--config", help="configuration of the run")]
Zip = Annotated[Path, typer.Argument(help="zip file of a submission")]

group = typer.Typer(no_args_is_help=True, help=__doc__)


def register(app: typer.Typer) -> None:
    """Add the commands to ``app``."""
    app.add_typer(group, name="benchmark")


@group.command()
def pack(config: ConfigFile, out: Annotated[Path, typer.Option(help="new folder")]) -> None:
    """Write sources, drivers and cameras of a run's protocols as plain files, without the truth of held-out people."""
    from thedit.benchmark.pack import pack
    from thedit.config import load
    from thedit.locks import reading

    task = pack(reading(load(config)), out)
    pairs = sum(len(asked.pairs) for asked in task.protocols.values())
    typer.echo(f"{out}: {task.frames} frames of {pairs} pairs wanted; {out / 'README.md'} says how to answer")


@group.command()
def check(
    submission: Zip, task: Annotated[Path, typer.Option(help="the packed folder, or its benchmark.json")]
) -> None:
    """Name everything that is missing or misnamed in a submission; status 3 if anything is."""
    from thedit.benchmark.submission import Submission
    from thedit.benchmark.task import read

    with Submission(submission, read(task)) as answer:
        problems = answer.problems()
        typer.echo("\n".join(problems) or f"{submission}: all {len(answer.asked())} frames are there")
    raise typer.Exit(3 if problems else 0)


@group.command()
def score(submission: Zip, config: ConfigFile) -> None:
    """Score a submission and add it to the table of the run: results/RUN/submissions.parquet."""
    from thedit import layout
    from thedit.benchmark.score import score as score_submission
    from thedit.config import load
    from thedit.locks import reading

    settings = reading(load(config))
    rows = score_submission(settings, submission)
    typer.echo(f"{layout.run(settings) / 'submissions.parquet'}: {len(rows)} rows of {rows['method'].iloc[0]}")
