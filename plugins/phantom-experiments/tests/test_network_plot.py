"""The picture of a network."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import phantom_core as ph
import phantom_experiments as px
from phantom_experiments.network_plot import laid_out


class Trader(ph.StrategicAgent):
    observation_space = action_space = gym.spaces.Discrete(2)


class Clerk(ph.Agent):
    pass


def env_of(network: ph.Network) -> ph.PhantomEnv:
    return ph.PhantomEnv(num_steps=1, network=network)


def test_each_class_has_marks_and_those_that_act_are_filled() -> None:
    network = ph.Network([Trader("A"), Trader("B"), Clerk("C")])
    network.add_connections_between(["C"], ["A", "B"])
    plot = px.plot_network(env_of(network))
    marks = {found.get_label(): found for found in plot.figure().axes[0].collections}
    assert {name: len(found.get_offsets()) for name, found in marks.items()} == {"Trader": 2, "Clerk": 1}
    assert marks["Trader"].get_facecolor().tolist() == marks["Trader"].get_edgecolor().tolist()
    assert marks["Clerk"].get_facecolor()[0].tolist() == [1.0, 1.0, 1.0, 1.0]
    assert plot.title == "Network of 3 agents and 4 connections, of PhantomEnv"


@settings(max_examples=20)
@given(
    num=st.integers(1, 12),
    data=st.data(),
)
def test_places_are_finite_apart_and_the_same_each_time(num: int, data: Any) -> None:
    numbers = st.integers(0, num - 1)
    pairs = {(u, v) for u, v in data.draw(st.sets(st.tuples(numbers, numbers), max_size=20)) if u != v}
    places = laid_out(num, pairs)
    assert places.shape == (num, 2)
    assert np.isfinite(places).all()
    assert np.array_equal(places, laid_out(num, pairs))
    apart = np.linalg.norm(places[:, None] - places[None], axis=2)[~np.eye(num, dtype=bool)]
    assert num == 1 or apart.min() > 1e-3


def test_connected_agents_are_nearer_than_others() -> None:
    places = laid_out(6, {(0, 1), (1, 2), (2, 0), (3, 4), (4, 5), (5, 3)})  # two triangles
    apart = np.linalg.norm(places[:, None] - places[None], axis=2)
    assert max(apart[0, 1], apart[0, 2], apart[3, 4], apart[4, 5]) < apart[:3, 3:].min()


def test_too_many_agents_none_and_what_has_no_network_are_refused() -> None:
    with pytest.raises(ph.errors.ConfigError) as caught:
        px.plot_network(env_of(ph.Network([Clerk(number) for number in range(401)])))
    assert str(caught.value) == "The network has 401 agents. Expected 1 to 400, which can be told apart."
    with pytest.raises(ph.errors.ConfigError) as caught:
        px.plot_network(ph.GymnasiumEnv("FrozenLake-v1"))  # type: ignore[arg-type]  on purpose
    assert str(caught.value) == "The env is a GymnasiumEnv, which has no network. Expected a PhantomEnv."
