"""One seed decides all that is random in an episode."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import phantom_core as ph


class Gambler(ph.Agent):
    """Draws from both its generators when its turn comes."""

    def __init__(self, agent_id: ph.AgentID) -> None:
        super().__init__(agent_id)
        self.draws: list[float] = []

    def reset(self) -> None:
        self.draws = [self.random.random()]

    def generate_messages(self, ctx: ph.Context) -> None:
        self.draws += [self.random.random(), float(self.rng.random())]


def make_env(*agent_ids: ph.AgentID, num_steps: int = 3) -> ph.PhantomEnv:
    return ph.PhantomEnv(num_steps, ph.Network([Gambler(agent_id) for agent_id in agent_ids]))


def draws_of(env: ph.PhantomEnv, agent_id: ph.AgentID) -> list[float]:
    agent = env[agent_id]
    assert isinstance(agent, Gambler)
    return agent.draws


def play(env: ph.PhantomEnv, seed: int | None = None) -> dict[ph.AgentID, list[float]]:
    env.reset(seed)
    for _ in range(3):
        env.step({})
    return {agent_id: draws_of(env, agent_id) for agent_id in env.agent_ids}


def test_the_same_seed_gives_the_same_draws_and_another_seed_others() -> None:
    assert play(make_env("A"), 1) == play(make_env("A"), 1) != play(make_env("A"), 2)


def test_every_agent_draws_from_a_stream_of_its_own() -> None:
    draws = [draw for drawn in play(make_env("A", "B", 1, "1", ("A", 1)), 1).values() for draw in drawn]
    assert len(draws) == 5 * 7
    assert len(set(draws)) == len(draws)


def test_the_name_of_an_agent_decides_its_draws_not_its_place() -> None:
    assert play(make_env("A", "B"), 1) == play(make_env("B", "A"), 1)
    assert play(make_env("A"), 1)["A"] == play(make_env("Z", "A", "B"), 1)["A"]


def test_the_draws_of_a_named_agent_are_the_same_in_every_process_and_on_every_machine() -> None:
    agent = ph.Agent("SHOP")
    agent.begin_episode(1)
    assert agent.random.random() == 0.9305608390812725
    assert agent.rng.random() == 0.15597249646226685


def test_generators_are_made_anew_at_each_reset_however_much_was_drawn() -> None:
    env = make_env("A", num_steps=10)
    first = play(env, 5)
    agent = env["A"]
    kept = agent.rng
    kept.random(1000)
    assert play(env, 5) == first
    assert agent.rng is not kept


def test_reset_without_a_seed_goes_on_in_the_stream_of_the_last_seed() -> None:
    def episodes(env: ph.PhantomEnv) -> list[object]:
        return [(play(env, seed), env.episode_seed) for seed in (3, None, None)]

    used = make_env("A")
    play(used, 8)
    play(used)
    first = episodes(make_env("A"))
    assert first == episodes(make_env("A")) == episodes(used)
    assert len({seed for _, seed in first}) == 3


def test_the_seed_of_an_unseeded_episode_plays_it_again() -> None:
    env = make_env("A")
    once = play(env)
    assert env.episode_seed is not None
    assert play(make_env("A"), env.episode_seed) == once


def test_envs_that_were_never_seeded_differ() -> None:
    assert play(make_env("A")) != play(make_env("A"))


def test_what_the_env_draws_does_not_touch_the_agents() -> None:
    class Env(ph.PhantomEnv):
        def on_reset(self) -> None:
            self.random.random()
            self.rng.random(7)

    plain = make_env("A")
    assert play(Env(3, ph.Network([Gambler("A")])), 1) == play(plain, 1)


@pytest.mark.parametrize("draw", [lambda env: env.random.random(), lambda env: float(env.rng.random())])
def test_the_generators_of_the_env_are_made_anew_at_each_reset(
    draw: Callable[[ph.PhantomEnv], float],
) -> None:
    env = make_env()
    env.reset(1)
    first = [draw(env), draw(env)]
    env.reset(2)
    second = draw(env)
    env.reset(1)
    assert [draw(env), draw(env)] == first
    assert second != first[0]


def test_agents_are_seeded_before_on_reset() -> None:
    class Env(ph.PhantomEnv):
        def on_reset(self) -> None:
            drawn.append(self["A"].random.random())

    def drawn_at(*seeds: int) -> float:
        env = Env(3, ph.Network([Gambler("A")]))
        for seed in seeds:
            play(env, seed)
        return drawn[-1]

    drawn: list[float] = []
    assert drawn_at(1) == drawn_at(2, 1) == drawn_at(1, 1) != drawn_at(2)


def test_agents_of_a_network_that_on_reset_builds_are_seeded() -> None:
    class Env(ph.PhantomEnv):
        def on_reset(self) -> None:
            self.network = ph.Network([Gambler("A")])

    assert play(Env(), 1) == play(make_env("A"), 1)


def test_an_agent_added_by_on_reset_draws_from_the_seed_of_the_episode() -> None:
    class Env(ph.PhantomEnv):
        def on_reset(self) -> None:
            if "B" not in self.agents:
                self.network.add_agent(Gambler("B"))

    assert play(Env(network=ph.Network([Gambler("A")])), 1) == play(make_env("A", "B"), 1)


def test_an_agent_added_during_an_episode_draws_from_the_seed_of_the_episode() -> None:
    def draws_of_the_newcomer() -> list[float]:
        env = make_env("A")
        env.reset(1)
        env.step({})
        env.network.add_agent(Gambler("B"))
        env.step({})
        return draws_of(env, "B")

    assert draws_of_the_newcomer() == draws_of_the_newcomer() != []


def test_shuffled_batches_follow_from_the_seed() -> None:
    @ph.msg_payload()
    class Number:
        value: int

    class Sender(ph.Agent):
        def generate_messages(self, ctx: ph.Context) -> ph.MessageList:
            return [("R", Number(value)) for value in range(20)]

    class Receiver(ph.Agent):
        def reset(self) -> None:
            self.values: list[int] = []

        @ph.msg_handler(Number)
        def take(self, ctx: ph.Context, message: ph.Message[Number]) -> None:
            self.values.append(message.payload.value)

    def order(env: ph.PhantomEnv, seed: int) -> Any:
        env.reset(seed)
        env.step({})
        receiver = env["R"]
        assert isinstance(receiver, Receiver)
        return receiver.values

    def shuffling_env() -> ph.PhantomEnv:
        resolver = ph.BatchResolver(shuffle_batches=True)
        return ph.PhantomEnv(network=ph.Network([Sender("S"), Receiver("R")], resolver, [("S", "R")]))

    env = shuffling_env()
    first = order(env, 1)
    assert sorted(first) == list(range(20)) != first
    assert order(env, 2) != first == order(env, 1) == order(shuffling_env(), 1)


def test_nothing_draws_from_the_global_generators() -> None:
    import random

    random.seed(1)
    np.random.seed(1)  # noqa: NPY002  this is the generator that must not be used
    states = repr(random.getstate()), repr(np.random.get_state())  # noqa: NPY002
    play(make_env("A", "B"))
    play(make_env("A"), 3)
    assert (repr(random.getstate()), repr(np.random.get_state())) == states  # noqa: NPY002
