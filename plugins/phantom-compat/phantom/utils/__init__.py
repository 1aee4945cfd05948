"""Tools: samplers, ranges, rollouts, and walking through nested values."""

from phantom.utils import ranges as ranges
from phantom.utils import rllib as rllib
from phantom.utils import rollout as rollout
from phantom.utils import samplers as samplers
from phantom.utils.env_config import check_env_config as check_env_config
from phantom.utils.messages_to_people import rich_progress as rich_progress
from phantom.utils.messages_to_people import show_pythonhashseed_warning as show_pythonhashseed_warning
from phantom.utils.nesting import collect_instances_of_type as collect_instances_of_type
from phantom.utils.nesting import collect_instances_of_type_with_paths as collect_instances_of_type_with_paths
from phantom.utils.nesting import contains_type as contains_type
from phantom.utils.nesting import flatten as flatten
from phantom.utils.nesting import update_val as update_val
from phantom.utils.ranges import Range as Range
from phantom.utils.samplers import Sampler as Sampler
