"""Training and rollouts with RLlib: what needs no ray works, the rest says what to do instead."""

from phantom.utils.rllib import rollout as _rollout
from phantom.utils.rllib import train as _train
from phantom.utils.rllib import wrapper as wrapper
from phantom.utils.rllib.results_dirs import construct_results_paths as construct_results_paths
from phantom.utils.rllib.results_dirs import find_most_recent_results_dir as find_most_recent_results_dir
from phantom.utils.rllib.results_dirs import get_checkpoints as get_checkpoints

# These names hide the modules of the same name, which `from phantom.utils.rllib.train import …` still finds.
evaluate_policy = _rollout.evaluate_policy
rollout = _rollout.rollout
train = _train.train
