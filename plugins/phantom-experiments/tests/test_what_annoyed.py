"""Mistakes that were made in first studies are said at once."""

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import phantom_core as ph
import phantom_experiments as px
from phantom_experiments.simulate_command import simulate_command


class Counting(ph.PhantomEnv):
    """Counts its steps."""

    def __init__(self, num_steps: int = 4, is_slow: bool = False) -> None:  # noqa: FBT001, FBT002  as users write it
        super().__init__(num_steps)
        self.is_slow = is_slow


class TakesAll(Counting):
    def __init__(self, **given: int) -> None:
        super().__init__(**given)  # type: ignore[arg-type]  # whatever comes


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ({"vary": {"num_stepz": [1, 2]}}, "num_stepz"),
        ({"env_config": {"num_stepz": 1}}, "num_stepz"),
        ({"treatments": {"off": {}, "on": {"env_config.num_stepz": 1}}}, "num_stepz"),
    ],
)
def test_a_parameter_that_the_env_does_not_take_is_refused(given: dict[str, object], name: str) -> None:
    with pytest.raises(ph.errors.ConfigError) as caught:
        px.Study(Counting, **given)  # type: ignore[arg-type]  # each is of its own type
    assert str(caught.value) == (
        f"Counting takes no {name!r}. Did you mean 'num_steps'? It takes: 'num_steps', 'is_slow'."
    )


def test_an_env_that_takes_whatever_comes_is_asked_itself() -> None:
    results = px.rollout(TakesAll, wrong=1)
    (row,) = results.episodes
    assert "unexpected keyword argument 'wrong'" in row["error"]


def test_a_treatment_is_not_compared_with_itself() -> None:
    results = px.rollout(Counting, treatments={"slow": {"is_slow": True}})
    with pytest.raises(ph.errors.ConfigError) as caught:
        results.compare("slow")
    assert str(caught.value) == (
        "treatment is 'slow', and so is the baseline. Name another baseline; treatments: 'slow'."
    )


@pytest.mark.parametrize("values", [[2, 3], np.array([2, 3]), ph.ranges.UniformRange(2, 4)])
def test_lists_arrays_and_ranges_are_varied(values: object) -> None:
    results = px.rollout(Counting, num_steps=values)
    assert [row["steps"] for row in results.episodes] == [2, 3]


def test_the_command_line_reduces_as_it_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("counting.py").write_text(
        "import phantom_core as ph\n\nclass Counting(ph.PhantomEnv):\n"
        "    def __init__(self, num_steps=4):\n        super().__init__(num_steps)\n"
    )
    command = ["counting.py:Counting", "--collect", "current_step"]
    for options, expected in (
        ([], 2.5),
        (["--reduce", "last"], 4),
        (["--reduce", "current_step=max"], 4),
        (["--reduce", "current_step=sum"], 10),
    ):
        done = CliRunner().invoke(simulate_command, [*command, *options, "--out", "found.csv"])
        assert done.exit_code == 0, done.output
        assert float(Path("found.csv").read_text().splitlines()[1].rpartition(",")[2]) == expected
