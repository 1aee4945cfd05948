"""Tables as data frames of pandas, polars and xarray, where these libraries are installed."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import phantom_core as ph
import phantom_experiments as px

pytestmark = pytest.mark.integration
for name in ("pandas", "polars", "pyarrow", "xarray"):
    pytest.importorskip(name, reason=f"{name} is not installed: run make check-integrations")

WriteStudy = Callable[..., px.Results]


def rows_of(points: int, **more: Any) -> list[dict[str, Any]]:
    return [
        {
            "point": point,
            "treatment": treatment,
            "seed": seed,
            "episode": 0,
            "price": 100.0 * point + seed,
            **more,
        }
        for point in range(points)
        for treatment in ("off", "on")
        for seed in (1, 2, 3)
        if (point, treatment, seed) != (0, "off", 1)
    ]


def test_pandas_and_polars_have_the_columns(write_study: WriteStudy) -> None:
    results = write_study(
        rows_of(2, wealth=np.arange(2)), points=[{"m": 0.0}, {"m": 1.0}], treatments=["off", "on"]
    )
    pandas, polars = results.to_pandas(), results.to_polars()
    assert list(pandas.columns) == list(polars.columns) == list(results.episodes.columns)
    assert pandas.groupby("treatment")["price"].sum().to_dict() == {"off": 308.0 + 3, "on": 312.0}
    assert polars["price"].sum() == 623.0
    assert pandas["wealth"][0].tolist() == polars["wealth"][0].to_list() == [0, 1]


def test_parquet_comes_back(write_study: WriteStudy, tmp_path: Path) -> None:
    import pyarrow.parquet

    results = write_study(rows_of(1, wealth=np.arange(2)), treatments=["off", "on"])
    found = pyarrow.parquet.read_table(results.write(tmp_path / "t.parquet")).to_pydict()
    assert found["price"] == results.episodes["price"].tolist()
    assert found["wealth"][0] == [0, 1]


def test_the_parameters_of_a_full_product_are_dimensions(write_study: WriteStudy) -> None:
    points = [{"a": a, "b": b} for a in (1, 2) for b in (0.0, 0.5, 1.0)]
    results = write_study(rows_of(6), points=points, treatments=["off", "on"], units={"price": "EUR"})
    found = results.to_xarray()
    assert dict(found.sizes) == {"a": 2, "b": 3, "treatment": 2, "seed": 3, "episode": 1}
    assert float(found["price"].sel(a=2, b=0.5, treatment="on", seed=3, episode=0)) == 403.0
    assert np.isnan(float(found["price"].sel(a=1, b=0.0, treatment="off", seed=1, episode=0)))
    assert found["price"].attrs == {"units": "EUR"}


def test_the_parameters_of_other_points_are_coordinates_along_the_point(write_study: WriteStudy) -> None:
    results = write_study(rows_of(2), points=[{"a": 1, "b": 7}, {"a": 2, "b": 8}], treatments=["off", "on"])
    found = results.to_xarray()
    assert dict(found.sizes) == {"point": 2, "treatment": 2, "seed": 3, "episode": 1}
    assert found["b"].values.tolist() == [7, 8]
    assert float(found["price"].sel(point=1, treatment="off", seed=2, episode=0)) == 102.0


def test_steps_have_a_dimension_and_classes_are_coordinates_along_the_agents(write_study: WriteStudy) -> None:
    keys = {"point": 0, "treatment": "off", "seed": 1, "episode": 0}
    steps = [{**keys, "step": step, "price": 1.0 * step} for step in (10, 20)]
    agents = [
        {**keys, "agent": name, "class": kind, "w": np.ones(2)}
        for name, kind in (("A", "Firm"), ("B", "Bank"))
    ]
    results = write_study(steps=steps, agents=agents)
    assert results.to_xarray("steps")["price"].sel(step=20).values.ravel().tolist() == [20.0]
    found = results.to_xarray("agents")
    assert dict(found["w"].sizes) == {
        "point": 1,
        "treatment": 1,
        "seed": 1,
        "episode": 1,
        "agent": 2,
        "w_0": 2,
    }
    assert found["class"].values.tolist() == ["Firm", "Bank"]


def test_a_summary_is_a_dataset_over_its_keys(prices: px.Results) -> None:
    found = prices.summary().to_xarray()
    assert dict(found.sizes) == {"markup": 2, "treatment": 2, "value": 1}
    assert found["mean"].sel(markup=0.0, treatment="off").values.tolist() == [2.0]


def test_rows_without_a_place_of_their_own_are_refused() -> None:
    table = px.Table.of([{"seed": 1, "x": 1.0}, {"seed": 1, "x": 2.0}], keys=["seed"])
    with pytest.raises(ph.errors.ConfigError) as caught:
        table.to_xarray()
    assert str(caught.value) == (
        "Two rows have the same 'seed', so they have no place of their own in a dataset. Select some of "
        "them first, "
        "or name more keys."
    )
