"""`TrainerConformance`: what a trainer has to do, whatever it learns by."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar

import phantom_core as ph
from phantom_testing.conformance import Conformance, require
from phantom_testing.ending_envs import FORK, CutOffEnv, DeadEndEnv, LongWayEnv
from phantom_testing.hook_recording import HookRecorder
from phantom_testing.toy_agents import Form, ToyForm
from phantom_testing.toy_envs import DyingAgentsEnv, IdentityEnv, TurnBasedEnv
from phantom_testing.toy_probes import BrokenDownError, FailingEnv, RewindableEnv, WatchfulEnv
from phantom_testing.trainer_twin import with_twin
from phantom_testing.trial_runs import (
    FORMS,
    SolvedIdentity,
    Trial,
    changed,
    choice_of,
    curve,
    difference,
    form_of,
    states,
    undisturbed,
)

NUM_AGENTS = 2
SOLVED = 4.0


class TrainerConformance(Conformance):
    """Checks a trainer: `class TestMyTrainer(TrainerConformance): name = "my-algo"`.

    Attributes:
        spaces: what its policies see and how they act, such as `("box", "discrete")`; see `ToyForm`.
            None: the first spaces that its `policy_class` can be built for.
        is_deterministic: whether two seeds may give the same curve.
        bootstraps: whether it values what follows the last decision that it was given; False for what
            learns from whole episodes or from single rewards.
        learning_iterations: iterations in which it learns a toy env with three states.
    """

    kind = "trainer"
    base = ph.Trainer
    spaces: ClassVar[tuple[Form, Form] | None] = None
    is_deterministic: ClassVar[bool] = False
    bootstraps: ClassVar[bool] = True
    learning_iterations: ClassVar[int] = 60

    @property
    def form(self) -> ToyForm:
        """The spaces of the toy envs that it is tried in."""
        spaces = self.option("spaces")
        form = form_of(self.target.policy_class) if spaces is None else ToyForm(*spaces)
        require(
            form is not None,
            f"{self.subject} has a policy_class that can be built for none of the kit's spaces. Set spaces, "
            'such as spaces = ("box", "discrete"), to see why.',
        )
        assert form is not None
        return form

    @property
    def trial(self) -> Trial:
        """How it is tried."""
        return Trial(trainer=self.target, config=self.option("config"), form=self.form, subject=self.subject)

    def build(self) -> Any:
        """Return what a worker is sent: the class and a policy."""
        form = self.form
        return self.target, self.target.policy_class(form.observation_space(3), form.action_space(3))

    # ------------------------------------------------------------------ the same and another time

    def _what_differs_with_one_seed(self) -> str:
        one, other = (self.trial.run(num_iterations=3) for _ in range(2))
        return difference(curve(one), curve(other)) or changed(states(one.policies), states(other.policies))

    def what_differs_with_one_seed(self) -> str:
        """Say how two runs with one seed differ; nothing if they do not."""
        return self.once("repeatable", self._what_differs_with_one_seed)

    def test_the_same_seed_gives_the_same_curve(self) -> None:
        """Everything random follows from the seed of the run."""
        where = self.what_differs_with_one_seed()
        require(
            not where,
            f"{self.subject} gave two curves for one seed: {where}. Expected the same: draw only from the "
            "rng that update() gets, from self.rng, and from what sample_actions() and seed() get.",
        )

    def test_another_seed_gives_another_curve(self) -> None:
        """Nothing is seeded with a number of the trainer's own."""
        if self.option("is_deterministic"):
            return
        one, other = (self.trial.run(num_iterations=3, seed=seed) for seed in (1, 2))
        require(
            difference(curve(one), curve(other)),
            f"{self.subject} gave the same curve for the seeds 1 and 2. Expected what is random to follow "
            "from the seed: use self.rng, reset envs with draws from it, or declare is_deterministic = True.",
        )

    def test_training_draws_from_no_global_generator(self) -> None:
        """The generators of the process belong to the program."""
        drawn: list[str] = []
        self.trial.run(drawn=drawn)
        require(
            not drawn,
            f"{self.subject} draws from {' and '.join(drawn)}, which no seed of a run reaches. Draw from the "
            "rng that update() gets, or from self.rng.",
        )

    def test_observers_change_nothing(self) -> None:
        """Weights are the same with loggers, metrics and evaluations as without."""
        if self.what_differs_with_one_seed():
            return  # then nothing can be told from a difference
        alone = self.trial.run(num_iterations=3)
        watched = self.trial.run(
            num_iterations=3,
            hooks=[HookRecorder()],
            metrics={"steps": ph.metrics.SimpleEnvMetric("current_step")},
            evaluation=ph.EvaluationPlan(episodes=2, every=1),
        )
        where = changed(states(alone.policies), states(watched.policies))
        require(
            not where,
            f"{self.subject} trains {where} otherwise when metrics, hooks and evaluations are there. "
            "Expected the same weights: what is measured must not reach what is learned.",
        )

    # ------------------------------------------------------------------ who is trained

    def test_it_trains_two_policies_side_by_side(self) -> None:
        """Two agents with a policy each, and two agents with one policy."""
        for policies in ({"one": ["A1"], "two": ["A2"]}, {"both": ["A1", "A2"]}):
            results = self.trial.run(num_agents=NUM_AGENTS, policies=policies)
            require(
                set(results.policies) == set(policies) and results.iterations == NUM_AGENTS,
                f"{self.subject} made {results.iterations} iterations with the policies "
                f"{sorted(results.policies)}. Expected 2 with {sorted(policies)}: go by policies_to_train.",
            )

    def test_it_trains_agents_that_take_turns_and_agents_that_die(self) -> None:
        """Not every agent observes in every step, nor lives to the end."""
        turns = {"one": ["CALLER"], "two": ["ANSWERER"]}
        self.trial.run(env=TurnBasedEnv, policies=turns)
        self.trial.run(env=DyingAgentsEnv)

    def test_it_changes_the_policies_that_it_is_to_train(self) -> None:
        """Something is learned by each of them."""
        before, results = self._trained(["one", "two"])
        learned = changed(before, states(results.policies))
        require(
            learned == "'one', 'two'",
            f"{self.subject} was to train 'one' and 'two', and changed {learned or 'neither'} in 3 "
            "iterations. Expected both: change them in place, and return what is learned in state_dict().",
        )

    def test_it_leaves_frozen_policies_as_they_are(self) -> None:
        """Only `policies_to_train` change, also among policies of its own class."""
        before, results = self._trained(["one"])
        after = states(results.policies)
        require(
            before["two"] == after["two"],
            f"{self.subject} changed the policy 'two', which is not among policies_to_train=['one']. "
            "Expected it to stay as it was: change only the policies that you are told to.",
        )

    def _trained(self, policies_to_train: list[str]) -> tuple[dict[str, str], ph.TrainingResults]:
        """Train two policies; return also their states at the start."""
        before: dict[str, str] = {}
        recorder = _FirstStates(before)
        results = self.trial.run(
            num_agents=NUM_AGENTS,
            num_iterations=3,
            policies={"one": ph.PolicySpec(agents=["A1"]), "two": ph.PolicySpec(agents=["A2"])},
            policies_to_train=policies_to_train,
            hooks=[recorder],
        )
        return before, results

    # ------------------------------------------------------------------ what it learns

    def test_it_solves_the_identity_env(self) -> None:
        """To repeat a number is learned by anything that learns."""
        solved = SolvedIdentity(self.form)
        results = self._learned(IdentityEnv, hooks=[solved], evaluation=ph.EvaluationPlan(episodes=20))
        assert results.evaluation is not None
        mean_return = results.evaluation.mean_return
        require(
            mean_return >= SOLVED,
            f"{self.subject} earns {mean_return:.2f} in IdentityEnv after {results.iterations} iterations. "
            f"Expected {SOLVED} or more of 5 (random: 1.67): look for a sign or an index, or give it more "
            "learning_iterations or other settings in config.",
        )

    def test_it_values_what_follows_a_truncation(self) -> None:
        """Where an episode is cut off, the world goes on."""
        self._require_right_choice(
            CutOffEnv,
            "rather takes a reward of 1 than be cut off where 3 more are to come",
            "Where truncated, the target is the reward plus γ times the value of next_observation",
        )

    def test_it_values_nothing_that_follows_a_termination(self) -> None:
        """Where an episode terminated, nothing follows."""
        self._require_right_choice(
            DeadEndEnv,
            "gives up a reward of 1 to end in view of a rich room that it cannot enter any more",
            "Where terminated, the target is the reward alone",
        )

    def test_it_learns_nothing_from_the_start_of_the_next_episode(self) -> None:
        """From the last observation of an episode to the first of the next is no step of the world."""
        self._require_right_choice(
            LongWayEnv,
            "prefers 0.5 at once to 1 two steps later, as if the next episode's start followed from the end",
            "Take what follows the last decision from next_observation, never from the next row or reset()",
        )

    def _require_right_choice(self, env: Any, what: str, advice: str) -> None:
        if not self.option("bootstraps"):
            return
        policy = self._learned(env).policies["default"]
        form = self.form
        num_states = int(env().strategic_agents[0].num_states)
        require(
            choice_of(policy, form, FORK, num_states, 2) == env.right_choice,
            f"{self.subject} {what} ({env.__name__}, {self.option('learning_iterations')} iterations). "
            f"{advice}; declare bootstraps = False if it learns from whole episodes or single rewards.",
        )

    def _learned(self, env: Callable[..., Any], **arguments: Any) -> ph.TrainingResults:
        return self.trial.run(env=env, num_iterations=self.option("learning_iterations"), **arguments)

    # ------------------------------------------------------------------ what it does to others

    def test_what_was_saved_trains_on_as_if_nothing_had_happened(self) -> None:
        """A trainer and a policy made of their saved states make the same next update."""
        if self.what_differs_with_one_seed():
            return  # likewise
        found: dict[str, str] = {}
        trial = self.trial
        twin_class = with_twin(self.target, trial.config, found)
        Trial(trainer=twin_class, form=trial.form, subject=trial.subject, config=trial.config).run(
            num_iterations=3, env=RewindableEnv
        )
        where = {policy_id: part for policy_id, part in found.items() if part}
        require(
            not where,
            f"{self.subject} trains on otherwise after it was saved and loaded: state_dict() of the policy "
            f"differs in {', '.join(map(repr, where.values()))} one update later. Put all that updates use, "
            "such as the optimiser's moments, into state_dict() of the trainer or the policy.",
        )

    def test_saved_policies_are_given_back(self) -> None:
        """What `ph.load_policies` reads is what was trained."""
        with tempfile.TemporaryDirectory() as folder:
            results = self.trial.run(run_dir=folder)
            assert results.run_directory is not None
            try:
                where = changed(states(results.policies), states(ph.load_policies(results.run_directory)))
            except ph.PhantomError as error:
                raise AssertionError(
                    f"{self.subject} trains policies that cannot be read back: {error}"
                ) from error
        require(
            not where,
            f"{self.subject} trains policies that are not the same after they were saved: {where}. Expected "
            "load_state_dict() to take over all that state_dict() returns.",
        )

    def test_the_error_of_an_env_ends_the_run_for_everybody(self) -> None:
        """It reaches the caller, and every plugin learns of the end."""
        recorder, form = HookRecorder(), self.form
        reached = False
        with undisturbed():
            try:
                ph.train(
                    self.target,
                    env=partial(FailingEnv, observes=form.observes, acts=form.acts),
                    num_iterations=9,
                    trainer_config=self.option("config"),
                    hooks=[recorder],
                    seed=1,
                    run_dir=None,
                )
            except Exception as error:
                reached = isinstance(error, BrokenDownError) or isinstance(error.__cause__, BrokenDownError)
        last = recorder.events("on_train_end")
        require(
            reached and recorder.names[-2:] == ["on_exception", "on_train_end"],
            f"{self.subject} keeps the error of an env to itself: the run ended with "
            f"{last[-1].status if last else 'no on_train_end'!r}. Expected it to be raised, so that "
            "on_exception and on_train_end reach every plugin: do not catch what an env raises.",
        )

    def test_it_leaves_observations_as_they_are(self) -> None:
        """Observations belong to the env and to everybody who was handed them."""
        form = form_of(self.target.policy_class, [form for form in FORMS if form.observes == "box"])
        if form is None:
            return  # numbers cannot be changed
        made: list[WatchfulEnv] = []

        def make(**config: Any) -> WatchfulEnv:
            made.append(WatchfulEnv(**config))
            return made[-1]

        Trial(trainer=self.target, form=form, subject=self.subject, config=self.option("config")).run(
            env=make
        )
        found = [change for env in made for change in env.changed()]
        require(
            not found,
            f"{self.subject} changed an observation in place, "
            f"{found[0][1].tolist() if found else ''} to {found[0][2].tolist() if found else ''}. Expected "
            "it to stay as the env returned it: copy it before you change it.",
        )


class _FirstStates(HookRecorder):
    """Notes the states of policies at the start of a run."""

    def __init__(self, found: dict[str, str]) -> None:
        super().__init__()
        self._found = found

    def on_train_start(self, event: Any) -> None:
        self._found.update(states(event.policies))
