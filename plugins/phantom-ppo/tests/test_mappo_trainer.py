import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

import phantom_core as ph
from phantom_ppo import MAPPOTrainer, MLPActorCriticPolicy, MLPStochasticActorPolicy, PPOConfig

CARDS, LUCKS = 3, 5
SMALL = {"copies": 2, "steps_per_copy": 16, "epochs": 2, "minibatch_size": 16}


class Player(ph.StrategicAgent):
    """Sees a card, and names one; both players are paid for both."""

    observation_space = action_space = gym.spaces.Discrete(CARDS)

    def reset(self) -> None:
        self.card, self.is_right, self.paid = self.random.randrange(CARDS), False, 0.0

    def decode_action(self, ctx: ph.Context, action: int) -> None:
        self.is_right = action == self.card
        self.card = self.random.randrange(CARDS)

    def encode_observation(self, ctx: ph.Context) -> int:
        return self.card

    def compute_reward(self, ctx: ph.Context) -> float:
        return self.paid


class TeamEnv(ph.PhantomEnv):
    """Both earn 1 if both name their cards, and luck of a deviation of 14 whatever they do.

    The luck of a step is in the state before it, and in nobody's observation.
    """

    state_space: gym.Space[Any] | None = gym.spaces.MultiDiscrete([CARDS, CARDS, LUCKS])

    def __init__(self) -> None:
        self.players = Player("A"), Player("B")
        super().__init__(8, ph.Network([*self.players]))

    def on_reset(self) -> None:
        self.luck = self.random.randrange(LUCKS)

    def state(self) -> Any:
        return np.array([*(player.card for player in self.players), self.luck])

    def post_message_resolution(self) -> None:
        super().post_message_resolution()
        for player in self.players:
            is_match = all(other.is_right for other in self.players)
            player.paid = is_match + 10.0 * (self.luck - LUCKS // 2)
        self.luck = self.random.randrange(LUCKS)


class StatelessEnv(TeamEnv):
    state_space = None

    def state(self) -> Any:
        raise AssertionError("nobody is to ask")


def train(env: Any = TeamEnv, num_iterations: int = 3, **options: Any) -> ph.TrainingResults:
    config = {**SMALL, **options.pop("config", {})}
    trainer = options.pop("trainer", "mappo")
    request: dict[str, Any] = {"policies": {"team": ["A", "B"]}, "seed": 1, "run_dir": None, **options}
    return ph.train(trainer, env=env, num_iterations=num_iterations, trainer_config=config, **request)


def parameters(results: ph.TrainingResults) -> list[float]:
    return results.policies["team"].state_dict()["parameters"].tolist()


def names_what_it_sees(results: ph.TrainingResults) -> bool:
    return [results.policies["team"].compute_action(card) for card in range(CARDS)] == [*range(CARDS)]


LEARNING: dict[str, Any] = {
    "num_iterations": 12,
    "config": {
        "copies": 8,
        "steps_per_copy": 32,
        "epochs": 10,
        "minibatch_size": 512,
        "gamma": 0.0,
        "lr": 1e-2,
    },
}


@pytest.mark.parametrize("seed", range(1, 6))
def test_a_critic_that_sees_the_luck_tells_a_good_decision_from_good_luck(seed: int) -> None:
    assert names_what_it_sees(train(**LEARNING, seed=seed))


def test_a_critic_that_sees_what_the_agent_sees_does_not() -> None:
    found = [names_what_it_sees(train(**LEARNING, seed=seed, trainer="ppo")) for seed in (1, 2, 3)]
    assert found.count(True) <= 1


def test_joined_observations_do_not_show_the_luck_either() -> None:
    seen, unseen = train(**LEARNING), train(StatelessEnv, **LEARNING)
    assert seen.history[-1]["team/explained_variance"] > 0.9
    assert unseen.history[-1]["team/explained_variance"] < 0.1


def test_what_is_saved_is_the_actor_alone_and_it_acts_without_the_state() -> None:
    results = train()
    policy = results.policies["team"]
    assert isinstance(policy, MLPStochasticActorPolicy)
    sizes = [(CARDS, 64), (64,), (64, 64), (64,), (64, CARDS), (CARDS,)]
    assert len(parameters(results)) == sum(int(np.prod(size)) for size in sizes)
    mapping = {"A": "team", "B": "team"}
    found = ph.evaluate(StatelessEnv(), results.policies, mapping, num_episodes=2, seed=1)
    assert len(found.episodes) == 2


def test_a_state_is_asked_for_where_there_is_one_and_otherwise_observations_are_joined() -> None:
    with_state, joined = train(), train(StatelessEnv)
    assert parameters(with_state) != parameters(joined)


@pytest.mark.parametrize("env", [TeamEnv, StatelessEnv])
@pytest.mark.parametrize("settings", [{}, {"normalize_observations": True}])
def test_a_resumed_run_is_the_run_that_was_not_interrupted(
    tmp_path: Path, env: Any, settings: dict[str, Any]
) -> None:
    class Interruption(ph.Hooks):
        def should_stop(self, event: ph.IterationEnd) -> str | None:
            return "enough" if event.iteration == 1 else None

    config = {**settings, "hidden_sizes": (8,)}
    policies = {"team": ph.PolicySpec(agents=["A", "B"], config=config)}
    options: dict[str, Any] = {"policies": policies, "num_iterations": 4}
    whole = train(env, **options)
    plan = ph.CheckpointPlan(every=2)
    first = train(env, **options, run_dir=tmp_path, checkpoint=plan, hooks=[Interruption()])
    assert first.run_directory is not None
    resumed = ph.resume(first.run_directory, trust=True)
    assert parameters(resumed) == parameters(whole) != parameters(first)
    assert resumed.history[-1]["team/value_loss"] == whole.history[-1]["team/value_loss"]


def test_the_critic_belongs_to_the_trainer_and_is_saved_with_it() -> None:
    trainers = []

    class Watched(MAPPOTrainer):
        def leave(self) -> None:
            trainers.append(self.state_dict())
            super().leave()

    policies = {"team": ["A"], "others": ["B"]}
    ph.train(Watched, env=TeamEnv, num_iterations=1, trainer_config=SMALL, policies=policies, run_dir=None)
    learners = trainers[-1]["learners"]
    assert set(learners) == {"team", "others"}
    inputs = CARDS + CARDS + LUCKS + CARDS + 1  # the state, the own card, and the only seat
    size = (inputs + 1) * 64 + 65 * 64 + 65
    assert learners["team"]["optimizer"]["critic_parameters"].shape == (size,)
    assert learners["team"]["optimizer"]["values"]["count"] == 32


def test_the_widths_of_the_critic_and_what_it_sees_are_settings() -> None:
    plain = parameters(train())
    for config in ({"critic_hidden_sizes": (16,)}, {"agent_specific": False}, {"normalize_values": False}):
        assert parameters(train(config=config)) != plain


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"critic_hidden_sizes": (8, 0)}, "critic_hidden_sizes=(8, 0). Expected positive integers, or None."),
        ({"gamma": 2.0}, "gamma=2.0. Expected a number from 0 to 1."),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ph.errors.ConfigError) as caught:
        MAPPOTrainer(**settings)
    assert str(caught.value) == f"mappo got {message}"


