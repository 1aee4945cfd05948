"""`PolicyConformance`: what a policy has to do, whoever trains it, if anybody does."""

from __future__ import annotations

import copy
import pickle
import tempfile
from collections.abc import Iterable, Mapping
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
from phantom_testing.trial_runs import FORMS, form_of, undisturbed

NUM_STATES = 3
NUM_CHOICES = 3
NUM_SAMPLES = 5
ASKED = ("compute_action", "compute_actions", "sample_actions")
NUM_ROWS = 40
NUM_AGENTS = 7
SIZES = (1, 5, NUM_ROWS)
"""Batches in which the same rows are asked about; a policy may work otherwise in large ones."""


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

    def observations(self, seed: int = 1, *, space: gym.Space[Any] | None = None) -> Any:
        """Return a batch of random observations, batched as the collector does."""
        space = copy.deepcopy(space or self.its_spaces[0])
        space.seed(seed)
        return batched(space, [*_extremes_of(space), *(space.sample() for _ in range(NUM_ROWS))][:NUM_ROWS])

    def question(self) -> Question:
        """Return what a worker is asked."""
        return self.once("question", lambda: Question(self.build(), self.observations()))

    def _pickled(self) -> bytes:
        try:
            return pickle.dumps(self.question())
        except Exception:  # the check of it says so
            return b""

    def test_every_setting_matters(self) -> None:
        """What a user sets changes the state or the actions."""
        config_class = self.target.config_class
        if config_class is None or not self.is_repeatable():
            return  # there are none, or nothing can be told, which another check says
        self.require_that_all_matter(config_class, self._effect)

    def _effect(self, config: Mapping[str, Any]) -> str | None:
        """Return what it does with settings, in all spaces it can be built for: some matter in one only."""
        try:
            self.build_with(config)
        except Exception:  # it refuses the value
            return None
        found = []
        for spaces in (self.its_spaces, *map(_spaces_of, FORMS)):
            try:
                built: ph.BasePolicy = self.target(*spaces, **config)
            except Exception:  # it refuses the spaces  # noqa: S112
                continue
            built.seed(ph.seeding.make_rng(1, "conformance"))
            policy = as_plain_policy(built)
            observations = self.observations(space=spaces[0])
            actions, told = self.ask(policy, "sample_actions", observations)
            finished = [] if self.target.acts_randomly else list(policy.compute_actions(observations))
            found.append([policy.state_dict(), list(actions), dict(told), finished])
        return fingerprint(found)

    # ------------------------------------------------------------------ what it does

    def test_its_actions_are_in_the_action_space(self) -> None:
        """One by one, together, and while it learns, also where observations are at their bounds."""
        policy, observations = self.build(), self.observations()
        asked = {
            "compute_action": [policy.compute_action(row) for row in rows_of(observations)],
            "compute_actions": list(policy.compute_actions(observations)),
        }
        for seed in range(NUM_SAMPLES):
            actions, _ = policy.sample_actions(observations, _streams(seed))
            asked.setdefault("sample_actions", []).extend(policy.env_actions(actions))
        for method, actions in asked.items():
            number = NUM_ROWS * NUM_SAMPLES if method == "sample_actions" else NUM_ROWS
            outside = [action for action in actions if not self.its_spaces[1].contains(action)]
            require(
                len(actions) == number and not outside,
                f"{self.subject} returns {repr(outside[0]) if outside else f'{len(actions)} actions'} from "
                f"{method}(). Expected {number} elements of {self.its_spaces[1]} for as many observations.",
            )

    def test_one_by_one_it_does_the_same_as_together(self) -> None:
        """What is done in a row depends on no other row, in batches of any size."""
        policy, observations = self.build(), self.observations()
        if not self.target.acts_randomly and self.repeats_itself():
            one_by_one = [policy.compute_action(row) for row in rows_of(observations)]
            for size in SIZES:
                parts = _parts(observations, size)
                together = [action for part in parts for action in policy.compute_actions(part)]
                self._require_same_rows("compute_actions", one_by_one, together, size)
        if not self.is_repeatable():
            return  # which another check says
        rows = [sample for _, sample in self._sampled(policy, observations, 1)]
        for size in SIZES[1:]:
            together = [sample for _, sample in self._sampled(policy, observations, size)]
            self._require_same_rows("sample_actions", rows, together, size)

    def _sampled(self, policy: ph.Policy, observations: Any, size: int) -> list[tuple[int, Any]]:
        """Return row and what is sampled in it: the action, and what is told about it; last rows first."""
        _, all_told = copy.deepcopy(policy).sample_actions(observations, _streams())
        is_told = all(len(values) == NUM_ROWS for values in all_told.values())  # else another check says so
        found = []
        for number, part in reversed(list(enumerate(_parts(observations, size)))):
            streams = _streams(rows=range(number * size, (number + 1) * size))
            actions, extras = copy.deepcopy(policy).sample_actions(part, streams)
            for row, action in enumerate(actions):
                told = [values[row] for values in extras.values()] if is_told else []
                found.append((number * size + row, [action, *told] if told else action))
        return sorted(found, key=lambda pair: pair[0])

    def _require_same_rows(self, method: str, alone: list[Any], together: list[Any], size: int) -> None:
        for one, other in zip(alone, together, strict=True):
            require(
                _alike(one, other),
                f"{self.subject} answers {_short(one)} to an observation alone, but {_short(other)} to "
                f"the same one among {size} in {method}(). Expected the same: what is done in a row must "
                "depend on no other row, nor on how many there are.",
            )

    def test_the_finished_policy_repeats_itself(self) -> None:
        """An observation leads to one action, unless `acts_randomly` says otherwise."""
        if self.target.acts_randomly:
            return
        remembered = self._what_it_remembers()
        advice = "set acts_randomly = True if it draws"
        if remembered:
            advice = (
                f"it remembers in {remembered}, for all agents at once. Derive it from ph.RecurrentPolicy, "
                "which has a state for each agent"
            )
        require(
            self.repeats_itself() or self.what_asking_changes(),
            f"{self.subject} takes other actions when it is asked again. Expected the finished policy to "
            f"repeat itself: {advice}.",
        )

    def _what_it_remembers(self) -> str:
        """Name the attributes that change when the policy is asked and hold no generator; empty: none do."""
        policy = self.build()
        before = _attributes_of(policy)
        self.ask(policy, "compute_actions")
        after = _attributes_of(policy)
        return ph.tools.listing([name for name in after if after[name] != before.get(name)])

    def repeats_itself(self) -> bool:
        """Tell whether it takes the same actions when it is asked again."""
        policy, observations = self.build(), self.observations()
        return _alike(*(list(policy.compute_actions(observations)) for _ in range(2)))

    def what_asking_changes(self) -> str:
        """Name the method that changes the policy's state or settings when it is called; empty: none."""
        for method in ASKED:
            if method != "sample_actions" and self.target.acts_randomly:
                continue
            policy = self.build()
            before = fingerprint(policy.state_dict())
            self.ask(policy, method)
            if fingerprint(policy.state_dict()) != before:
                return method
        return ""

    def ask(self, policy: ph.Policy, method: str, observations: Any = None) -> Any:
        """Call one of the methods with observations, the kit's own if none are given."""
        observations = self.observations() if observations is None else observations
        if method == "compute_action":
            return [policy.compute_action(row) for row in rows_of(observations)]
        return getattr(policy, method)(observations, *((_streams(),) if method == "sample_actions" else ()))

    def test_being_asked_teaches_it_nothing(self) -> None:
        """A policy that is not to be trained is asked, too."""
        method = self.what_asking_changes()
        require(
            not method,
            f"{self.subject} changes its state_dict() when {method}() is called, also where it is not among "
            "policies_to_train. Expected it to be as before: learn in the trainer's update().",
        )

    def test_it_leaves_its_config_as_it_is(self) -> None:
        """Settings are what the user gave; a saved policy is built from them."""
        policy, fresh = self.build(), self.build_with(self.option("config"))
        for method in ASKED:
            self.ask(policy, method)
        used = policy.recurrent if isinstance(policy, FirstDecisions) else policy
        now, before = (
            fingerprint([repr(one.config), *map(repr, sorted(one.given_settings.items()))])
            for one in (used, fresh)
        )
        require(
            now == before,
            f"{self.subject} was built with {fresh.config!r} and has {used.config!r} after it was used. "
            "Expected its config to stay as it was: keep what changes in attributes of its own.",
        )

    def is_repeatable(self) -> bool:
        """Tell whether the same streams give the same actions, also of one policy that is asked again."""
        policy = self.build()
        twin = copy.deepcopy(policy)
        answers = [self.ask(asked, "sample_actions") for asked in (policy, policy, twin)]
        first, *others = [fingerprint([list(actions), dict(told)]) for actions, told in answers]
        return all(other == first for other in others)

    def test_the_same_streams_give_the_same_actions(self) -> None:
        """While it learns, what it draws follows from the rows' streams alone."""
        require(
            self.is_repeatable() or self.what_asking_changes(),
            f"{self.subject} samples other actions from the same streams. Expected the same, whatever it was "
            "asked before: draw only from the rng that sample_actions() gets, from no generator of its own.",
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
        policy, observations = self.build(), _parts(self.observations(), NUM_AGENTS)[0]
        if not isinstance(policy, FirstDecisions):
            return
        _, after = policy.repeated_decisions(observations, 1)
        found, expected = shapes_of(after), shapes_of(policy.initial_states(NUM_AGENTS))
        require(
            found == expected,
            f"{self.subject} returns states of the shapes {found} for {NUM_AGENTS} agents. Expected "
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

    def test_what_it_loads_is_copied(self) -> None:
        """The state that `load_state_dict` gets belongs to the caller."""
        policy = self.build()
        state = copy.deepcopy(policy.state_dict())
        policy.load_state_dict(state)
        before = fingerprint(policy.state_dict())
        _spoil(state)
        require(
            fingerprint(policy.state_dict()) == before,
            f"{self.subject} keeps the arrays that load_state_dict() gets: training changes them for whoever "
            "loads them again. Expected copies: array.copy() or np.array(array).",
        )

    def test_it_leaves_observations_as_they_are(self) -> None:
        """Observations belong to the env and the collector."""
        policy = self.build()
        for method in ASKED:
            observations = self.observations()
            before = fingerprint(observations)
            self.ask(policy, method, observations)
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


def _extremes_of(space: gym.Space[Any]) -> list[Any]:
    """Return the corners of a Box that has bounds."""
    if isinstance(space, gym.spaces.Box) and space.is_bounded():
        return [space.low.copy(), space.high.copy()]
    return []


def _parts(batch: Any, size: int) -> list[Any]:
    """Divide a batch of rows into batches of a size."""
    if isinstance(batch, dict):
        parts = {key: _parts(part, size) for key, part in batch.items()}
        return [dict(zip(parts, part, strict=True)) for part in zip(*parts.values(), strict=True)]
    if isinstance(batch, tuple):
        return list(zip(*(_parts(part, size) for part in batch), strict=True))
    return [batch[start : start + size] for start in range(0, len(batch), size)]


def _short(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_short, value))}]"
    return np.array2string(value, precision=3) if isinstance(value, np.ndarray) else f"{value}"


