"""Networks, optimisers and distributions that the trainers of phantom_core share.

NumPy with gradients by hand; every parameter lies in one flat vector. What PyTorch computes in the same
memory is in `phantom_nn.torch_mlp`, `module_network`, `torch_memory`, `torch_flat_adam` and
`torch_distributions`, which need the extra `torch`.
"""

from phantom_nn.action_distributions import (
    ActionDistribution,
    Bernoulli,
    Categorical,
    DiagonalGaussian,
    JointDistribution,
    Likelihood,
    MultiCategorical,
    make_distribution,
)
from phantom_nn.actor_mlp import ActorMLP
from phantom_nn.distribution_policy import DistributionPolicy
from phantom_nn.feature_scaler import FeatureScaler
from phantom_nn.flat_adam import FlatAdam, clip_norm
from phantom_nn.flat_parameters import ParameterLayout, orthogonal, polyak
from phantom_nn.mlp import MLP
from phantom_nn.module_reference import import_module_class, name_of_class
from phantom_nn.network_policy import BaseNetworkPolicy, FlatNetwork, NetworkPolicy, check_network_settings
from phantom_nn.observation_layout import ObservationLayout, batch_of_one
from phantom_nn.running_moments import RunningMoments
from phantom_nn.squashed_gaussian import SquashedDraw, SquashedGaussian

__all__ = [
    "MLP",
    "ActionDistribution",
    "ActorMLP",
    "BaseNetworkPolicy",
    "Bernoulli",
    "Categorical",
    "DiagonalGaussian",
    "DistributionPolicy",
    "FeatureScaler",
    "FlatAdam",
    "FlatNetwork",
    "JointDistribution",
    "Likelihood",
    "MultiCategorical",
    "NetworkPolicy",
    "ObservationLayout",
    "ParameterLayout",
    "RunningMoments",
    "SquashedDraw",
    "SquashedGaussian",
    "batch_of_one",
    "check_network_settings",
    "clip_norm",
    "import_module_class",
    "make_distribution",
    "name_of_class",
    "orthogonal",
    "polyak",
]
