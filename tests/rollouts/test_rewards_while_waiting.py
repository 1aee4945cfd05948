"""What an agent is paid between two decisions belongs, all of it, to the first of the two."""

from collections.abc import Sequence

import gymnasium as gym
import pytest

import phantom_core as ph


class DoublingAgent(ph.StrategicAgent):
    """Is paid 1, 2, 4, 8, … in the steps of an episode: a sum tells which of them are in it."""

    observation_space = gym.spaces.Discrete(1)
    action_space = gym.spaces.Discrete(2)

    def decode_action(self, ctx: ph.Context, action: int) -> None:
        """Do nothing: it is paid for waiting too."""

    def encode_observation(self, ctx: ph.Context) -> int:
        return 0

    def compute_reward(self, ctx: ph.Context) -> float:
        return 2.0 ** (ctx.env_view.current_step - 1)


class EveryThirdTurn:
    """A acts in steps 1, 4 and 7, B in those between; everybody is rewarded in every step."""

    def __init__(self, *, all_observe: bool) -> None:
        self.all_observe = all_observe

    def turn(self, step: int) -> ph.Turn:
        acting = ("A",) if step % 3 == 1 else ("B",)
        return ph.Turn(step, acting=acting, observing=None if self.all_observe else ph.ACTING_NEXT)

    def first(self, env: ph.PhantomEnv) -> ph.Turn:
        return self.turn(1)

    def advance(self, env: ph.PhantomEnv, turn: ph.Turn) -> ph.Turn:
        env.resolve_network()
        return self.turn(env.current_step + 1)


def collect(
    plans: Sequence[ph.CollectPlan], *, all_observe: bool
) -> tuple[dict[ph.AgentID, list[float]], list[dict[ph.AgentID, float]]]:
    """Return the rewards of each agent's decisions, and the returns of the episodes that ended."""
    agents = [DoublingAgent("A"), DoublingAgent("B")]
    env = ph.PhantomEnv(7, ph.Network(agents), turn_order=EveryThirdTurn(all_observe=all_observe))
    policy = ph.RandomPolicy(DoublingAgent.observation_space, DoublingAgent.action_space)
    returns: list[dict[ph.AgentID, float]] = []
    collector = ph.Collector(
        [env],
        {"p": policy},
        {"A": "p", "B": "p"},
        seed=1,
        learning=["p"],
        on_episode=lambda episode: returns.append(dict(episode.episode_returns)),
    )
    rewards: dict[ph.AgentID, list[float]] = {"A": [], "B": []}
    for plan in plans:
        for trajectory in collector.collect(plan)["p"].trajectories:
            rewards[trajectory.agent_id] += trajectory.rewards
    return rewards, returns


@pytest.mark.parametrize("all_observe", [True, False])
@pytest.mark.parametrize("plans", [[ph.CollectPlan(episodes=1)], [ph.CollectPlan(steps=1)] * 7])
def test_all_rewards_until_the_next_decision_are_added_to_the_last_one(
    plans: list[ph.CollectPlan],
    all_observe: bool,  # noqa: FBT001  a parameter of the test
) -> None:
    rewards, _ = collect(plans, all_observe=all_observe)
    assert rewards == {
        "A": [1.0 + 2.0 + 4.0, 8.0 + 16.0 + 32.0, 64.0],
        "B": [2.0, 4.0 + 8.0, 16.0, 32.0 + 64.0],  # what it earned before its first decision taught nothing
    }


@pytest.mark.parametrize("all_observe", [True, False])
def test_the_return_of_an_episode_is_the_sum_of_all_rewards_whoever_acted(
    all_observe: bool,  # noqa: FBT001  a parameter of the test
) -> None:
    _, returns = collect([ph.CollectPlan(episodes=2)], all_observe=all_observe)
    assert returns == [{"A": 127.0, "B": 127.0}] * 2
