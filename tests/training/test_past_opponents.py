"""`opponents="past"`: agents that act by snapshots of a policy while it learns."""

import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import tomli_w

import phantom_core as ph
from phantom_core.training.run_settings import RunSettings

TABLES = 32
MOVES = 3


class Player(ph.StrategicAgent):
    observation_space = gym.spaces.Discrete(1)
    action_space = gym.spaces.Discrete(MOVES)


class Here(Player):
    pass


class There(Player):
    pass


class Tables(ph.PhantomEnv):
    """Rock, paper, scissors at many tables at once, so that a run of many games is short."""

    def __init__(self) -> None:
        pairs = [(Here(f"here {n}"), There(f"there {n}")) for n in range(TABLES)]
        super().__init__(1, ph.Network([agent for pair in pairs for agent in pair]))
        self.pairs = [(one.id, other.id) for one, other in pairs]

    def reset(self, seed: Any = None, options: Any = None) -> Any:
        ids = self.strategic_agent_ids
        return dict.fromkeys(ids, 0), {agent_id: {} for agent_id in ids}

    def step(self, actions: Mapping[Any, Any]) -> ph.StepResult:
        rewards = {}
        for one, other in self.pairs:
            rewards[one] = (0.0, 1.0, -1.0)[(actions[one] - actions[other]) % MOVES]
            rewards[other] = -rewards[one]
        ends = dict.fromkeys((*rewards, "__all__"), True)
        nobody = dict.fromkeys(ends, False)
        return ph.StepResult(
            dict.fromkeys(rewards, 0), rewards, nobody, ends, {agent_id: {} for agent_id in rewards}
        )


class Logits(ph.Policy):
    """Moves with probabilities that do not depend on what it sees."""

    def __init__(self, *spaces: Any, **settings: Any) -> None:
        super().__init__(*spaces, **settings)
        self.logits = np.zeros(MOVES)

    def seed(self, rng: np.random.Generator) -> None:
        self.logits = rng.normal(scale=0.3, size=MOVES)

    @property
    def probabilities(self) -> Any:
        weights = np.exp(self.logits - self.logits.max())
        return weights / weights.sum()

    def compute_action(self, observation: Any) -> int:
        return int(np.argmax(self.logits))

    def sample_actions(self, observations: Any, rng: ph.RowStreams) -> Any:
        bounds = np.cumsum(self.probabilities)[:-1]
        return np.searchsorted(bounds, rng.uniform(), side="right"), {}

    def state_dict(self) -> dict[str, Any]:
        return {"logits": self.logits}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.logits = np.array(state["logits"])


