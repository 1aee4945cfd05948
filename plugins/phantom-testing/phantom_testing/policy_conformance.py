"""`PolicyConformance`: what a policy has to do, whoever trains it, if anybody does."""

from __future__ import annotations

import copy
import pickle
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import gymnasium as gym
import numpy as np

import phantom_core as ph
from phantom_testing.conformance import Conformance, require
from phantom_testing.episode_trace import fingerprint
from phantom_testing.first_decisions import FirstDecisions, as_plain_policy, batched, rows_of, shapes_of
from phantom_testing.toy_agents import ToyForm
from phantom_testing.trial_runs import form_of, undisturbed

NUM_STATES = 3
NUM_CHOICES = 3
NUM_ROWS = 7


@dataclass(frozen=True)
class Question:
    """A policy and what it is asked in another process."""

    policy: ph.Policy
    observations: Any

    def answer(self) -> str:
        """Return what it does."""
        return fingerprint(list(self.policy.compute_actions(self.observations)))


class PolicyConformance(Conformance):
    """Checks a policy: `class TestMyPolicy(PolicyConformance): name = "my-policy"`.

    Attributes:
        spaces: the observation space and the action space to build it for; None: the first of the
            toy envs' spaces that it can be built for.
    """

    kind = "policy"
    base = ph.BasePolicy
    spaces: ClassVar[tuple[gym.Space[Any], gym.Space[Any]] | None] = None

    def build(self) -> ph.Policy:
        """Return a policy that was seeded."""
        return self.seeded(1)

    def build_with(self, config: Mapping[str, Any]) -> Any:
        """Build the policy with other settings."""
        return self.target(*self.its_spaces, **config)

    @property
    def its_spaces(self) -> tuple[gym.Space[Any], gym.Space[Any]]:
        """The spaces that it is built for."""
        given: tuple[gym.Space[Any], gym.Space[Any]] | None = self.option("spaces")
        if given is not None:
            return given
        config = self.option("config")
        form = form_of(self.target, **config)
        if form is None:
            try:
                self.target(*_spaces_of(ToyForm()), **config)
            except Exception as error:
                raise AssertionError(
                    f"{self.subject} can be built for none of the kit's spaces: "
                    f"{ph.tools.error_text(error)}. Set spaces = (observation_space, "
                    "action_space), and the settings it needs in config."
                ) from error
        return _spaces_of(form or ToyForm())

    def seeded(self, seed: int) -> ph.Policy:
        """Return a policy whose first weights follow from a seed; of a recurrent one, its first decisions."""
        policy: ph.BasePolicy = self.build_with(self.option("config"))
        policy.seed(ph.seeding.make_rng(seed, "conformance"))
        return as_plain_policy(policy)

    def observations(self, seed: int = 1, rows: int = NUM_ROWS) -> Any:
        """Return a batch of random observations, batched as the collector does."""
        space = copy.deepcopy(self.its_spaces[0])
        space.seed(seed)
        elements = [space.sample() for _ in range(rows)]
        return batched(space, elements)

    def question(self) -> Question:
        """Return what a worker is asked."""
        return self.once("question", lambda: Question(self.build(), self.observations()))

    def _pickled(self) -> bytes:
        try:
            return pickle.dumps(self.question())
        except Exception:  # the check of it says so
            return b""

    # ------------------------------------------------------------------ what it does

    def test_its_actions_are_in_the_action_space(self) -> None:
        """One by one, together, and while it learns."""
        policy, observations = self.build(), self.observations()
        sampled, _ = policy.sample_actions(observations, _streams())
        asked = {
            "compute_action": [policy.compute_action(row) for row in rows_of(observations)],
            "compute_actions": list(policy.compute_actions(observations)),
            "sample_actions": list(policy.env_actions(sampled)),
        }
        for method, actions in asked.items():
            outside = [action for action in actions if not self.its_spaces[1].contains(action)]
            require(
                len(actions) == NUM_ROWS and not outside,
                f"{self.subject} returns {repr(outside[0]) if outside else f'{len(actions)} actions'} from "
                f"{method}(). Expected {NUM_ROWS} elements of {self.its_spaces[1]} for as many observations.",
            )

    def test_one_by_one_it_does_the_same_as_together(self) -> None:
        """`compute_actions` is `compute_action` for each row."""
        if self.target.acts_randomly:
            return
        policy, observations = self.build(), self.observations()
        one_by_one = [policy.compute_action(row) for row in rows_of(observations)]
        together = list(policy.compute_actions(observations))
        require(
            _alike(one_by_one, together),
            f"{self.subject} takes the actions {one_by_one} one by one, but {together} together. Expected "
            "the same of compute_action() and compute_actions().",
        )

    def test_the_finished_policy_repeats_itself(self) -> None:
        """An observation leads to one action, unless `acts_randomly` says otherwise."""
        if self.target.acts_randomly:
            return
        policy, observations = self.build(), self.observations(rows=25)
        before = fingerprint(policy.state_dict())
        first, second = list(policy.compute_actions(observations)), list(policy.compute_actions(observations))
        require(
            _alike(first, second) and fingerprint(policy.state_dict()) == before,
            f"{self.subject} takes other actions, or changes its state, when it is asked again. Expected the "
            "finished policy to repeat itself: set acts_randomly = True if it draws.",
        )

    def is_repeatable(self) -> bool:
        """Tell whether the same streams give the same actions."""
        policy, observations = self.build(), self.observations()
        twin = copy.deepcopy(policy)
        first, second = (p.sample_actions(observations, _streams()) for p in (policy, twin))
        return fingerprint([list(first[0]), dict(first[1])]) == fingerprint(
            [list(second[0]), dict(second[1])]
        )

    def test_the_same_streams_give_the_same_actions(self) -> None:
        """While it learns, what it draws follows from the rows' streams alone."""
        require(
            self.is_repeatable(),
            f"{self.subject} samples other actions from the same streams. Expected the same: draw only from "
            "the rng that sample_actions() gets.",
        )

    def test_the_same_seed_gives_the_same_first_weights(self) -> None:
        """What is drawn at the start follows from the generator that `seed` gets."""
        one, other = self.seeded(1), self.seeded(1)
        require(
            fingerprint(one.state_dict()) == fingerprint(other.state_dict()),
            f"{self.subject} has other first weights each time. Expected them to follow from the generator "
            "that seed() gets: draw them there, not in __init__().",
        )

    def test_it_draws_from_no_global_generator(self) -> None:
        """The generators of the process belong to the program."""
        with undisturbed() as global_random:
            policy, observations = self.build(), self.observations()
            policy.compute_actions(observations)
            policy.sample_actions(observations, _streams())
            drawn = global_random.used()
        require(
            not drawn,
            f"{self.subject} draws from {' and '.join(drawn)}, which no seed of a run reaches. Draw from the "
            "rng that sample_actions() gets, or from the generator that seed() gets.",
        )

    def test_what_it_tells_about_actions_has_one_row_for_each(self) -> None:
        """The extras of `sample_actions` are as long as the actions, under the same names every time."""
        policy = self.build()
        told_of = [policy.sample_actions(self.observations(seed), _streams())[1] for seed in (1, 2)]
        lengths = {name: len(values) for extras in told_of for name, values in extras.items()}
        require(
            told_of[0].keys() == told_of[1].keys() and set(lengths.values()) <= {NUM_ROWS},
            f"{self.subject} returns extras of the lengths {lengths} for {NUM_ROWS} observations, under the "
            f"names {sorted(told_of[0])} and then {sorted(told_of[1])}. Expected {NUM_ROWS} rows under the "
            "same names in every call of sample_actions().",
        )

    def test_its_memory_is_that_of_each_agent(self) -> None:
        """A recurrent policy returns one state for each, and decides by that agent's own."""
        policy, observations = self.build(), self.observations()
        if not isinstance(policy, FirstDecisions):
            return
        _, after = policy.repeated_decisions(observations, 1)
        found, expected = shapes_of(after), shapes_of(policy.initial_states(NUM_ROWS))
        require(
            found == expected,
            f"{self.subject} returns states of the shapes {found} for {NUM_ROWS} agents. Expected "
            f"{expected}: one for each, as initial_state() nests them.",
        )
        if self.target.acts_randomly:
            return
        space, (together, _) = self.its_spaces[0], policy.repeated_decisions(observations, 3)
        alone = [policy.repeated_decisions(batched(space, [row]), 3)[0][0] for row in rows_of(observations)]
        require(
            _alike(alone, together),
            f"{self.subject} takes the actions {alone} in a third decision one by one, but "
            f"{together} together. Expected the same: keep what it remembers in the states alone, "
            "one row for each agent.",
        )

    # ------------------------------------------------------------------ what it keeps

    def test_its_state_survives_saving(self) -> None:
        """A policy that loads what was saved has the same state and takes the same actions."""
        policy, twin, observations = self.seeded(1), self.seeded(2), self.observations()
        with tempfile.TemporaryDirectory() as folder:
            ph.tools.save_checkpoint(Path(folder, "state"), policy.state_dict())
            twin.load_state_dict(ph.tools.load_checkpoint(Path(folder, "state")))
        is_same = fingerprint(policy.state_dict()) == fingerprint(twin.state_dict())
        if is_same and not self.target.acts_randomly:
            is_same = _alike(
                list(policy.compute_actions(observations)), list(twin.compute_actions(observations))
            )
        require(
            is_same,
            f"{self.subject} is another one after load_state_dict() took over its state_dict(). Expected the "
            "same state and the same actions: save and load all that training changes.",
        )

    def test_its_state_is_a_copy(self) -> None:
        """Who changes what `state_dict` returned does not change the policy."""
        policy = self.build()
        before = fingerprint(policy.state_dict())
        _spoil(policy.state_dict())
        require(
            fingerprint(policy.state_dict()) == before,
            f"{self.subject} hands out its own arrays in state_dict(): who keeps them sees them change in "
            "training. Expected copies: array.copy().",
        )

    def test_it_leaves_observations_as_they_are(self) -> None:
        """Observations belong to the env and the collector."""
        policy = self.build()
        for method in ("compute_action", "compute_actions", "sample_actions"):
            observations = self.observations()
            before = fingerprint(observations)
            if method == "compute_action":
                for row in rows_of(observations):
                    policy.compute_action(row)
            else:
                arguments = (_streams(),) if method == "sample_actions" else ()
                getattr(policy, method)(observations, *arguments)
            require(
                fingerprint(observations) == before,
                f"{self.subject} changes in {method}() the observations that it was handed. Expected them to "
                "stay as they are: copy before you change.",
            )

    def test_it_keeps_no_observations(self) -> None:
        """The collector uses the same memory for the next ones."""
        if not isinstance(self.observations(), np.ndarray) or not self.is_repeatable():
            return
        policy = self.build()
        twin = copy.deepcopy(policy)
        for asked, is_reused in ((policy, True), (twin, False)):
            first = self.observations(1)
            asked.sample_actions(first, _streams())
            if is_reused:
                first[...] = 0
        second = self.observations(2)
        one, other = (list(p.sample_actions(second, _streams())[0]) for p in (policy, twin))
        require(
            _alike(one, other),
            f"{self.subject} keeps the array of observations that it was handed, whose memory is used again. "
            "Expected it to look at it during the call only: copy what you keep.",
        )

    def test_it_arrives_in_a_worker_as_it_was(self) -> None:
        """It takes the same actions in a new process."""
        answer = self.report().unpickled
        require(
            self.target.acts_randomly or not answer or answer == self.question().answer(),
            f"{self.subject} takes other actions in a worker than here. Expected the same: let pickling keep "
            "all that compute_actions() reads.",
        )


def _spaces_of(form: ToyForm) -> tuple[gym.Space[Any], gym.Space[Any]]:
    return form.observation_space(NUM_STATES), form.action_space(NUM_CHOICES)


def _streams() -> ph.RowStreams:
    return ph.RowStreams(
        [ph.seeding.UniformStream(ph.seeding.make_rng(1, "row", row)) for row in range(NUM_ROWS)]
    )


def _alike(one: list[Any], other: list[Any]) -> bool:
    """Compare actions; float32 results of batches of other sizes may differ in the last digits."""
    return len(one) == len(other) and all(
        np.allclose(np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64), rtol=1e-4, atol=1e-5)
        for a, b in zip(one, other, strict=True)
    )


def _spoil(state: Any) -> None:
    """Change every array in place, as somebody who owns them may."""
    if isinstance(state, np.ndarray) and state.flags.writeable and state.size:
        state.fill(1)
        state.flat[0] = 0
    elif isinstance(state, Mapping):
        for part in state.values():
            _spoil(part)
    elif isinstance(state, (list, tuple)):
        for part in state:
            _spoil(part)
