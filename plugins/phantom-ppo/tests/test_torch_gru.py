"""How `ppo` trains `gru-actor-critic`; `make check-integrations` installs torch and runs this."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

import phantom_core as ph
from phantom_ppo.gru_actor_critic import GRUActorCriticPolicy
from phantom_ppo.ppo_loss import LossSettings, Samples
from phantom_ppo.sequences import cut_into_sequences, shuffled_rows
from phantom_ppo.twin_gru import TwinGRU

pytestmark = pytest.mark.integration
torch = pytest.importorskip("torch", reason="run make check-integrations", exc_type=ImportError)

OBSERVATIONS = gym.spaces.Box(-1.0, 1.0, (3,))
ACTIONS = {
    "discrete": gym.spaces.Discrete(4, start=2),
    "multi-discrete": gym.spaces.MultiDiscrete([2, 3], start=[1, 0]),
    "multi-binary": gym.spaces.MultiBinary(3),
    "box": gym.spaces.Box(-2.0, 2.0, (2,)),
    "dict": gym.spaces.Dict({"choice": gym.spaces.Discrete(3), "price": gym.spaces.Box(-2.0, 2.0, (1,))}),
}
SETTINGS = LossSettings(
    learning_rate=1e-3,
    clip_range=0.2,
    entropy_coefficient=0.05,
    value_coefficient=0.5,
    clip_range_value=0.3,
    max_grad_norm=0.5,
    max_kl=None,
)
STARTS = np.cumsum([0, 7, 1, 12, 4])
FAST = {"copies": 4, "steps_per_copy": 32, "epochs": 5, "minibatch_size": 64, "lr": 5e-3, "backend": "torch"}


def make(
    name: str, dtype: type = np.float64, length: int = 5, **network: Any
) -> tuple[GRUActorCriticPolicy, Samples]:
    """Return a policy whose weights are large, and samples of its sequences."""
    from phantom_ppo.recurrent_torch_backend import RecurrentTorchBackend

    policy = GRUActorCriticPolicy(OBSERVATIONS, ACTIONS[name])
    sizes = policy.distribution.num_outputs, policy.distribution.num_extra
    policy.network = TwinGRU(3, (5,), 6, *sizes, dtype=dtype, **network)
    rng = np.random.default_rng(1)
    policy.network.parameters[:] = rng.normal(size=policy.network.parameters.size) * 0.5
    features, first = rng.normal(size=(24, 3)).astype(dtype), rng.normal(size=(4, 2, 6)).astype(dtype)
    sequences, _ = cut_into_sequences(features, STARTS, first, length, policy.network.advance)
    masks = None
    if policy.distribution.mask_width:
        masks = np.ones((24, policy.distribution.mask_width), dtype=bool)
        masks[:12, 1] = False
    stream = ph.seeding.UniformStream(ph.seeding.make_rng(1))
    outputs = rng.normal(size=(24, policy.distribution.num_outputs)).astype(dtype)
    actions = policy.distribution.sample(outputs, policy.network.extra, ph.RowStreams([stream] * 24), masks)
    if isinstance(actions, list):
        actions = policy.distribution.as_array(
            {key: np.stack([one[key] for one in actions]) for key in actions[0]}
        )
    log_probs, values = RecurrentTorchBackend(policy).evaluate(sequences, masks, actions)
    advantages = rng.normal(size=24).astype(dtype)
    return policy, Samples(
        sequences, masks, actions, log_probs, values, advantages, (values + advantages).astype(dtype)
    )


def unrolled(policy: GRUActorCriticPolicy, flat: Any, features: Any, states: Any) -> tuple[Any, Any]:
    """Return outputs and values of one sequence, step by step with torch's own GRU cell."""
    network: TwinGRU = policy.network
    views, hidden, found = network.layout.views(flat), torch.from_numpy(states), []
    for row in torch.from_numpy(features):
        towers = []
        for tower in (0, 1):
            encoded = torch.tanh(row @ views["encoder0.weights"][tower] + views["encoder0.bias"][tower])
            no_bias = torch.zeros(2 * network.size, dtype=flat.dtype)
            hidden_bias = torch.cat([no_bias, views["gru.hidden_bias"][tower, 0]])
            towers.append(
                torch.gru_cell(
                    encoded,
                    hidden[tower][None],
                    views["gru.input_weights"][tower].T,
                    views["gru.hidden_weights"][tower].T,
                    views["gru.input_bias"][tower, 0],
                    hidden_bias,
                )[0]
            )
        hidden = torch.stack(towers)
        found.append(hidden)
    actor, critic = torch.stack(found).unbind(1)
    outputs = actor @ views["actor.weights"] + views["actor.bias"]
    return outputs, (critic @ views["critic.weights"] + views["critic.bias"])[:, 0]