@pytest.mark.parametrize("name", ["backend", "device", "sequence_length"])
def test_what_it_refuses_is_not_described(name: str, phantom: Callable[..., Any]) -> None:
    described = phantom("plugins", "describe", "mappo").out
    assert f"  {name}: " not in described
    assert "  critic_hidden_sizes: " in described
    assert name not in json.loads(phantom("plugins", "describe", "mappo", "--json-schema").out)["properties"]
    with pytest.raises(ph.errors.ConfigError, match=f"^MAPPOTrainer has no setting '{name}'. "):
        MAPPOTrainer(**{name: getattr(PPOConfig(), name)})


def test_an_actor_critic_of_ppo_is_refused() -> None:
    spec = ph.PolicySpec(agents=["A", "B"], policy=MLPActorCriticPolicy, train=True)
    with pytest.raises(ph.errors.ConfigError) as caught:
        train(policies={"team": spec})
    assert str(caught.value) == (
        "Policy 'team' is a MLPActorCriticPolicy, but MAPPOTrainer trains only MLPStochasticActorPolicy. "
        "Take it out of policies_to_train, or leave its policy class out."
    )


def test_a_state_that_is_no_numbers_is_refused_before_the_run() -> None:
    class WordyEnv(TeamEnv):
        state_space = gym.spaces.Text(3)

    with pytest.raises(ph.errors.ConfigError) as caught:
        train(WordyEnv)
    assert "The critic of mappo cannot read the env's state_space." in str(caught.value)
