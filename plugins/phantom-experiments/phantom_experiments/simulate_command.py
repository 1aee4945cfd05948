"""`phantom simulate MODEL`."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import click

import phantom_core as ph
from phantom_experiments.collecting import parse_collect
from phantom_experiments.designs import parse_values, product
from phantom_experiments.over_agents import selected
from phantom_experiments.results import Results
from phantom_experiments.study import Study
from phantom_experiments.task_plans import Precision, precision

_COUNT: Final = click.IntRange(min=1)


@click.command("simulate")
@click.argument("model")
@click.option(
    "--vary",
    "variations",
    multiple=True,
    metavar="NAME=VALUES",
    help="Vary a setting of the env: num_buyers=3,10,30, or markup=0:1:5 for 5 values from 0 to 1. "
    "Repeatable.",
)
@click.option(
    "--set",
    "assignments",
    multiple=True,
    metavar="NAME=VALUE",
    help="Set a setting of the env. Repeatable.",
)
@click.option("--seeds", type=_COUNT, default=1, show_default=True, metavar="N", help="How many seeds.")
@click.option(
    "--episodes",
    type=_COUNT,
    default=1,
    show_default=True,
    metavar="N",
    help="How many episodes of each seed.",
)
@click.option("--max-steps", type=_COUNT, metavar="N", help="Cut episodes off after so many steps.")
@click.option(
    "--collect",
    "collected",
    multiple=True,
    metavar="[NAME=]WHAT",
    help="Record price (of the env), Household.wealth (of each), info.score or gini(Household.wealth). "
    "Repeatable.",
)
@click.option(
    "--reduce",
    "reductions",
    multiple=True,
    metavar="[NAME=]HOW",
    help="How a value becomes one for each episode: mean, last, sum, min or max. Repeatable.  "
    "[default: mean]",
)
@click.option("--every", type=_COUNT, default=1, show_default=True, metavar="N", help="Record every N steps.")
@click.option(
    "--burn-in", type=click.IntRange(min=0), default=0, show_default=True, metavar="N",
    help="Record none of the first N steps.",
)  # fmt: skip
@click.option("--until", type=_COUNT, metavar="STEP", help="The last step to record.")
@click.option("--no-steps", is_flag=True, help="Leave out the table of steps, which is the largest.")
@click.option(
    "--policy",
    "policies",
    multiple=True,
    metavar="AGENTS=POLICY",
    help="Let agents play another policy: those of a policy of the run or run file, of a class, or one by "
    "its id: Shop=random. Repeatable.",
)
@click.option(
    "--precision",
    "wanted",
    metavar="NAME=ERROR",
    help="Stop when the mean of a value has this standard error; --seeds is the most.",
)
@click.option(
    "--treatment",
    "treatments",
    multiple=True,
    metavar="NAME:KEY=VALUE,...",
    help="Compare a world in which this is set. Repeatable; the world without is called base.",
)
@click.option("--independent", is_flag=True, help="Give each point and treatment its own random numbers.")
@click.option("--workers", type=_COUNT, metavar="N", help="How many processes.  [default: 1]")
@click.option("--executor", default="local", show_default=True, metavar="NAME", help="Where it is played.")
@click.option(
    "-o",
    "--out",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="A study directory, which an interrupted study goes on in; or a table: .csv, .jsonl or another.",
)
@click.option("--trust", is_flag=True, help="Import all that a run names, though it was not written here.")
@click.option("-v", "--verbose", is_flag=True, help="Show the full traceback of an error.")
def simulate_command(
    *,
    model: str,
    variations: tuple[str, ...],
    assignments: tuple[str, ...],
    seeds: int,
    episodes: int,
    max_steps: int | None,
    collected: tuple[str, ...],
    reductions: tuple[str, ...],
    every: int,
    burn_in: int,
    until: int | None,
    no_steps: bool,
    policies: tuple[str, ...],
    wanted: str | None,
    treatments: tuple[str, ...],
    independent: bool,
    workers: int | None,
    executor: str,
    out: Path | None,
    trust: bool,
    verbose: bool,
) -> int:
    """Simulate MODEL over a grid and seeds, without learning.

    MODEL is ./file.py:Class, package.module:Class, a registered name, a run file, or a run directory, for the
    policies that it trained. The exit code is 0 if every episode was played, and 1 if some raised.
    """
    del verbose  # main() looks at it
    study = Study(
        model,
        product({name: parse_values(text) for name, text in _split("--vary", variations)}),
        seeds=seeds,
        treatments=_treatments(treatments),
        collect=parse_collect(
            collected,
            every=every,
            burn_in=burn_in,
            until=until,
            steps=not no_steps,
            reduce=_reductions(reductions),
        ),
        env_config=dict(map(ph.tools.parse_assignment, assignments)),
        episodes=episodes,
        max_steps=max_steps,
        common_random_numbers=not independent,
        trust=trust,
    )
    is_table = out is not None and out.suffix != ""
    directory = Path(tempfile.mkdtemp(prefix="study-")) if out is None or is_table else out
    try:
        results = study.simulate(
            _policies(policies, study.model.policies),
            workers=workers,
            out=directory,
            executor=executor,
            until=_precision(wanted),
        )
        if is_table:
            results.write(str(out))
        click.echo(_report(results, out))
        return 1 if any("error" in row for row in results.episodes) else 0
    finally:
        if directory != out:
            shutil.rmtree(directory, ignore_errors=True)


def _split(option: str, texts: Sequence[str]) -> list[tuple[str, str]]:
    pairs = []
    for text in texts:
        name, equals, value = (part.strip() for part in text.partition("="))
        if not equals or not name or not value:
            example = {"--vary": "num_buyers=3,10,30", "--policy": "Shop=random", "--precision": "price=0.01"}
            example["--reduce"] = "price=last"
            raise ph.errors.ConfigError(f"{option} {text!r} has no value. Expected {example[option]}.")
        pairs.append((name, value))
    return pairs


def _reductions(texts: Sequence[str]) -> Any:
    """Return how values are reduced: all alike, or by name."""
    if len(texts) == 1 and "=" not in texts[0]:
        return texts[0]
    return dict(_split("--reduce", texts)) or None


def _policies(texts: Sequence[str], known: ph.PolicyMapping) -> dict[str, Any] | None:
    """Return the policies that the command line names, by the id of a policy of the model, or by agents.

    Agents that are named leave the policy of the model that they have.
    """
    chosen = dict(_split("--policy", texts))
    named = {name: _Named(name) for name in chosen if name not in known}
    found: dict[str, Any] = {name: (chosen[name], agents) for name, agents in named.items()}
    for policy_id, own in known.items():
        spec = own if isinstance(own, ph.PolicySpec) else _spec_of_pair(own)
        agents = _Others(policy_id, spec.agents, list(named.values())) if named else spec.agents
        if policy_id in chosen:
            found[policy_id] = chosen[policy_id], agents
        elif named and spec.policy is not None:
            found[policy_id] = replace(spec, agents=agents)
    return found or None


def _spec_of_pair(pair: Any) -> ph.PolicySpec:
    """Return the specification of a policy of a run: the policy, and its agents."""
    policy, agents = pair
    return ph.PolicySpec(policy=policy, agents=agents)


class _Named:
    """Selects the agents of a class by its name, or one by its id."""

    def __init__(self, name: str) -> None:
        self.name = self.__name__ = name  # as messages call it

    def __call__(self, agent: ph.Agent) -> bool:
        """Return whether an agent is meant."""
        return str(agent.id) == self.name or any(base.__name__ == self.name for base in type(agent).__mro__)


class _Others:
    """Selects the agents of a policy, but for those that are named."""

    def __init__(self, policy_id: str, agents: Any, named: Sequence[_Named]) -> None:
        self._agents, self._named = agents, named
        self.__name__ = f"{policy_id} without {', '.join(one.name for one in named)}"

    def __call__(self, agent: ph.Agent) -> bool:
        """Return whether an agent is meant."""
        return bool(selected({agent.id: agent}, self._agents)) and not any(one(agent) for one in self._named)


def _precision(text: str | None) -> Precision | None:
    if text is None:
        return None
    ((name, error),) = _split("--precision", [text])
    return precision(name, ph.tools.parse_assignment(f"error={error}")[1])


def _treatments(texts: Sequence[str]) -> dict[str, Any] | None:
    if not texts:
        return None
    found: dict[str, Any] = {"base": {}}
    for text in texts:
        name, colon, changes = text.partition(":")
        if not colon:
            raise ph.errors.ConfigError(
                f"--treatment {text!r} changes nothing. Expected a name and settings: taxed:tax=0.1."
            )
        found[name] = dict(ph.tools.parse_assignment(change) for change in changes.split(","))
    return found


def _report(results: Results, out: Path | None) -> str:
    failed = sum("error" in row for row in results.episodes)
    total = sum(1 for _ in results.episodes)
    parts = [str(results.summary())]
    if failed:
        parts.append(f"{failed:,} of {total:,} episodes raised; their rows have the error.")
    if out is not None:
        parts.append(f"{total:,} {'episode' if total == 1 else 'episodes'} in {out}")
    return "\n".join(parts)