def loss_of(policy: GRUActorCriticPolicy, flat: Any, samples: Samples, settings: LossSettings) -> Any:
    """Return the loss of `ppo_loss`, one sequence after the other."""
    from phantom_nn.torch_distributions import log_prob_and_entropy

    sequences, parts = samples.features, []
    for number in np.unique(sequences.numbers):
        rows = np.flatnonzero(sequences.numbers == number)
        parts.append(unrolled(policy, flat, sequences.features[rows], sequences.states[number]))
    outputs, values = (torch.cat(part) for part in zip(*parts, strict=True))
    log_probs, entropy = log_prob_and_entropy(
        policy.distribution,
        outputs,
        policy.network.layout.views(flat)["extra"],
        torch.from_numpy(samples.actions),
        None if samples.masks is None else torch.from_numpy(samples.masks),
    )
    old_log_probs, old_values, advantages, returns = (
        torch.from_numpy(getattr(samples, name)) for name in ("log_probs", "values", "advantages", "returns")
    )
    ratio, epsilon, limit = (log_probs - old_log_probs).exp(), settings.clip_range, settings.clip_range_value
    gain = torch.minimum(ratio * advantages, ratio.clip(1.0 - epsilon, 1.0 + epsilon) * advantages)
    near = old_values + (values - old_values).clip(-limit, limit)
    error = torch.maximum((values - returns) ** 2, (near - returns) ** 2)
    return (settings.value_coefficient * error - gain - settings.entropy_coefficient * entropy).mean()


def shifted(samples: Samples) -> Samples:
    rng = np.random.default_rng(2)
    log_probs = samples.log_probs + rng.normal(size=len(samples)) * 0.3
    values = samples.values + rng.normal(size=len(samples)) * 0.5
    return replace(samples, log_probs=log_probs, values=values.astype(samples.values.dtype))


@pytest.mark.parametrize("length", [1, 5, 100])
@pytest.mark.parametrize("name", ACTIONS)
def test_the_gradient_is_that_of_the_steps_one_by_one(name: str, length: int) -> None:
    from phantom_ppo.recurrent_torch_backend import RecurrentTorchBackend

    policy, samples = make(name, length=length)
    samples, backend = shifted(samples), RecurrentTorchBackend(policy)
    terms = backend.loss(samples, SETTINGS)
    flat = torch.from_numpy(policy.network.parameters.copy()).requires_grad_()
    loss = loss_of(policy, flat, samples, SETTINGS)
    loss.backward()
    assert np.abs(backend.gradient).max() > 1e-2
    assert backend.gradient == pytest.approx(flat.grad.numpy(), abs=1e-12)
    found = terms.policy_loss + SETTINGS.value_coefficient * terms.value_loss
    assert found - SETTINGS.entropy_coefficient * terms.entropy == pytest.approx(loss.item(), abs=1e-12)


