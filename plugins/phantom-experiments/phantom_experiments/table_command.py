"""`phantom table STUDY`."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import click

import phantom_core as ph
from phantom_experiments.results import Results
from phantom_experiments.tables import Table


@click.command("table")
@click.argument("study", type=click.Path(path_type=Path))
@click.option(
    "--by",
    multiple=True,
    metavar="KEY",
    help="A row for each value of this parameter, agent, class or step. Repeatable.  [default: each point]",
)
@click.option("--value", "values", multiple=True, metavar="NAME", help="Only this value. Repeatable.")
@click.option("--compare", metavar="TREATMENT", help="Show what this treatment changes: paired differences.")
@click.option("--baseline", metavar="TREATMENT", help="What it is compared with.  [default: the first]")
@click.option(
    "--rows",
    type=click.Choice(["episodes", "agents", "steps"]),
    help="Show the rows of this table instead of means.",
)
@click.option(
    "--where", multiple=True, metavar="KEY=VALUE", help="Only these rows, such as markup=0.5. Repeatable."
)
@click.option(
    "--level",
    type=float,
    default=0.95,
    metavar="SHARE",
    help="The probability of intervals.  [default: 0.95]",
)
@click.option(
    "--format", "layout", type=click.Choice(["text", "csv", "latex"]), default="text", help="[default: text]"
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write it there: .csv, .jsonl, .parquet, .npz, .tex, .html or .txt.",
)
@click.option("-v", "--verbose", is_flag=True, help="Show the full traceback of an error.")
def table_command(
    *,
    study: Path,
    by: tuple[str, ...],
    values: tuple[str, ...],
    compare: str | None,
    baseline: str | None,
    rows: Any,
    where: tuple[str, ...],
    level: float,
    layout: str,
    out: Path | None,
    verbose: bool,
) -> None:
    """Show the results of a study as a table: means over seeds, paired differences, or all rows.

    STUDY is the directory that phantom simulate, or study.simulate(out=...), wrote.
    """
    del verbose  # main() looks at it
    results = Results.open(study)
    if rows is not None:
        table = results.table(rows)
    elif compare is not None:
        table = results.compare(compare, baseline, by=by, values=values or None, level=level)
    else:
        table = results.summary(by or None, values=values or None, level=level)
    if where:
        table = table.select(dict(ph.tools.parse_assignment(one) for one in where))
    if out is not None:
        table.write(out)
        click.echo(f"{len(table):,} {'row' if len(table) == 1 else 'rows'}: {out}")
        return
    _print(table, layout)
    failed = len(results.errors)
    if failed:
        noun = "episode" if failed == 1 else "episodes"
        click.echo(f"{failed:,} {noun} failed: phantom table {study} --rows episodes", err=True)


def _print(table: Table, layout: str) -> None:
    if layout == "csv":
        columns, line = table.columns, io.StringIO()
        writer = csv.writer(line, lineterminator="")
        for cells in (columns, *([row.get(name) for name in columns] for row in table)):
            writer.writerow(cells)
            click.echo(line.getvalue())
            line.seek(0)
            line.truncate()
    else:
        click.echo(table.to_latex().rstrip() if layout == "latex" else table.to_text())
