"""What a plugin made today says about the core."""

import pytest

import phantom_core as ph
from phantom_testing.core_bound import core_bound


@pytest.mark.parametrize(("version", "bound"), [("0.2.0", ">=0.2,<0.3"), ("1.9.3", ">=1.9,<1.10")])
def test_a_plugin_made_today_works_with_this_minor_version(
    monkeypatch: pytest.MonkeyPatch, version: str, bound: str
) -> None:
    monkeypatch.setattr(ph, "__version__", version)
    assert core_bound() == bound
