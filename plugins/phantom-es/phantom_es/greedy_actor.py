"""`GreedyActorPolicy`: acts by a perceptron, always the same way in the same place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from phantom_nn import ActorMLP, DistributionPolicy, NetworkPolicy, check_network_settings
from phantom_nn.mlp import Activation


@dataclass(frozen=True)
class GreedyActorConfig:
    """Settings of the policy `greedy-actor`."""

    hidden_sizes: tuple[int, ...] = ()
    """Widths of the hidden layers; none: the outputs are linear functions of what is observed."""
    activation: Activation = "tanh"
    """What follows each hidden layer."""
    normalize_observations: ClassVar[bool] = False
    observation_clip: ClassVar[float] = 10.0

    def __post_init__(self) -> None:
        """Refuse values outside their range."""
        check_network_settings(
            "greedy-actor", hidden_sizes=self.hidden_sizes, observation_clip=self.observation_clip
        )


class GreedyActorPolicy(DistributionPolicy, NetworkPolicy):
    """Takes the likeliest action of the distribution that a perceptron chooses; never draws.

    In a Box the perceptron's outputs are actions: −1 and 1 stand for two finite bounds.
    """

    config_class: ClassVar[type | None] = GreedyActorConfig
    conformance: ClassVar[Mapping[str, Any]] = {"idle_settings": ("activation",)}  # of linear ones
    title = "greedy-actor"
    network: ActorMLP

    def make_network(self) -> ActorMLP:
        """Make the perceptron, before its first weights are drawn."""
        return ActorMLP(
            self.layout.width,
            self.config.hidden_sizes,
            self.distribution.num_outputs,
            activation=self.config.activation,
        )

    def compute_actions(self, observations: Any) -> Any:
        """Return the likeliest action for each of B observations."""
        return self.likeliest(observations, self.network.policy_outputs(self.features(observations)))
