from typing import Any

import numpy as np
import pytest

from phantom_dqn.prioritized_draws import PrioritizedDraws


def drawn(draws: PrioritizedDraws, times: int = 4000, seed: int = 1) -> Any:
    rng = np.random.default_rng(seed)
    places = np.concatenate([draws.draw(4, rng, 0.5)[0] for _ in range(times)])
    return np.bincount(places, minlength=5) / len(places)


def test_transitions_are_drawn_in_proportion_to_their_priorities() -> None:
    draws = PrioritizedDraws(5, exponent=1.0)
    draws.add(4)
    draws.learn(np.arange(4), np.array([1.0, 2.0, 3.0, -4.0]))
    assert drawn(draws) == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.0], abs=0.01)


def test_without_an_exponent_all_are_drawn_as_often() -> None:
    draws = PrioritizedDraws(5, exponent=0.0)
    draws.add(5)
    draws.learn(np.arange(5), np.array([1.0, 2.0, 3.0, 4.0, 100.0]))
    assert drawn(draws) == pytest.approx([0.2] * 5, abs=0.01)


def test_a_new_transition_has_the_largest_priority_also_in_the_place_of_an_old_one() -> None:
    draws = PrioritizedDraws(3, exponent=1.0)
    draws.add(3)
    draws.learn(np.arange(3), np.array([8.0, 1.0, 1.0]))
    draws.learn(np.array([0]), np.array([1.0]))
    draws.add(5)  # numbers 3 and 4, in places 0 and 1
    assert draws.state_dict()["priorities"] == pytest.approx([8.0, 8.0, 1.0], abs=1e-5)


def test_weights_are_the_formula_over_their_largest() -> None:
    draws = PrioritizedDraws(4, exponent=1.0)
    draws.add(4)
    draws.learn(np.arange(4), np.array([1.0, 2.0, 3.0, 4.0]))
    places, weights = draws.draw(64, np.random.default_rng(1), 0.5)
    each = (4 * np.array([0.1, 0.2, 0.3, 0.4])) ** -0.5
    assert set(places.tolist()) == {0, 1, 2, 3}
    assert weights == pytest.approx(each[places] / each.max(), rel=1e-5)


def test_draws_go_on_where_others_were_saved() -> None:
    first, second = PrioritizedDraws(6, 0.6), PrioritizedDraws(6, 0.6)
    first.add(8)
    first.learn(np.array([0, 3, 5]), np.array([0.1, 7.0, 0.0]))
    second.load_state_dict(first.state_dict())
    for draws in (first, second):
        draws.add(9)
    found = [draws.draw(50, np.random.default_rng(2), 0.4) for draws in (first, second)]
    for one, other in zip(*found, strict=True):
        assert one.tolist() == other.tolist()