def _spaces_of(form: ToyForm) -> tuple[gym.Space[Any], gym.Space[Any]]:
    return form.observation_space(NUM_STATES), form.action_space(NUM_CHOICES)


def _streams(seed: int = 1, rows: Iterable[int] = range(NUM_ROWS)) -> ph.RowStreams:
    return ph.RowStreams([ph.seeding.UniformStream(ph.seeding.make_rng(seed, "row", row)) for row in rows])


def _attributes_of(policy: ph.Policy) -> dict[str, str]:
    """Return a text for each attribute that is data, which is equal for equal data."""
    data = (np.ndarray, int, float, str, list, tuple, dict, type(None))
    return {name: fingerprint(value) for name, value in vars(policy).items() if isinstance(value, data)}


def _alike(one: Any, other: Any) -> bool:
    """Compare actions; float32 results of batches of other sizes may differ in the last digits."""
    if isinstance(one, Mapping):
        return one.keys() == other.keys() and all(_alike(one[key], other[key]) for key in one)
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(_alike, one, other))
    left, right = np.asarray(one), np.asarray(other)
    if left.dtype.kind in "biuf" and right.dtype.kind in "biuf":
        return left.shape == right.shape and np.allclose(
            left.astype(np.float64), right.astype(np.float64), rtol=1e-4, atol=1e-5, equal_nan=True
        )
    return bool(np.array_equal(left, right))


def _spoil(state: Any) -> None:
    """Change every array and list of numbers in place, as somebody who owns them may."""
    if isinstance(state, np.ndarray) and state.flags.writeable and state.size:
        state.fill(1)
        state.flat[0] = 0
    elif isinstance(state, Mapping):
        for part in state.values():
            _spoil(part)
    elif isinstance(state, (list, tuple)):
        for place, part in enumerate(state):
            if isinstance(state, list) and isinstance(part, float):
                state[place] = 1.0 - part
            else:
                _spoil(part)
