"""Tables: rows that are streamed, columns, selections, texts and files."""

import csv
import io
import json
import math
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import phantom_core as ph
import phantom_experiments as px

ROWS: list[dict[str, Any]] = [
    {"markup": 0.1, "seed": 1, "price": 2.5, "sold": 3, "rule": "off"},
    {"markup": 0.30000000000000004, "seed": 1, "price": math.nan, "sold": 4, "rule": "on"},
    {"markup": 0.3, "seed": 2, "sold": 5, "rule": "on"},
]


@pytest.fixture
def table() -> px.Table:
    return px.Table.of(ROWS, keys=["markup", "seed"], units={"price": "EUR"})


def test_columns_are_the_keys_then_the_values_as_they_appear(table: px.Table) -> None:
    assert (len(table), table.columns) == (3, ("markup", "seed", "price", "sold", "rule"))
    assert [*table] == ROWS


def test_a_column_is_an_array_with_nan_where_a_row_has_no_number(table: px.Table) -> None:
    assert (table["sold"].tolist(), table["sold"].dtype) == ([3, 4, 5], np.int64)
    np.testing.assert_array_equal(table["price"], [2.5, math.nan, math.nan])
    assert table["rule"].tolist() == ["off", "on", "on"]
    assert {name: len(column) for name, column in table.to_dict().items()} == dict.fromkeys(table.columns, 3)


def test_arrays_of_one_shape_are_stacked_and_others_are_objects() -> None:
    table = px.Table.of([{"a": np.zeros(2), "b": np.zeros(2)}, {"a": np.ones(2), "b": np.zeros(3)}], keys=[])
    assert table["a"].tolist() == [[0, 0], [1, 1]]
    assert (table["b"].dtype, [len(part) for part in table["b"]]) == (object, [2, 3])


def test_a_selection_finds_values_several_values_and_floats_of_a_grid(table: px.Table) -> None:
    assert table.select(markup=0.3)["sold"].tolist() == [4, 5]
    assert table.select({"rule": "on"}, seed=[2, 3])["sold"].tolist() == [5]
    assert len(table.select(seed=7)) == 0
    assert table.where(lambda row: row["sold"] > 3)["seed"].tolist() == [1, 2]
    assert table.select(rule="on").keys == table.keys


def test_nothing_is_read_before_it_is_used() -> None:
    calls = []

    def rows() -> Iterator[dict[str, int]]:
        calls.append(1)
        yield {"seed": 1}

    table = px.Table(rows, keys=["seed"])
    table.where(bool)
    assert not calls
    assert (len(table), len(table), calls) == (1, 1, [1])


@pytest.mark.parametrize("use", [lambda t: t["prices"], lambda t: t.select(prices=1)])
def test_an_unknown_column_is_named_with_the_nearest(use: Callable[[px.Table], Any], table: px.Table) -> None:
    with pytest.raises(ph.errors.ConfigError) as caught:
        use(table)
    assert str(caught.value) == (
        "The table has no column 'prices'. Did you mean 'price'? Columns: markup, seed, price, sold, rule."
    )


def test_a_selection_of_nothing_says_why_it_lacks_a_column(table: px.Table) -> None:
    with pytest.raises(ph.errors.ConfigError) as caught:
        table.select(seed=99)["price"]
    assert str(caught.value) == (
        "The table has no column 'price'. Columns: markup, seed. It has no rows, and columns of values come "
        "with them."
    )


def test_as_text_numbers_are_short_and_to_the_right_with_units(table: px.Table) -> None:
    assert str(table).splitlines() == [
        "markup  seed  price (EUR)  sold  rule",
        "   0.1     1          2.5     3  off",
        "   0.3     1          nan     4  on",
        "   0.3     2                  5  on",
    ]
    assert table.to_text(1).splitlines()[-1] == "… and 2 more rows"
    assert px.Table.of([], keys=["seed"]).to_text() == "seed\n(no rows)"
    assert "\\x1b" in px.Table.of([{"rule": "\x1b[2J"}], keys=[]).to_text()


def test_html_and_latex_escape_what_they_must() -> None:
    table = px.Table.of([{"rule": "<b>&_50%", "x": 0.5}], keys=["rule"], title="a < b")
    assert table._repr_html_() == (
        "<table><caption>a &lt; b</caption>\n<thead><tr><th>rule</th><th>x</th></tr></thead>\n<tbody>\n"
        '<tr><td style="text-align: left">&lt;b&gt;&amp;_50%</td><td style="text-align: '
        'right">0.5</td></tr>\n'
        "</tbody></table>"
    )
    assert table.to_latex().splitlines() == [
        r"\begin{tabular}{lr}",
        r"\toprule",
        r"rule & x \\",
        r"\midrule",
        r"<b>\&\_50\% & 0.5 \\",
        r"\bottomrule",
        r"\end{tabular}",
    ]


def test_csv_has_numbers_in_full_and_nothing_where_a_row_has_no_value(
    table: px.Table, tmp_path: Path
) -> None:
    assert table.write(tmp_path / "new" / "t.csv").read_text() == (
        "markup,seed,price,sold,rule\n0.1,1,2.5,3,off\n0.30000000000000004,1,nan,4,on\n0.3,2,,5,on\n"
    )
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["t.csv"]


