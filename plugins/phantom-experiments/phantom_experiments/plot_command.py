"""`phantom plot STUDY_OR_RUNS…`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

import phantom_core as ph

if TYPE_CHECKING:
    from phantom_experiments.figures import Plot

_KINDS = (
    "series",
    "grid",
    "heatmap",
    "differences",
    "impulse",
    "histogram",
    "rewards",
    "learning",
    "network",
)


@click.command("plot")
@click.argument("sources", nargs=-1, required=True, metavar="STUDY_OR_RUNS...")
@click.option(
    "--kind",
    type=click.Choice(_KINDS),
    help="What to draw.  [default: learning for runs, network for an env, else what fits the study]",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="FILE",
    required=True,
    help="The picture to write: .svg, .png or .pdf.",
)
@click.option(
    "--value",
    "values",
    multiple=True,
    metavar="NAME",
    help="Draw this value. Repeatable.  [default: all that fit]",
)
@click.option("--by", multiple=True, metavar="KEY", help="Lines differ in this parameter or key. Repeatable.")
@click.option("--x", metavar="PARAMETER", help="What is on the horizontal axis of a grid or heatmap.")
@click.option("--treatment", metavar="NAME", help="Compare this treatment.  [default: all]")
@click.option("--baseline", metavar="NAME", help="Compare with this treatment.  [default: the first]")
@click.option(
    "--where", multiple=True, metavar="KEY=VALUE", help="Use these rows only, such as markup=0.5. Repeatable."
)
@click.option(
    "--smooth", type=click.IntRange(min=1), metavar="N", help="Average so many values of a learning curve."
)
@click.option(
    "--theme", type=click.Choice(["light", "dark", "auto"]), help="[default: auto for .svg, else light]"
)
@click.option("-v", "--verbose", is_flag=True, help="Show the full traceback of an error.")
def plot_command(
    *,
    sources: tuple[str, ...],
    kind: str | None,
    out: Path,
    theme: Any,
    verbose: bool,
    **options: Any,
) -> None:
    """Draw a study, the learning curves of runs, or the network of an env.

    STUDY_OR_RUNS is the directory of a study, or run directories, or for --kind network an env such as
    ./model.py:Market. It needs the extra plot: pip install "phantom-experiments[plot]".
    """
    del verbose  # main() looks at it
    given = {name: value for name, value in options.items() if value not in (None, ())}
    if "where" in given:
        given["where"] = dict(ph.tools.parse_assignment(one) for one in given["where"])
    plot = _plot(sources, kind, given)
    plot.write(out, theme)
    click.echo(f"{plot.title}: {out}")


def _plot(sources: tuple[str, ...], kind: str | None, options: dict[str, Any]) -> Plot:
    are_runs = all((Path(source) / "run.json").is_file() for source in sources)
    is_study = (Path(sources[0]) / "study.json").is_file()
    if kind == "learning" or (kind is None and are_runs):
        from phantom_experiments.learning_curves import plot_learning

        return plot_learning(sources, **_known(options, "learning", {"values", "smooth"}))
    if len(sources) > 1:
        raise ph.errors.ConfigError(
            f"phantom plot was given {ph.tools.listing(sources)}, but only runs are drawn together. Name "
            "one study, "
            "or run directories."
        )
    if kind == "network" or (kind is None and not is_study and ":" in sources[0]):
        return _network(sources[0], options)
    from phantom_experiments.results import Results

    results = Results.open(sources[0])
    if kind in ("heatmap", "differences", "histogram", "rewards") and "values" in options:
        options["value"] = _one(kind, "--value", options.pop("values"))
    if kind == "histogram" and "by" in options:
        options["by"] = _one(kind, "--by", options["by"])
    return results.plot(kind, **options)


def _network(source: str, options: dict[str, Any]) -> Plot:
    from phantom_experiments.network_plot import plot_network

    _known(options, "network", set())
    env_class = ph.tools.load_reference(source, setting="env", folder=Path())
    env = env_class()
    try:
        return plot_network(env)
    finally:
        env.close()


def _known(options: dict[str, Any], kind: str, known: set[str]) -> dict[str, Any]:
    for name in options:
        if name not in known:
            option = "--value" if name == "values" else f"--{name}"
            raise ph.errors.ConfigError(f"The picture {kind!r} has no option {option}. Leave it out.")
    return options


def _one(kind: str, option: str, given: tuple[str, ...]) -> str:
    if len(given) > 1:
        raise ph.errors.ConfigError(
            f"The picture {kind!r} has one {option}, but {ph.tools.listing(given)} were given. Draw several "
            "pictures."
        )
    return given[0]
