"""Names that MLflow takes."""

import posixpath
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phantom_mlflow import MlflowNames


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("rewards/SHOP", "rewards/SHOP"),
        ("Lager Köln/Bestand", "Lager Köln/Bestand"),
        ("stock, in %", "stock_ in _"),
        ("a:b", "a_b"),
        ("/slash", "_/slash"),
        ("a//b/", "a/_/b/_"),
        ("../a/./b", "__/a/_/b"),
        ("..a", "__a"),
        ("", "_"),
        ("lone \udc80", "lone _"),
        (("A", 1), "__A__ 1_"),
        ("x" * 300, "x" * 250),
        ("x" * 248 + "/.y", "x" * 248),
    ],
)
def test_a_name_that_mlflow_refuses_is_changed_as_little_as_possible(name: str, written: str) -> None:
    assert MlflowNames()[name] == written


def test_names_that_become_the_same_get_numbers_and_keep_them() -> None:
    names = MlflowNames()
    assert [names[name] for name in ("a%", "a_", "a,", "a%", "a_")] == ["a_", "a__2", "a__3", "a_", "a__2"]
    long = "x" * 300
    assert [names[long], names[long + "y"]] == ["x" * 250, "x" * 248 + "_2"]


@given(st.lists(st.text() | st.text("/.a%", max_size=6), unique=True))
def test_different_names_stay_different_and_all_are_taken_by_mlflow(given_names: list[str]) -> None:
    names = MlflowNames()
    written = [names[name] for name in given_names]
    assert len(set(written)) == len(written)
    for name in written:  # the rules of MLflow
        assert re.fullmatch(r"[/\w.\- :]*", name)
        assert posixpath.normpath(name) == name
        assert name != "."
        assert not name.startswith(("..", "/"))
        assert len(name) <= 250
