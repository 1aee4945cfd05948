from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

import phantom_core as ph
from phantom_nn import MLP, NetworkPolicy, check_network_settings, import_module_class, name_of_class

BOX = gym.spaces.Box(-1.0, 1.0, (2,))


@dataclass(frozen=True)
class LinearConfig:
    normalize_observations: bool = False
    observation_clip: float = 10.0


class LinearNetwork(MLP):
    def initialise(self, rng: np.random.Generator) -> None:
        self.draw_uniform(rng)


class LinearPolicy(NetworkPolicy):
    config_class = LinearConfig
    title = "linear"

    def __init__(self, observation_space: Any, action_space: Any, **config: Any) -> None:
        super().__init__(observation_space, action_space, **config)
        self.network: LinearNetwork = LinearNetwork(self.layout.width, (), {"q": int(action_space.n)})

    def compute_actions(self, observations: Any) -> Any:
        return self.network.head(self.features(observations)).argmax(axis=1)


def make(seed: int = 1, **config: Any) -> LinearPolicy:
    policy = LinearPolicy(BOX, gym.spaces.Discrete(3), **config)
    policy.seed(np.random.default_rng(seed))
    return policy


def test_one_observation_is_a_batch_of_one() -> None:
    policy, observations = make(), np.array([[0.5, -0.5], [-1.0, 1.0]], np.float32)
    together = policy.compute_actions(observations).tolist()
    assert [policy.compute_action(row) for row in observations] == together


def test_a_policy_goes_on_where_another_was_saved() -> None:
    policy, other = make(1, normalize_observations=True), make(2, normalize_observations=True)
    rows = np.random.default_rng(1).normal(3.0, 2.0, (20, 2)).astype(np.float32)
    policy.see(rows)
    other.load_state_dict(policy.state_dict())
    assert other.features(rows).tolist() == policy.features(rows).tolist()
    assert other.network.parameters.tolist() == policy.network.parameters.tolist()
    assert policy.moments.count == 20


def test_parameters_of_another_network_are_refused() -> None:
    with pytest.raises(ph.errors.CheckpointError) as caught:
        make().load_state_dict({"parameters": np.zeros(4)})
    assert str(caught.value) == (
        "The saved linear has 4 parameters, but this policy has 9. Load it into a policy with the spaces and "
        "the settings that it was trained with."
    )


def test_a_mask_must_have_an_entry_for_each_choice() -> None:
    masked = gym.spaces.Dict({"observation": BOX, "action_mask": gym.spaces.MultiBinary(3)})
    policy = LinearPolicy(masked, gym.spaces.Discrete(3))
    policy.check_mask(3)
    for wanted, reason in ((4, "a mask of 3 entries, but it has 4 choices"), (0, "a mask")):
        with pytest.raises(ph.errors.ConfigError) as caught:
            policy.check_mask(wanted)
        assert str(caught.value) == (
            f"The observations come with {reason} for the action space Discrete(3). Give the mask one entry "
            "for each choice of a Discrete or MultiDiscrete space, or leave it out."
        )


def test_settings_out_of_range_are_refused() -> None:
    with pytest.raises(ph.errors.ConfigError) as caught:
        check_network_settings("linear", hidden_sizes=(4, 0), observation_clip=1.0)
    assert str(caught.value) == "linear got hidden_sizes=(4, 0). Expected positive integers."
    with pytest.raises(ph.errors.ConfigError) as caught:
        check_network_settings("linear", observation_clip=0.0)
    assert str(caught.value) == "linear got observation_clip=0.0. Expected a positive number."


@pytest.mark.parametrize(
    ("reference", "what"),
    [
        ("no_such_module:Net", "cannot be imported: No module named 'no_such_module'"),
        ("math:pi", "is a float"),
    ],
)
def test_a_module_that_cannot_be_made_is_named(reference: str, what: str) -> None:
    with pytest.raises(ph.errors.ConfigError) as caught:
        import_module_class("linear", reference)
    assert str(caught.value) == (
        f"linear got network={reference!r}, which {what}. Expected a torch.nn.Module class, or where to "
        "import it from, such as 'my_package.nets:PriceNet'."
    )


def test_a_class_is_saved_as_where_it_is_from() -> None:
    assert import_module_class("linear", "collections:OrderedDict") is OrderedDict
    assert import_module_class("linear", OrderedDict) is OrderedDict
    assert name_of_class(NetworkPolicy) == "phantom_nn.network_policy:NetworkPolicy"
    assert name_of_class("here:Net") == "here:Net"
