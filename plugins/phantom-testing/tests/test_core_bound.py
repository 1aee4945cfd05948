"""What a plugin made today says about the core."""

import pytest

import phantom_core as ph
from phantom_testing.core_bound import bound_problem, core_bound


@pytest.mark.parametrize(("version", "bound"), [("0.2.0", ">=0.2,<0.3"), ("1.9.3", ">=1.9,<1.10")])
def test_a_plugin_made_today_works_with_this_minor_version(
    monkeypatch: pytest.MonkeyPatch, version: str, bound: str
) -> None:
    monkeypatch.setattr(ph, "__version__", version)
    assert core_bound() == bound


NEXT = "admits versions that do not exist yet, such as 0.3"


@pytest.mark.parametrize(
    ("specifier", "problem"),
    [
        (">=0.2,<0.3", ""),
        (">=0.2.4,<0.3", ""),
        ("~=0.2.0", ""),
        ("==0.2.*", ""),
        (">=0.2,<0.3,!=0.2.1", ""),
        ("", f"{NEXT}, and versions before 0.2"),
        ("<0.3", "admits versions before 0.2"),
        (">=0.1,<0.3", "admits versions before 0.2"),
        (">=0.2", NEXT),
        ("~=0.2", NEXT),
        (">=0.2,<1", NEXT),
        (">=0.2,!=0.3.*", "admits versions that do not exist yet, such as 1.0"),
        (">=0.2,<=0.3", NEXT),
        ("==0.2.5", "excludes later patches of 0.2"),
        (">=0.2,<0.2.9", "excludes later patches of 0.2"),
        (">=0.1,<0.2", "excludes later patches of 0.2, and admits versions before 0.2"),
    ],
)
def test_a_bound_admits_this_minor_version_and_no_other(
    monkeypatch: pytest.MonkeyPatch, specifier: str, problem: str
) -> None:
    monkeypatch.setattr(ph, "__version__", "0.2.5")
    assert bound_problem(specifier) == problem
