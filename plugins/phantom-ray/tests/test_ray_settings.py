"""What is wrong with the settings of the executor `ray` is said before anything is started."""

import sys

import pytest

import phantom_core as ph


@pytest.mark.parametrize("workers", [0, -1, 1.5, True])
def test_the_number_of_processes_is_checked(workers: object) -> None:
    from phantom_ray import RayExecutor

    with pytest.raises(ph.errors.ConfigError) as caught:
        RayExecutor(workers=workers)  # type: ignore[arg-type]  # that is what is tested
    assert str(caught.value) == f"workers is {workers!r}. Expected a positive integer."


def test_without_ray_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    executor = ph.find("executor", "ray").load()
    with pytest.raises(ph.errors.ConfigError) as caught:
        executor()
    assert str(caught.value) == (
        "The executor 'ray' needs Ray, which is not installed. Run: pip install 'phantom-ray[ray]'"
    )