def test_arrays_of_a_csv_file_are_in_the_npz_file_beside_it(tmp_path: Path) -> None:
    rows = [{"seed": n, "wealth": np.arange(n) / 2} for n in (1, 2)]
    px.Table.of([*rows, {"seed": 3}], keys=["seed"]).write(tmp_path / "t.csv")
    cells = [row["wealth"] for row in csv.DictReader(io.StringIO((tmp_path / "t.csv").read_text()))]
    assert cells == ["wealth-0", "wealth-1", ""]
    with np.load(tmp_path / "t.npz") as arrays:
        assert [arrays[cell].tolist() for cell in cells[:2]] == [[0.0], [0.0, 0.5]]


def test_jsonl_has_an_object_per_row(tmp_path: Path) -> None:
    rows = [{"seed": 1, "x": math.inf, "wealth": np.arange(2)}, {"seed": np.int64(2)}]
    path = px.Table.of(rows, keys=["seed"]).write(tmp_path / "t.jsonl")
    assert [json.loads(line) for line in path.read_text().splitlines()] == [
        {"seed": 1, "x": math.inf, "wealth": [0, 1]}, {"seed": 2}
    ]  # fmt: skip


def test_npz_has_an_array_per_column(table: px.Table, tmp_path: Path) -> None:
    with np.load(table.write(tmp_path / "t.npz"), allow_pickle=False) as arrays:
        assert arrays["sold"].tolist() == [3, 4, 5]
        assert arrays["rule"].tolist() == ["off", "on", "on"]


def test_texts_are_written_by_suffix(table: px.Table, tmp_path: Path) -> None:
    assert table.write(tmp_path / "t.tex").read_text() == table.to_latex()
    assert table.write(tmp_path / "t.html").read_text() == table.to_html()
    assert table.write(tmp_path / "t.TXT").read_text() == table.to_text() + "\n"


def test_what_cannot_be_written_says_so_and_leaves_nothing_behind(table: px.Table, tmp_path: Path) -> None:
    with pytest.raises(ph.errors.ConfigError) as caught:
        table.write(tmp_path / "t.xlsx")
    assert str(caught.value) == (
        f"A table cannot be written to '{tmp_path}/t.xlsx': the suffix '.xlsx' says nothing. Expected one "
        "of .csv, "
        ".jsonl, .parquet, .npz, .tex, .html, .txt."
    )
    (tmp_path / "t.csv").mkdir()
    with pytest.raises(ph.errors.ConfigError) as caught:
        table.write(tmp_path / "t.csv")
    assert str(caught.value) == (
        f"The table cannot be written to '{tmp_path}/t.csv': Is a directory. Choose another place."
    )
    ragged = px.Table.of([{"a": np.zeros(1)}, {"a": np.zeros(2)}], keys=[])
    with pytest.raises(ph.errors.ConfigError) as caught:
        ragged.write(tmp_path / "t.npz")
    assert str(caught.value) == (
        "The arrays in 'a' have different shapes, or some rows have none, so they are no column of a .npz "
        "file. "
        "Write a .csv file, which puts each array into a .npz file beside it."
    )

    reads = iter([[1, 2], [1]])

    def rows() -> Iterator[dict[str, int]]:
        found = next(reads)
        yield {"seed": 1}
        if len(found) == 1:
            raise ValueError("boom")

    failing = px.Table(rows, keys=["seed"])
    with pytest.raises(ValueError, match="boom"):
        failing.write(tmp_path / "u.csv")
    assert [path.name for path in tmp_path.iterdir()] == ["t.csv"]


@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
def test_ten_times_the_rows_are_written_in_the_same_memory(suffix: str, tmp_path: Path) -> None:
    def peak(num_rows: int) -> int:
        table = px.Table(lambda: ({"seed": n, "price": n / 3} for n in range(num_rows)), keys=["seed"])
        tracemalloc.start()
        table.write(tmp_path / f"t{suffix}")
        _, found = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return found

    peak(10)  # imports and caches
    assert peak(20_000) < 1.2 * peak(2_000) + 20_000


@pytest.mark.parametrize(
    ("module", "extra", "purpose", "use"),
    [
        ("pandas", "pandas", "to_pandas()", lambda t, _: t.to_pandas()),
        ("polars", "polars", "to_polars()", lambda t, _: t.to_polars()),
        ("xarray", "xarray", "to_xarray()", lambda t, _: t.to_xarray()),
        ("pyarrow", "parquet", "A .parquet file", lambda t, folder: t.write(folder / "t.parquet")),
    ],
)
def test_a_library_that_is_missing_is_named_with_its_extra(
    module: str,
    extra: str,
    purpose: str,
    use: Callable[[px.Table, Path], Any],
    table: px.Table,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, module, None)  # as if it were not installed
    with pytest.raises(ph.errors.PluginError) as caught:
        use(table, tmp_path)
    assert str(caught.value) == (
        f'{purpose} needs {module}, which is not installed. Run: pip install "phantom-experiments[{extra}]"'
    )


VALUES = st.one_of(st.none(), st.integers(-(2**70), 2**70), st.floats(), st.text(max_size=3), st.booleans())


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(st.dictionaries(st.sampled_from("abc"), VALUES, max_size=3), max_size=5))
def test_any_rows_can_be_shown_and_come_back_from_json_lines(
    rows: list[dict[str, Any]], tmp_path: Path
) -> None:
    table = px.Table.of(rows, keys=["a"])
    assert table.to_text()
    assert table.to_html()
    assert table.to_latex()
    assert all(len(column) == len(rows) for column in table.to_dict().values())
    lines = table.write(tmp_path / "t.jsonl").read_text().splitlines()
    assert repr([json.loads(line) for line in lines]) == repr(rows)
