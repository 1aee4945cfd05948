"""§1.16 and §1.17 of the predecessor: nested values, env configs, recorded rollouts."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from enum import Enum
from typing import Any

import numpy as np
import pytest

import phantom as ph
from phantom.utils import (
    check_env_config,
    collect_instances_of_type,
    collect_instances_of_type_with_paths,
    contains_type,
    flatten,
    update_val,
)
from phantom.utils.ranges import LinspaceRange, UniformRange
from phantom.utils.rollout import (
    AgentStep,
    Rollout,
    RolloutJSONEncoder,
    Step,
    rollouts_to_dataframe,
    rollouts_to_jsonl,
)
from phantom.utils.samplers import UniformFloatSampler

ONE, TWO = LinspaceRange(0, 1, 2), UniformRange(0, 3)
Range = ph.utils.Range


@dataclass
class Box:
    content: Any
    other: Any = None


@dataclass(frozen=True)
class Sealed:
    content: Any


class Thing:
    def __init__(self, content: Any) -> None:
        self.content = content


# ---------------------------------------------------------------- nested values


def test_flatten_joins_nested_iterables() -> None:
    assert flatten([1, [2, (3, [4])], "text", []]) == [1, 2, 3, 4, "text"]


@pytest.mark.parametrize(
    "holder", [ONE, [ONE], (1, ONE), {"a": ONE}, Box(ONE), Sealed([ONE]), Thing(ONE), [{"a": (Box(1, ONE),)}]]
)
def test_values_are_found_at_any_depth(holder: Any) -> None:
    assert contains_type(holder, Range)
    assert collect_instances_of_type(Range, holder) == [ONE]


@pytest.mark.parametrize("holder", ["text", 3, None, [1, "a"], {"a": 1}, Box(1), Box, np.zeros(3), [Range]])
def test_values_that_are_not_there_are_not_found(holder: Any) -> None:
    assert not contains_type(holder, Range)


def test_cycles_end() -> None:
    loop: Any = [1]
    loop.append(loop)
    assert not contains_type(loop, Range)
    assert collect_instances_of_type(Range, [loop, ONE]) == [ONE]


def test_instances_are_collected_once_and_into_a_given_list() -> None:
    found = [TWO]
    assert collect_instances_of_type(Range, [ONE, {"a": ONE, "b": TWO}], found) is found
    assert found == [TWO, ONE]


def test_paths_lead_to_every_place_of_an_instance() -> None:
    holder = [ONE, {"a": (TWO, Box(ONE))}, Thing(TWO)]
    assert collect_instances_of_type_with_paths(Range, holder) == [
        (ONE, [[0], [1, (True, "a"), 1, (False, "content")]]),
        (TWO, [[1, (True, "a"), 0], [2, (False, "content")]]),
    ]


def test_values_are_put_at_paths() -> None:
    holder: Any = [ONE, {"a": (TWO, Box(ONE), Sealed(ONE))}, Thing(TWO)]
    for _, paths in collect_instances_of_type_with_paths(Range, holder):
        for path in paths:
            update_val(holder, path, 7)
    assert holder[0] == 7
    assert holder[1] == {"a": (7, Box(7), Sealed(7))}
    assert holder[2].content == 7


def test_an_env_config_for_training_holds_no_ranges() -> None:
    check_env_config(
        {
            "a": 1,
            "env_supertype": Box(UniformFloatSampler()),
            "agent_supertypes": {"x": Box(UniformFloatSampler())},
        }
    )
    with pytest.raises(Exception, match=r"env_config\['a'\] holds the range") as caught:
        check_env_config({"a": [Box(ONE)]})
    assert type(caught.value) is Exception
    with pytest.raises(Exception, match=r"env_config\['env_supertype'\] holds the range"):
        check_env_config({"env_supertype": Box(ONE)})


def test_samplers_are_for_supertypes_only() -> None:
    with pytest.raises(Exception, match=r"env_config\['b'\] holds the sampler") as caught:
        check_env_config({"b": Box(UniformFloatSampler())})
    assert type(caught.value) is Exception


def test_a_missing_hash_seed_is_told_in_yellow(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PYTHONHASHSEED", "1")
    ph.utils.show_pythonhashseed_warning()
    assert capsys.readouterr().out == ""
    monkeypatch.delenv("PYTHONHASHSEED")
    ph.utils.show_pythonhashseed_warning()
    assert capsys.readouterr().out.startswith("\033[33mPYTHONHASHSEED is not set")


# ---------------------------------------------------------------- rollouts


def step_of(i: int, stage: Any = None, **parts: Any) -> Step:
    empty: Any = {
        name: {} for name in ("observations", "rewards", "terminations", "truncations", "infos", "actions")
    }
    return Step(i, **{**empty, **parts}, stage=stage)


def rollout_of(*steps: Step, **options: Any) -> Rollout:
    return Rollout(0, 0, {}, options.get("params", {}), list(steps), options.get("metrics", {}))


PLAYED = rollout_of(
    step_of(
        0,
        "A",
        observations={"x": 1, "y": 5},
        rewards={"x": 0.5, "y": None},
        terminations={"x": False, "y": True},
        truncations={"x": False, "y": False},
        infos={"x": {"i": 1}},
        actions={"x": "up", "y": "up"},
    ),
    step_of(
        1, "B", observations={"x": 2}, rewards={"x": 1.5}, truncations={"x": True}, actions={"x": "down"}
    ),
    step_of(2, "A", rewards={"y": 2.0}, actions={"x": "up"}),
)


def test_one_entry_per_step_and_agent() -> None:
    assert PLAYED.observations_for_agent("x") == [1, 2, None]
    assert PLAYED.rewards_for_agent("y") == [None, None, 2.0]
    assert PLAYED.terminations_for_agent("y") == [True, None, None]
    assert PLAYED.truncations_for_agent("x") == [False, True, None]
    assert PLAYED.infos_for_agent("x") == [{"i": 1}, None, None]
    assert PLAYED.actions_for_agent("y") == ["up", None, None]


def test_steps_without_a_value_can_be_dropped() -> None:
    assert PLAYED.observations_for_agent("x", drop_nones=True) == [1, 2]
    assert PLAYED.rewards_for_agent("y", drop_nones=True) == [2.0]  # a reward that is None too


def test_stages_filter_the_steps() -> None:
    assert PLAYED.observations_for_agent("x", stages=["A"]) == [1, None]
    assert PLAYED.rewards_for_agent("x", drop_nones=True, stages=["B", "C"]) == [1.5]
    assert PLAYED.steps_for_agent("x", stages=["B"]) == [AgentStep(1, 2, 1.5, True, None, "down", "B")]


def test_the_steps_of_one_agent() -> None:
    assert PLAYED.steps_for_agent("y") == [
        AgentStep(0, 5, None, True, None, "up", "A"),
        AgentStep(1, None, None, False, None, None, "B"),
        AgentStep(2, None, 2.0, False, None, None, "A"),
    ]


def test_actions_are_counted_the_most_frequent_first() -> None:
    assert PLAYED.count_actions() == [("up", 3), ("down", 1)]
    assert PLAYED.count_actions(stages=["B"]) == [("down", 1)]
    assert PLAYED.count_agent_actions("x") == [("up", 2), ("down", 1)]
    assert PLAYED.count_agent_actions("y") == [("up", 1)]  # steps without an action do not count


def test_arrays_and_dicts_are_counted_too() -> None:
    actions = [np.array([1, 2]), np.array([1, 2]), {"a": [1]}, np.array([3, 4])]
    counted = rollout_of(
        *(step_of(i, actions={"x": action}) for i, action in enumerate(actions))
    ).count_actions()
    assert [number for _, number in counted] == [2, 1, 1]
    assert counted[0][0].tolist() == [1, 2]


def test_a_step_is_reached_by_its_number() -> None:
    assert PLAYED[1].i == 1
    assert PLAYED[-1].i == 2
    with pytest.raises(KeyError, match="Index 3 is no step of a rollout with 3 steps"):
        _ = PLAYED[3]


class Side(Enum):
    BUY = 1


def test_rollouts_are_written_as_lines_of_json() -> None:
    strange = rollout_of(
        step_of(
            0,
            Side.BUY,
            observations={("a", 1): np.arange(2), Side.BUY: (np.float32(0.5),)},
            actions={3: np.int64(7)},
            infos={"x": {"box": Sealed(np.bool_(True))}},
        ),
        metrics={"m": ph.metrics.not_recorded},
    )
    file = io.StringIO()
    rollouts_to_jsonl([strange, strange], file)
    lines = file.getvalue().splitlines()
    assert len(lines) == 2
    written = json.loads(lines[0])
    assert written["metrics"] == {"m": "<NotRecorded>"}
    assert written["steps"][0]["observations"] == {"('a', 1)": [0, 1], "Side.BUY": [0.5]}
    assert written["steps"][0]["actions"] == {"3": 7}
    assert written["steps"][0]["infos"] == {"x": {"box": {"content": True}}}
    readable = io.StringIO()
    rollouts_to_jsonl([PLAYED], readable, human_readable=True)
    assert readable.getvalue().startswith('{\n  "rollout_id": 0')
    assert json.loads(json.dumps({"x": np.arange(2), "y": Sealed(1)}, cls=RolloutJSONEncoder)) == {
        "x": [0, 1],
        "y": {"content": 1},
    }


def measured(params: dict[str, Any], **metrics: Any) -> Rollout:
    return rollout_of(params=params, metrics=metrics)


def test_a_table_needs_pandas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pandas", None)
    with pytest.raises(ImportError, match="pip install pandas"):
        rollouts_to_dataframe([])


@pytest.mark.integration
def test_rollouts_become_a_table_of_means() -> None:
    pytest.importorskip("pandas", reason="pandas is not installed: run make check-integrations")
    rollouts = [
        measured({"p": 0.123}, a=1.0, b=np.array([1.0, 2.0])),
        measured({"p": 0.123}, a=3.0, b=np.array([3.0, 4.0])),
        measured({"p": 0.5}, a=5.0, b=np.array([1.0])),
    ]
    table = rollouts_to_dataframe(iter(rollouts), index_value_precision=1)
    assert (table.index.name, table.index.tolist()) == ("p", [0.1, 0.5])
    assert table["a"].tolist() == [2.0, 5.0]
    assert table["b"][0.1].tolist() == [2.0, 3.0]
    every = rollouts_to_dataframe(rollouts, avg_over_repeats=False)
    assert every["a"].tolist() == [1.0, 3.0, 5.0]


@pytest.mark.integration
def test_tables_of_unusual_rollouts() -> None:
    pytest.importorskip("pandas", reason="pandas is not installed: run make check-integrations")
    assert len(rollouts_to_dataframe([])) == 0
    arrays = [measured({"p": np.array([n]), "q": "x"}, a=float(n)) for n in (1, 1, 2)]
    table = rollouts_to_dataframe(arrays)
    assert table.index.tolist() == [(1, "x"), (2, "x")]
    assert rollouts_to_dataframe([measured({}, a=1.0), measured({}, a=2.0)])["a"].tolist() == [1.5]
    unequal = [measured({"p": 1}, a=np.array([1.0, 2.0])), measured({"p": 1}, a=np.array([6.0]))]
    assert rollouts_to_dataframe(unequal)["a"].tolist() == [3.0]
    texts = [measured({"p": 1}, a="low"), measured({"p": 1}, a="high")]
    assert rollouts_to_dataframe(texts)["a"].tolist() == ["low"]


# ---------------------------------------------------------------- progress


def test_progress_follows_what_is_iterated_over() -> None:
    rich_console = pytest.importorskip("rich.console")
    progress = ph.utils.rich_progress("T")
    progress.live.console = rich_console.Console(file=io.StringIO(), force_terminal=True, width=100)
    with progress:
        assert list(progress.track(range(3))) == [0, 1, 2]
        done = progress.tasks[0]
    assert (done.completed, done.total) == (3, 3)


def test_progress_has_no_rate_at_first_and_then_the_newest() -> None:
    rich_console = pytest.importorskip("rich.console")
    console = rich_console.Console(file=io.StringIO(), width=100)
    now = [0.0]
    progress = ph.utils.rich_progress("T")
    progress.get_time = lambda: now[0]
    number = progress.add_task("", total=8)

    def shown() -> str:
        with console.capture() as captured:
            console.print(progress.make_tasks_table(progress.tasks))
        text: str = captured.get()
        return text

    assert shown().startswith("T ")
    assert "it/s" not in shown()
    progress.advance(number, 1)
    now[0] = 2.0
    progress.advance(number, 3)
    assert " 4/8 1.50 it/s " in shown()
