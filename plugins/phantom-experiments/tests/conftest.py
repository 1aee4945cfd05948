"""A study directory that tests of results read, with numbers that can be summed by hand."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

import phantom_experiments as px
from phantom_experiments.store import StudyStore, encode_rows

WriteStudy = Callable[..., px.Results]


@pytest.fixture
def write_study(tmp_path: Path) -> WriteStudy:
    """Write a study directory with these rows, and open its results."""

    def write(
        episodes: Sequence[Mapping[str, Any]] = (),
        agents: Sequence[Mapping[str, Any]] = (),
        steps: Sequence[Mapping[str, Any]] = (),
        *,
        points: Sequence[Mapping[str, Any]] = ({},),
        treatments: Sequence[str] = ("off",),
        **header: Any,
    ) -> px.Results:
        rows = {"episodes": episodes, "agents": agents, "steps": steps}
        seeds = sorted({row["seed"] for row in [*episodes, *agents, *steps]})
        facts = {
            "env": "market.py:Market",
            "parameters": list(points[0]),
            "points": list(points),
            "treatments": list(treatments),
            "seeds": seeds,
            "episodes": 1,
            "common_random_numbers": True,
        }
        store = StudyStore.create(tmp_path / "study", facts | header)
        store.write({table: encode_rows(of_table) for table, of_table in rows.items()})
        store.close("completed")
        return px.Results.open(tmp_path / "study")

    return write


@pytest.fixture
def prices(write_study: WriteStudy) -> px.Results:
    """Two points, treatments, seeds and episodes; the rule adds 1, 3 and 2, 2; twice that at point 1."""
    added = {(1, 0): 1.0, (1, 1): 3.0, (2, 0): 2.0, (2, 1): 2.0}
    episodes = []
    for point in (0, 1):
        for treatment in ("off", "rule"):
            for seed in (1, 2):
                for episode in (0, 1):
                    price = 10.0 * point + seed + episode
                    price += added[seed, episode] * (treatment == "rule") * (point + 1)
                    episodes.append(
                        {
                            "point": point,
                            "treatment": treatment,
                            "seed": seed,
                            "episode": episode,
                            "episode_seed": 100 * seed + episode,
                            "steps": 3,
                            "price": price,
                        }
                    )
    return write_study(
        episodes,
        points=[{"markup": 0.0}, {"markup": 0.3}],
        treatments=["off", "rule"],
        units={"price": "EUR"},
    )
