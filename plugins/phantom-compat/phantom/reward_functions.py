"""From what an agent sees to its reward."""

import phantom_core as ph

RewardFunction = ph.RewardFunction
Constant = ph.ConstantReward
