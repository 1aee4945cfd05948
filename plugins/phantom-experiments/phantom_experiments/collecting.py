"""`collect`: what a study records: values of the env, of agents and of infos, and when."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Any, Final, Literal, TypeAlias, cast, get_args

import numpy as np

import phantom_core as ph
from phantom_experiments import over_agents
from phantom_experiments.over_agents import CollectError, Selection, missing_attribute, selection_text

Source: TypeAlias = str | Callable[[Any], Any] | ph.Metric
"""An attribute, with dots if it is one of an attribute; a function; of the env also a metric."""

Reduction: TypeAlias = Literal["mean", "last", "sum", "min", "max"]
"""How the recorded values of an episode become one."""

MISSING: Final = object()
"""What a reader returns where there is no value."""

KEYS: Final = (
    "point",
    "treatment",
    "seed",
    "episode",
    "episode_seed",
    "step",
    "steps",
    "mean_reward",
    "agent",
    "class",
    "reward",
    "error",
)
"""Names of columns that no value may have."""


@dataclass(frozen=True)
class info:  # noqa: N801  called like a function
    """An entry of the infos that a step returns, such as those of a Gymnasium env; no value where it is not.

    Attributes:
        key: the entry.
        agent: whose info; None: of the first agent that has the entry.
    """

    key: str
    agent: ph.AgentID | None = None

    def read(self, result: ph.StepResult) -> Any:
        """Return the entry, or `MISSING`."""
        infos = result.infos if self.agent is None else {0: result.infos.get(self.agent, {})}
        return next((one[self.key] for one in infos.values() if self.key in one), MISSING)


@dataclass(frozen=True)
class Collect:
    """What a study records; made by `collect`.

    Attributes:
        env: values of the env by name.
        agents: values of agents: whose, and by name.
        every: every so many steps are recorded, the first one `burn_in` + `every`.
        burn_in: so many steps at the beginning are not recorded.
        until: the last step that is recorded; None: that of the episode.
        reduce: how values become one for an episode, by name; the others are averaged.
        steps: whether the table of steps is written.
        units: the units of values, by name.
    """

    env: Mapping[str, Source | info] = field(default_factory=dict)
    agents: Sequence[tuple[Selection, Mapping[str, Source]]] = ()
    every: int = 1
    burn_in: int = 0
    until: int | None = None
    reduce: Mapping[str, Reduction] = field(default_factory=dict)
    steps: bool = True
    units: Mapping[str, str] = field(default_factory=dict)

    def description(self) -> dict[str, Any]:
        """Return what `study.json` says of it."""
        return {
            "env": {name: source_text(source) for name, source in self.env.items()},
            "agents": [
                [selection_text(selection), {name: source_text(source) for name, source in values.items()}]
                for selection, values in self.agents
            ],
            "every": self.every,
            "burn_in": self.burn_in,
            "until": self.until,
            "reduce": dict(self.reduce),
            "steps": self.steps,
        }


def collect(
    env: Mapping[str, Source | info] | Sequence[str] | None = None,
    agents: Mapping[Any, Mapping[str, Source] | Sequence[str]] | None = None,
    *,
    every: int = 1,
    burn_in: int = 0,
    until: int | None = None,
    reduce: Mapping[str, Reduction] | Reduction | None = None,
    steps: bool = True,
    units: Mapping[str, str] | None = None,
) -> Collect:
    """Say what a study records.

    Values are read after a step. Those of the env are in the table of steps, and reduced to one in that of
    episodes; those of agents are reduced to one in that of agents. The reward of an agent that acts is always
    recorded, as the sum over the episode.

    Args:
        env: values of the env by name: an attribute (`"market.price"`), a function of the env, a `ph.Metric`,
            `px.info("key")`, or a value over agents, such as `px.gini(Household, "wealth")`; or a list of
            attributes. Numbers, texts, booleans and arrays.
        agents: values of agents by name, or a list of attributes, for each selection: a class, the name of
            one, an id, a tuple of ids or a predicate.
        every: record every so many steps: with 10 and no burn-in, steps 10, 20 and so on.
        burn_in: record none of the first so many steps. Step 1 is the first one.
        until: the last step to record; None for all. The episode goes on.
        reduce: how the recorded values of an episode become one: `"mean"`, `"last"`, `"sum"`, `"min"` or
            `"max"`, for all or by name. By default numbers and arrays are averaged, and of other values the
            last one is taken. A metric reduces its values itself, with its mode `"train"`.
        steps: whether to write the table of steps, which is by far the largest.
        units: units by name, for axes.

    Raises:
        ConfigError: if an argument is not what it should be.

    >>> collect(env=["price"], every=10, burn_in=100).env
    {'price': 'price'}
    """
    for name, number, least in (("every", every, 1), ("burn_in", burn_in, 0), ("until", until, burn_in + 1)):
        is_whole = isinstance(number, int) and not isinstance(number, bool)
        if not (number is None and name == "until") and not (is_whole and cast("int", number) >= least):
            raise ph.errors.ConfigError(
                f"collect got {name}={number!r}. Expected an integer of at least {least}."
            )
    of_env = dict(_sources("env", env if env is not None else {}))
    of_agents = [(selection, dict(_sources("agents", own))) for selection, own in (agents or {}).items()]
    for name in (*of_env, *(name for _, own in of_agents for name in own)):
        if not isinstance(name, str) or name in KEYS:
            raise ph.errors.ConfigError(
                f"A value is called {name!r}, which is the name of a column already. Choose another name: "
                f"{{'my_{name}': …}}."
            )
    names = {*of_env, *(name for _, own in of_agents for name in own)}
    return Collect(
        of_env, of_agents, every, burn_in, until, _reductions(reduce, names), steps, dict(units or {})
    )


def _sources(setting: str, given: Any) -> Mapping[str, Any]:
    sources = {name: name for name in given} if isinstance(given, (list, tuple)) else given
    if not isinstance(sources, Mapping):
        raise ph.errors.ConfigError(
            f"collect got {setting}={given!r}. Expected values by name, such as {{'price': 'market.price'}}, "
            "or a list of attributes."
        )
    for name, source in sources.items():
        is_metric = isinstance(source, (ph.Metric, info)) and setting == "env"
        if (
            not (isinstance(source, str) and all(source.split(".")))
            and not callable(source)
            and not is_metric
        ):
            raise ph.errors.ConfigError(
                f"collect cannot read {name!r} from {source!r}. Expected an attribute, such as "
                "'market.price', or a function"
                + (", a ph.Metric or px.info('key')." if setting == "env" else " of an agent.")
            )
    return sources


def _reductions(given: Any, names: set[str]) -> dict[str, Reduction]:
    by_name: dict[str, Any] = dict(given or {}) if not isinstance(given, str) else {}
    by_name |= dict.fromkeys(sorted(names), given) if isinstance(given, str) else {}
    for name, reduction in by_name.items():
        if name not in names:
            raise ph.errors.ConfigError(
                f"collect got reduce={given!r}, but no value is called {name!r}."
                f"{ph.tools.did_you_mean(name, names)} There are: {ph.tools.listing(sorted(names))}."
            )
        if reduction not in get_args(Reduction):
            raise ph.errors.ConfigError(
                f"collect got the reduction {reduction!r} of {name!r}. Expected one of: "
                f"{ph.tools.listing(get_args(Reduction))}."
            )
    return by_name


def source_text(source: object) -> str:
    """Return what files call a source: an attribute, the name of a function, or how it was made."""
    if isinstance(source, over_agents.OverAgents):
        rest = [value for name, value in vars(source).items() if name not in ("agents", "attribute")]
        inner = ", ".join([f"{selection_text(source.agents)}.{source.attribute}", *map(str, rest)])
        return f"{type(source).__name__}({inner})"
    if isinstance(source, (str, ph.Metric, info)):
        return str(source)
    return str(getattr(source, "__qualname__", type(source).__name__))


def reader(source: Source | info) -> Callable[[Any, Any], Any]:
    """Return what reads a source of an owner (an env or an agent), given the result of the step."""
    if isinstance(source, str):
        read = attrgetter(source)

        def attribute(owner: Any, _: Any) -> Any:
            try:
                return read(owner)
            except AttributeError as error:
                raise missing_attribute(source, owner, error) from None

        return attribute
    if isinstance(source, info):
        return lambda _, result: source.read(result)
    if isinstance(source, ph.Metric):
        return lambda env, _: _metric_value(source, env)
    return lambda owner, _: source(owner)


def _metric_value(metric: ph.Metric, env: Any) -> Any:
    values: dict[str, list[Any]] = {}
    ph.metrics.record_metrics(env, {"value": metric}, values)
    return values["value"][0] if values else MISSING


def reduced(name: str, source: Source | info, values: Sequence[Any], reduction: Reduction | None) -> Any:
    """Return one value for those of an episode, at least one; `MISSING` if a metric has none.

    Raises:
        CollectError: if they cannot be reduced that way.
    """
    if reduction is None and isinstance(source, ph.Metric):
        return ph.metrics.reduce_metrics({name: source}, {name: values}, "train").get(name, MISSING)
    last = values[-1]
    if reduction == "last" or (
        reduction is None and not isinstance(last, (int, float, np.ndarray, np.generic))
    ):
        return last
    try:
        if isinstance(last, np.ndarray):
            return _REDUCE_ARRAYS[reduction or "mean"](np.stack(values), axis=0)
        if reduction is None or reduction == "mean":
            return sum(values) / len(values)
        return _REDUCE_NUMBERS[reduction](values)
    except (TypeError, ValueError) as error:
        raise CollectError(
            f"The {reduction or 'mean'} of {name!r} over the steps cannot be taken of "
            f"{ph.tools.listing(values[:3])}: {error}. Collect numbers or arrays of one shape, or say "
            f"reduce={{{name!r}: 'last'}}."
        ) from error


_REDUCE_NUMBERS: Final[Mapping[str, Callable[[Any], Any]]] = {"sum": sum, "min": min, "max": max}
_REDUCE_ARRAYS: Final[Mapping[str, Callable[..., Any]]] = {
    "mean": np.mean,
    "sum": np.sum,
    "min": np.min,
    "max": np.max,
}


def plain(value: Any) -> Any:
    """Return a value as tables hold it: a number, text, bool, None or an array; anything else as its repr."""
    kind = type(value)
    if kind in _PLAIN:
        return value
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, np.ndarray):
        return value.copy() if value.dtype.kind in "biuf" else value.astype(str)
    if isinstance(value, (list, tuple)):
        return plain(np.asarray(value))
    if isinstance(value, (bool, int, float, str)):
        return value
    return repr(value)


_PLAIN: Final = frozenset({int, float, bool, str, type(None)})


def parse_collect(texts: Sequence[str], **settings: Any) -> Collect:
    """Return what the texts of `phantom simulate --collect` say.

    `price` or `p=market.price` is an attribute of the env, `Household.wealth` one of each agent of a class or
    with an id, `info.score` an entry of infos, and `gini=gini(Household.wealth)` a value over agents.

    Raises:
        ConfigError: if a text says something else.
    """
    env: dict[str, Any] = {}
    agents: dict[str, dict[str, str]] = {}
    for text in texts:
        name, _, source = (part.strip() for part in text.rpartition("="))
        called = re.fullmatch(r"(\w+)\((?:([^().,]+)\.([\w.]+))((?:\s*,\s*[-\w.]+)*)\)", source)
        if called:
            env[name or f"{called[1]}_{called[3]}"] = _called(text, called)
        elif re.fullmatch(r"[A-Z]\w*\.[\w.]+", source):
            selection, _, attribute = source.partition(".")
            agents.setdefault(selection, {})[name or attribute] = attribute
        elif source.startswith("info."):
            env[name or source.removeprefix("info.")] = info(source.removeprefix("info."))
        elif re.fullmatch(r"[^\W\d][\w.]*", source):
            env[name or source] = source
        else:
            raise ph.errors.ConfigError(
                f"--collect {text!r} says nothing that can be collected. Expected an attribute of the env "
                "(price), of agents (Household.wealth), of infos (info.score) or a value over agents "
                "(gini(Household.wealth)), with a name before = if need be."
            )
    return collect(env=env, agents=agents, **settings)


def _called(text: str, found: re.Match[str]) -> Callable[[Any], Any]:
    function, selection, attribute, rest = found.groups()
    kinds = {kind.__name__: kind for kind in over_agents.OverAgents.__subclasses__()}
    if function not in kinds:
        raise ph.errors.ConfigError(
            f"--collect {text!r}: there is no {function!r}.{ph.tools.did_you_mean(function, kinds)} Expected "
            f"one of: {ph.tools.listing(sorted(kinds))}."
        )
    numbers = [ph.tools.parse_assignment(f"x={part}")[1] for part in rest.split(",") if part.strip()]
    if function == "histogram" and len(numbers) == 3:  # noqa: PLR2004  bins, low, high
        numbers = [numbers[0], (numbers[1], numbers[2])]
    try:
        return kinds[function](selection.strip(), attribute, *numbers)  # type: ignore[return-value]  # each can be called
    except TypeError as error:
        raise ph.errors.ConfigError(
            f"--collect {text!r}: {error}. Expected {function}(Class.attribute)."
        ) from error