def test_the_gradient_of_a_minibatch_is_that_of_its_sequences_alone() -> None:
    from phantom_ppo.recurrent_torch_backend import RecurrentTorchBackend

    policy, samples = make("box")
    samples, backend = shifted(samples), RecurrentTorchBackend(policy)
    for rows in shuffled_rows(samples.features, 3, np.random.default_rng(1)):
        settings = replace(SETTINGS, learning_rate=0.0, max_grad_norm=1e9)
        backend.descend(samples, [(rows, samples.advantages[rows])], settings)
        flat = torch.from_numpy(policy.network.parameters.copy()).requires_grad_()
        loss_of(policy, flat, samples[np.sort(rows)], SETTINGS).backward()
        assert backend.gradient == pytest.approx(flat.grad.numpy(), abs=1e-12)


@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_it_acts_in_numpy_as_it_is_trained_in_torch(activation: Any) -> None:
    from phantom_ppo.recurrent_torch_backend import RecurrentTorchBackend

    policy, samples = make("box", np.float32, length=100, activation=activation)
    sequences = samples.features
    states, found = sequences.states.copy(), np.empty((24, policy.distribution.num_outputs), np.float32)
    for step in range(12):
        going = np.flatnonzero(np.diff(STARTS) > step)
        rows = STARTS[going] + step
        found[rows], states[going] = policy.network.step(sequences.features[rows], states[going])
    outputs, _ = RecurrentTorchBackend(policy)._look_up(sequences)  # noqa: SLF001
    assert outputs.numpy() == pytest.approx(found, abs=1e-6)


def test_cut_or_whole_it_has_the_same_values() -> None:
    (_, whole), (_, cut) = make("discrete", length=100), make("discrete", length=2)
    assert len(whole.features.states) == 4
    assert len(cut.features.states) == 13
    assert cut.values == pytest.approx(whole.values, abs=1e-12)
    assert cut.log_probs == pytest.approx(whole.log_probs, abs=1e-12)


def test_on_another_device_it_learns_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    from phantom_ppo.recurrent_torch_backend import RecurrentTorchBackend

    (policy, samples), (expected, _) = make("box", np.float32), make("box", np.float32)
    minibatches = [(rows, samples.advantages[rows]) for rows in np.split(np.arange(24), [5])]
    minibatches.append((None, samples.advantages))
    RecurrentTorchBackend(expected).descend(samples, minibatches, SETTINGS)
    moved: list[tuple[int, ...]] = []

    def to_memory_of_its_own(tensor: Any, *_: Any) -> Any:
        moved.append(tuple(tensor.shape))
        return tensor.clone()

    monkeypatch.setattr(torch.Tensor, "to", to_memory_of_its_own)  # as if the CPU was another device
    elsewhere = RecurrentTorchBackend(policy)
    moved.clear()
    elsewhere.descend(samples, minibatches, SETTINGS)
    assert policy.network.parameters.tolist() == expected.network.parameters.tolist()
    assert moved.count((24, 3)) == 1  # what was observed is sent once


# ---------------------------------------------------------------- runs


class CueAgent(ph.StrategicAgent):
    """Sees -1 or 1 in the first of four steps, then zeros, and is paid 1 for saying it in the last."""

    observation_space = gym.spaces.Box(-1.0, 1.0, (2,), np.float32)
    action_space = gym.spaces.Discrete(2)
    length = 4

    def reset(self) -> None:
        self.cue, self.answer = self.random.randrange(2), -1

    def decode_action(self, ctx: ph.Context, action: int) -> None:
        self.answer = action

    def encode_observation(self, ctx: ph.Context) -> np.ndarray:
        step = ctx.env_view.current_step
        return np.array([(2.0 * self.cue - 1.0) * (step == 0), step == self.length - 1], np.float32)

    def compute_reward(self, ctx: ph.Context) -> float:
        return float(ctx.env_view.current_step == self.length and self.answer == self.cue)


class CueEnv(ph.PhantomEnv):
    def __init__(self) -> None:
        super().__init__(CueAgent.length, ph.Network([CueAgent("A"), CueAgent("B")]))


def train(num_iterations: int, policies: Any = None, **options: Any) -> ph.TrainingResults:
    spec = ph.PolicySpec(agents=["A", "B"], policy="gru-actor-critic", config={"memory_size": 16})
    settings: dict[str, Any] = {"trainer_config": FAST, "run_dir": None, **options}
    return ph.train(
        "ppo",
        env=CueEnv,
        policies=policies or {"p": spec},
        policies_to_train=list(policies or ["p"]),
        num_iterations=num_iterations,
        seed=1,
        **settings,
    )