class SmoothReply(ph.Trainer):
    """Goes half of the way to the logit reply: θ ← θ + ½ (q / τ - θ), with what each move earned, q."""

    policy_class = Logits
    temperature = 0.2

    def collect_plan(self) -> ph.CollectPlan:
        return ph.CollectPlan(episodes=256 // TABLES)

    def update(self, policy_id: Any, policy: Any, batch: ph.Batch, rng: Any) -> dict[str, float]:
        moves, rewards = batch.transitions.actions, batch.transitions.rewards
        earned = np.array([rewards[moves == move].mean() if move in moves else 0.0 for move in range(MOVES)])
        policy.logits += (earned / self.temperature - policy.logits) / 2
        return {"most": float(policy.probabilities.max())}


PAST = ph.PolicySpec(agents=There, opponents="past")


def train(policies: Any = None, **settings: Any) -> ph.TrainingResults:
    given: dict[str, Any] = {"num_iterations": 3, "seed": 1, "run_dir": None, "env": Tables}
    given |= {"policies": {"player": Here, "rival": PAST} if policies is None else policies, **settings}
    return ph.train(
        settings.pop("trainer", SmoothReply), **{k: v for k, v in given.items() if k != "trainer"}
    )


def late_maxima(rival: Any, seed: int, num_iterations: int = 80) -> list[float]:
    """The probability of the likeliest move in the second half of the iterations."""
    results = train({"player": Here, "rival": rival}, seed=seed, num_iterations=num_iterations)
    return [row["player/most"] for row in results.history[num_iterations // 2 :]]


@pytest.mark.parametrize("seed", [1, 2])
def test_against_its_past_it_makes_all_moves_alike_and_against_another_learner_it_cycles(seed: int) -> None:
    against_past, against_learner = late_maxima(PAST, seed), late_maxima(There, seed)
    assert np.mean(against_past) < 0.55  # 0.41 to 0.51 with the seeds 1 to 10
    assert np.mean(against_learner) > 0.8  # 0.87 to 0.92


def test_snapshots_are_taken_before_every_so_many_iterations_and_counted() -> None:
    rival = ph.PolicySpec(agents=There, opponents="past", config={"every": 2})
    results = train({"player": Here, "rival": rival}, num_iterations=4)
    assert [row["rival/snapshots"] for row in results.history] == [1, 1, 2, 2]
    past = results.policies["rival"]
    assert isinstance(past, ph.PastPolicies)
    assert list(past.snapshots) == [0, 2]
    assert "rival/most" not in results.history[-1]


def test_the_first_snapshot_is_the_policy_before_it_learned_and_the_others_as_it_was_then() -> None:
    logits: list[Any] = []

    class Watching(ph.Hooks):
        def on_iteration_start(self, event: ph.IterationStart) -> None:
            logits.append(self.policy.logits.copy())

        def on_train_start(self, event: ph.TrainStart) -> None:
            self.policy: Any = event.policies["player"]

    past: Any = train(hooks=[Watching()]).policies["rival"]
    assert [one.logits.tolist() for one in past.snapshots.values()] == [own.tolist() for own in logits]
    assert len({tuple(own) for own in logits}) == 3


def test_whose_past_it_is_need_not_be_said_if_only_one_can_be_meant() -> None:
    class Other(Player):
        observation_space = gym.spaces.Discrete(2)

    class Mixed(Tables):
        def __init__(self) -> None:
            super().__init__()
            self.network.add_agent(Other("other"))

        def reset(self, seed: Any = None, options: Any = None) -> Any:
            observations, infos = super().reset()
            return observations, infos

    results = train({"odd": Other, "player": Here, "rival": PAST}, env=Mixed, num_iterations=1)
    assert results.policies["rival"].config.of == "player"


def test_a_run_is_evaluated_against_its_past_too_and_so_is_what_is_saved(tmp_path: Path) -> None:
    plan = ph.EvaluationPlan(episodes=3)
    results = train(run_dir=tmp_path, evaluation=plan, num_iterations=4)
    assert results.evaluation is not None
    found, _ = ph.tools.evaluate_run(results.run_directory)
    assert found.episode_returns == results.evaluation.episode_returns
    past: Any = ph.load_policies(results.run_directory)["rival"]
    assert past.state_dict()["snapshots"].keys() == {"0", "1", "2", "3"}
    again = ph.evaluate(
        Tables(),
        {**results.policies, "rival": past},
        results.policy_by_agent,
        num_episodes=3,
        seed=ph.seeding.derive_seed(1, "evaluation"),
    )
    assert again.episode_returns == results.evaluation.episode_returns


def test_a_trainer_that_trains_twice_in_a_run_begins_with_another_past() -> None:
    class Twice(SmoothReply):
        def train(self, env_class: Any, num_iterations: Any, *args: Any, **more: Any) -> Any:
            super().train(env_class, 3, *args, **more)
            return super().train(env_class, 2, *args, **more)

    rival = ph.PolicySpec(agents=There, opponents="past", config={"every": 2})
    past: Any = train({"player": Here, "rival": rival}, trainer=Twice, num_iterations=5).policies["rival"]
    assert list(past.snapshots) == [3, 4]


def test_the_past_of_an_earlier_run_can_be_played_against_and_stays_as_it_was() -> None:
    past: Any = train().policies["rival"]
    results = train({"player": Here, "rival": (past, There)}, num_iterations=5)
    assert results.policies["rival"] is past
    assert list(past.snapshots) == [0, 1, 2]
    assert "rival/snapshots" not in results.history[-1]


def test_a_policy_that_goes_on_learning_begins_its_past_as_it_was_given() -> None:
    first: Any = train().policies["player"]
    player = ph.PolicySpec(agents=Here, policy=first, train=True)
    past: Any = train({"player": player, "rival": PAST}).policies["rival"]
    assert past.snapshots[0].logits.tolist() == first.logits.tolist()


def test_what_snapshots_draw_of_their_own_accord_follows_from_the_seed_of_the_run() -> None:
    class Own(Logits):
        def seed(self, rng: np.random.Generator) -> None:
            super().seed(rng)
            self.own = rng

    class Trainer(SmoothReply):
        policy_class = Own

    def drawn(seed: int) -> float:
        past: Any = train(trainer=Trainer, seed=seed, num_iterations=1).policies["rival"]
        return past.snapshots[0].own.random()

    assert drawn(1) == drawn(1) != drawn(2)


def test_the_settings_of_the_policy_are_those_of_its_snapshots() -> None:
    class Scaled(Logits):
        def __init__(self, *spaces: Any, scale: float = 1.0) -> None:
            super().__init__(*spaces)
            self.scale = scale

    class Trainer(SmoothReply):
        policy_class = Scaled

    player = ph.PolicySpec(agents=Here, config={"scale": 3.0})
    past: Any = train({"player": player, "rival": PAST}, trainer=Trainer).policies["rival"]
    assert {one.scale for one in past.snapshots.values()} == {3.0}


FILE = """
env = "./tables.py:Tables"
iterations = 2
seed = 1
run_dir = "none"

[trainer."./tables.py:SmoothReply"]

[policies.player]
class = "./tables.py:Here"

[policies.rival]
class = "./tables.py:There"
opponents = "past"
config = { of = "player", every = 2, keep = 5 }
"""


def test_a_run_file_says_it_likewise_and_is_written_as_it_was_read() -> None:
    spec = ph.PolicySpec(agents=["B"], opponents="past", config={"of": "player", "every": 2})
    given = {"trainer": "q-learning", "env": Tables, "num_iterations": 1}
    settings = RunSettings(**given, policies={"player": ["A"], "rival": spec})
    table, lost = settings.to_table(Path.cwd())
    assert table["policies"]["rival"] == {
        "agents": ["B"],
        "opponents": "past",
        "config": {"of": "player", "every": 2},
    }
    assert not lost
    read = RunSettings.from_table(tomllib.loads(tomli_w.dumps(table)), source="run.toml", folder=Path.cwd())
    assert read.policies == settings.policies
    assert read.to_table(Path.cwd()) == (table, {})


def test_a_run_file_is_trained(guess_folder: Path, phantom: Callable[..., Any]) -> None:
    (guess_folder / "tables.py").write_text(Path(__file__).read_text(encoding="utf-8"))
    (guess_folder / "tables.toml").write_text(FILE)
    outcome = phantom("train", "tables.toml")
    assert outcome.code == 0, outcome.err
    outcome = phantom("train", "tables.toml", "--set", "policies.rival.opponents=future")
    assert (outcome.code, outcome.err) == (
        2,
        "Error: policies.rival.opponents = 'future' is wrong: expected one of 'past'.\n",
    )


class Stepping(ph.Trainer):
    policy_class = Logits

    def training_step(self, *args: Any) -> None:
        """Learn nothing."""


class LogitsByCopy(ph.PolicyByCopy):
    num_copies = 1

    def compute_actions(self, observations: Any, env_indices: Any) -> Any:
        return [0] * len(observations)

    def of_copy(self, env_index: int) -> ph.Policy:
        return Logits(self.observation_space, self.action_space)

    def state_dict(self) -> dict[str, Any]:
        return {}


class ByCopy(SmoothReply):
    policy_class = LogitsByCopy


class Stateless(Logits):
    state_dict = ph.Policy.state_dict


def spec(**given: Any) -> ph.PolicySpec:
    return ph.PolicySpec(**{"agents": There, "opponents": "past", **given})


@pytest.mark.parametrize(
    ("policies", "message"),
    [
        ({"rival": spec(opponents="best")}, "Policy 'rival' has opponents='best'. Expected 'past', or None."),
        (
            {"rival": spec(policy="random")},
            (
                "Policy 'rival' has opponents='past', so it acts by snapshots of a policy that is trained, "
                "but policy='random' too. Leave one of the two out."
            ),
        ),
        (
            {"rival": spec(train=True)},
            (
                "Policy 'rival' has opponents='past', so it acts by snapshots of a policy that is trained, "
                "but train=True too. Leave one of the two out."
            ),
        ),
        (
            {"rival": spec(trainer="q-learning")},
            (
                "Policy 'rival' has opponents='past', so it acts by snapshots of a policy that is trained, "
                "but trainer='q-learning' too. Leave one of the two out."
            ),
        ),
        (
            {"rival": spec(config={"of": "plyer"})},
            (
                "Policy 'rival' is to act by snapshots of 'plyer', but there is no such policy. Did you mean "
                "'player'? Policies that are trained: 'player'."
            ),
        ),
        (
            {"rival": spec(config={"of": "rival"})},
            (
                "Policy 'rival' is to act by snapshots of 'rival', which is not trained. Policies that are "
                "trained: 'player'."
            ),
        ),
        (
            {"rival": spec(config={"every": 0})},
            "policies.rival.config: every is 0; expected an integer that is at least 1.",
        ),
        (
            {"rival": spec(config={"window": 5})},
            "policies.rival.config has no setting 'window'. Its settings: of, every, keep.",
        ),
        (
            {"rival": spec(), "player": ph.PolicySpec(agents=Here, policy="random")},
            (
                "There is nothing to train: 'rival' would act by snapshots of a policy that is trained "
                "(opponents='past'), and none is. Leave opponents out of the one that learns, and give it no "
                "policy of its own."
            ),
        ),
        (
            {"rival": spec(), "player": ph.PolicySpec(agents=Here, opponents="past")},
            (
                "There is nothing to train: 'player', 'rival' would act by snapshots of a policy that is "
                "trained (opponents='past'), and none is. Leave opponents out of the one that learns, and "
                "give it no policy of its own."
            ),
        ),
        (
            {"player": ph.PolicySpec(agents=Here, policy=Stateless, train=True), "rival": spec()},
            (
                "Policy 'rival' is to act by snapshots of 'player', but Stateless has no state_dict() of its "
                "own, so all of them would be alike. Override state_dict() and load_state_dict()."
            ),
        ),
    ],
)
def test_what_cannot_be_played_is_refused(policies: dict[str, Any], message: str) -> None:
    with pytest.raises(ph.errors.ConfigError) as caught:
        train({"player": Here, **policies})
    assert str(caught.value) == message


def test_whose_past_it_is_must_be_said_if_several_can_be_meant() -> None:
    def is_first(agent: ph.Agent) -> bool:
        return agent.id == "here 0"

    def is_other(agent: ph.Agent) -> bool:
        return isinstance(agent, Here) and not is_first(agent)

    with pytest.raises(ph.errors.PolicyMappingError) as caught:
        train({"one": is_first, "other": is_other, "rival": PAST})
    assert str(caught.value) == (
        "Policy 'rival' has opponents='past', but does not say whose past, and 2 policies that are trained "
        "have its spaces: 'one', 'other'. Name one: config={'of': 'one'}."
    )


def test_the_spaces_must_be_those_of_the_policy_that_learns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(There, "action_space", gym.spaces.Discrete(4))
    with pytest.raises(ph.errors.PolicyMappingError) as caught:
        train({"player": Here, "rival": spec(config={"of": "player"})})
    assert str(caught.value) == (
        "Policy 'rival' is to act by snapshots of 'player', but their action spaces differ: Discrete(3) and "
        "Discrete(4). Name a policy with the same spaces, or give it one of its own."
    )
    with pytest.raises(ph.errors.PolicyMappingError) as caught:
        train({"player": Here, "rival": spec()})
    assert str(caught.value) == (
        "Policy 'rival' has opponents='past', but no policy that is trained has its spaces: observations "
        "Discrete(1), actions Discrete(4). Give it a policy of its own, or its agents the spaces of those "
        "that learn."
    )


def test_it_is_not_trained() -> None:
    with pytest.raises(ph.errors.PolicyMappingError) as caught:
        train(policies_to_train=["player", "rival"])
    assert str(caught.value) == (
        "policies_to_train names 'rival', but it acts by snapshots of another policy: opponents='past'. Name "
        "the one that learns, which has no opponents."
    )


def test_a_trainer_that_steps_the_env_itself_has_no_past() -> None:
    with pytest.raises(ph.errors.ConfigError) as caught:
        train(trainer=Stepping)
    assert str(caught.value) == (
        "Stepping steps the env itself, so policy 'rival' cannot act by snapshots of one that it trains. "
        "Leave opponents='past' out, or use a trainer with update()."
    )


def test_a_policy_that_is_another_one_in_each_copy_has_no_past() -> None:
    with pytest.raises(ph.errors.PolicyMappingError) as caught:
        train(trainer=ByCopy)
    assert str(caught.value) == (
        "Policy 'rival' is to act by snapshots of 'player', but a LogitsByCopy is another policy in each "
        "copy of the env. Use a trainer that has one policy for all of them."
    )


def test_without_training_there_is_no_past() -> None:
    with pytest.raises(ph.errors.PolicyMappingError) as caught:
        ph.make_policies(Tables(), {"player": ("random", Here), "rival": PAST})
    assert str(caught.value) == (
        "There is no policy in 'rival', and no trainer whose policy could be taken. Give one with the "
        "agents: ('random', agents), (MyPolicy, agents) or (policy, agents)."
    )


def test_its_values_are_not_logged_under_the_name_of_others() -> None:
    with pytest.raises(ph.errors.ConfigError) as caught:
        train(metrics={"rival/snapshots": ph.metrics.SimpleEnvMetric("current_step")})
    assert str(caught.value) == (
        "Metric 'rival/snapshots' would be logged under a name of its own, but those of policy 'rival' begin "
        "with 'rival/' too. Rename the metric."
    )
