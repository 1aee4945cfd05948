"""From what an agent sees to its reward."""

import phantom_core as ph

RewardFunction = ph.reward_functions.RewardFunction
Constant = ph.reward_functions.ConstantReward