@pytest.mark.parametrize(
    ("policy", "least", "most"), [("gru-actor-critic", 0.95, 1.0), ("mlp-actor-critic", 0.0, 0.7)]
)
def test_who_remembers_answers_and_who_does_not_guesses(policy: str, least: float, most: float) -> None:
    spec = ph.PolicySpec(agents=["A", "B"], policy=policy)
    results = train(15, {"p": spec}, evaluation=ph.EvaluationPlan(episodes=100))
    assert results.evaluation is not None
    assert least <= results.evaluation.mean_return <= most


def parameters(results: ph.TrainingResults, policy_id: str = "p") -> list[float]:
    found: list[float] = results.policies[policy_id].state_dict()["parameters"].tolist()
    return found


def test_same_seed_gives_the_same_weights_whatever_torch_drew_before() -> None:
    first = parameters(train(2))
    torch.rand(3)
    assert parameters(train(2)) == first


def test_it_goes_on_from_a_checkpoint_in_the_middle_of_an_episode(tmp_path: Path) -> None:
    constant = {"lr_final": 5e-3, "clip_range_final": 0.2, "entropy_coefficient": 0.0}
    config = {**FAST, **constant, "steps_per_copy": 30, "normalize_rewards": True}  # no multiple of 4
    options = {"trainer_config": config, "checkpoint": ph.CheckpointPlan(every=1)}
    whole = train(3, run_dir=tmp_path / "whole", **options)
    begun = train(2, run_dir=tmp_path / "begun", **options)
    assert begun.run_directory is not None
    resumed = ph.resume(begun.run_directory, num_iterations=3)
    assert parameters(resumed) == parameters(whole)


def test_policies_with_and_without_a_memory_learn_side_by_side() -> None:
    def spec(agent: str, policy: str) -> ph.PolicySpec:
        return ph.PolicySpec(agents=[agent], policy=policy)

    both = train(2, {"with": spec("A", "gru-actor-critic"), "without": spec("B", "mlp-actor-critic")})
    swapped = train(2, {"with": spec("A", "gru-actor-critic"), "without": spec("B", "gru-actor-critic")})
    assert parameters(both, "with") == parameters(swapped, "with")  # neither sees the other


@pytest.fixture
def updates(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ph.Trajectories]]:
    """The sequences that `ppo` makes in each update, and what it makes them of."""
    found: list[tuple[Any, ph.Trajectories]] = []
    inputs = GRUActorCriticPolicy.inputs

    def noted(policy: GRUActorCriticPolicy, batch: ph.Trajectories, length: int) -> Any:
        found.append((inputs(policy, batch, length), batch))
        return found[-1][0]

    monkeypatch.setattr(GRUActorCriticPolicy, "inputs", noted)
    return found


def test_what_is_learned_from_goes_on_where_acting_was_and_begins_anew_with_an_episode(
    updates: list[tuple[Any, ph.Trajectories]],
) -> None:
    train(2, trainer_config={**FAST, "steps_per_copy": 30, "sequence_length": 3, "lr": 1e-30})
    ((_, following), before), ((sequences, _), after) = updates
    ends = zip(before.agent_ids, before.env_indices, before.episodes, strict=True)
    remembered = dict(zip(ends, following.states, strict=True))
    number_that_go_on = 0
    for k, start in enumerate(after.starts[:-1]):
        state = sequences.states[sequences.numbers[start]]
        if after.steps[start] == 0:
            assert not state.any()
        else:
            key = after.agent_ids[k], after.env_indices[k], after.episodes[k]
            assert state == pytest.approx(remembered[key], abs=1e-6)
            assert np.abs(state).max() > 0.01
            number_that_go_on += 1
    assert number_that_go_on == 8  # two agents in four copies, in the middle of an episode
