"""`TrainerConformance`: what a trainer has to do, whatever it learns by."""

from __future__ import annotations

import pickle
import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, ClassVar
from unittest import SkipTest

import phantom_core as ph
from phantom_testing.conformance import Conformance, require
from phantom_testing.ending_envs import FORK, CutOffEnv, DeadEndEnv, LongWayEnv
from phantom_testing.hook_recording import HookRecorder
from phantom_testing.import_report import ImportReport, import_report
from phantom_testing.policy_conformance import PolicyConformance
from phantom_testing.toy_agents import Form, ToyForm
from phantom_testing.toy_envs import (
    DelayedRewardEnv,
    DyingAgentsEnv,
    IdentityEnv,
    RivalsEnv,
    TurnBasedEnv,
)
from phantom_testing.toy_probes import BrokenDownError, FailingEnv, RewindableEnv, WatchfulEnv
from phantom_testing.trained_policy import of_trainer, problems
from phantom_testing.trainer_twin import Twins, with_twin
from phantom_testing.training_report import (
    ELSEWHERE,
    SUSPECTS,
    TrainingReport,
    training_report,
    training_request,
)
from phantom_testing.trial_runs import (
    FORMS,
    RivalVotes,
    SolvedIdentity,
    Trial,
    changed,
    choice_of,
    crowd,
    curve,
    difference,
    form_of,
    states,
    undisturbed,
)

NUM_AGENTS = 2
SOLVED = {"discrete": 4.0, "box": 3.3}
"""What is earned in the identity env by whoever learned it; in a Box, by whoever is in the right third."""
TWIN_ITERATIONS = 5


class TrainerConformance(Conformance):
    """Checks a trainer: `class TestMyTrainer(TrainerConformance): name = "my-algo"`.

    Attributes:
        spaces: what its policies see and how they act, such as `("box", "discrete")`; see `ToyForm`.
            None: the first spaces that its `policy_class` can be built for.
        is_deterministic: whether two seeds may give the same curve.
        bootstraps: whether it values what follows the last decision that it was given; False for what
            learns from whole episodes or from single rewards.
        is_bandit: whether it learns from single rewards alone, as if nothing followed from a decision.
        is_collective: whether it learns by what all agents of a policy earn together, as evolution strategies
            do; they then learn to give where that is best for all.
        learning_iterations: iterations in which it learns a toy env with three states.
        warm_up_iterations: iterations in which it only collects, before it changes a policy for the first
            time. They come on top of the two or three that most checks make, and of learning_iterations.
    """

    kind = "trainer"
    base = ph.Trainer
    spaces: ClassVar[tuple[Form, Form] | None] = None
    is_deterministic: ClassVar[bool] = False
    bootstraps: ClassVar[bool] = True
    is_bandit: ClassVar[bool] = False
    is_collective: ClassVar[bool] = False
    learning_iterations: ClassVar[int] = 60
    warm_up_iterations: ClassVar[int] = 0

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
        return Trial(
            trainer=self.target,
            config=self.option("config"),
            form=self.form,
            subject=self.subject,
            warm_up_iterations=self.option("warm_up_iterations"),
        )

    def build(self) -> Any:
        """Return what a worker is sent: the class and a policy."""
        form = self.form
        return self.target, self.target.policy_class(form.observation_space(3), form.action_space(3))

    @property
    def policies(self) -> PolicyConformance:
        """The checks of the policies that it trains."""
        return self.once("policies", lambda: of_trainer(self.trial, self._trained_policy, self.report))

    def _trained_policy(self) -> ph.BasePolicy:
        return self.trained().policies["default"]

    def _pickled(self) -> bytes:
        try:
            return pickle.dumps(self.policies.question())
        except Exception:  # the check of it says so
            return b""

    def trained(self) -> ph.TrainingResults:
        """Return what it trained in three iterations of the identity env."""
        return self.once("trained", lambda: self.trial.run(num_iterations=3))

    # ------------------------------------------------------------------ the same and another time

    def _what_differs_with_one_seed(self) -> str:
        one, other = self.trained(), self.trial.run(num_iterations=3)
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
        one, other = self.trained(), self.trial.run(num_iterations=3, seed=2)
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

    def elsewhere(self) -> TrainingReport:
        """Return what training does in another process, where names hash otherwise and it is another time."""
        return self.once("elsewhere", self._elsewhere)

    def _elsewhere(self) -> TrainingReport:
        training = self.report().training
        return TrainingReport(**training) if training else training_report(self.trial, ELSEWHERE)

    def _report(self) -> ImportReport:
        """Import it in a new process, and train there right away: one process is enough."""
        target = self.target
        reference = f"{target.__module__}:{target.__qualname__}"
        try:
            training = training_request(self.trial, ELSEWHERE)
        except Exception:  # another check says so
            return super()._report()
        return import_report(
            reference,
            pickled=self._pickled(),
            training=training,
            variables=ELSEWHERE.variables,
            timeout=180.0,
        )

    def test_it_trains_the_same_in_every_process(self) -> None:
        """Whatever the order of sets, the time, and the seed of the process-wide generators."""
        if self.what_differs_with_one_seed():
            return  # then nothing can be told from a difference
        here, there = crowd(self.trial), self.elsewhere()
        require(not there.error, f"{self.subject} trains here, but not in a new process. {there.error}")
        where = _parts_from(there, curve(here), states(here.policies))
        require(
            not where,
            f"{self.subject} trains otherwise in another process: {where}. It depends on "
            f"{self._what_it_depends_on(there) if where else ''}. Expected the same for one seed: sort what "
            "comes out of a set, hash no names, look at no clock, and draw from update()'s rng or self.rng.",
        )

    def _what_it_depends_on(self, there: TrainingReport) -> str:
        """Change one thing at a time."""
        with ThreadPoolExecutor() as pool:
            others = list(pool.map(partial(training_report, self.trial), SUSPECTS.values()))
        found = [
            name
            for name, other in zip(SUSPECTS, others, strict=True)
            if _parts_from(other, there.curve, there.states)
        ]
        return " and on ".join(found) or "what differs between processes, such as their numbers or addresses"

    def test_training_leaves_the_process_as_it_was(self) -> None:
        """NumPy, warnings, signals, the environment and the list of threads belong to the program."""
        report = self.elsewhere()
        found = [*report.changes, *(f"the thread {name!r}, which still runs" for name in report.threads)]
        require(
            not found,
            f"{self.subject} leaves the process changed after training: {', '.join(found)}. Expected it as "
            "before: use np.errstate(), np.printoptions() or warnings.catch_warnings(), and end what you "
            "start.",
        )

    def test_training_writes_in_the_run_directory_only(self) -> None:
        """What a run leaves is in one place."""
        written = self.elsewhere().written
        shown = written[:3]
        more = f" and {len(written) - 3} more" if written[3:] else ""
        require(
            not written,
            f"{self.subject} leaves {ph.tools.listing(shown)}{more} outside of the run directory. Expected "
            "nothing there: log values with what update() returns, or write a logger, which gets "
            "run_directory.",
        )

    def test_every_setting_matters(self) -> None:
        """What a user sets changes weights in a short run."""
        config_class = self.target.config_class
        if config_class is None or self.what_differs_with_one_seed() or not self.trains():
            return  # there are none, or nothing can be told, which another check says
        self.require_that_all_matter(config_class, self._effect)

    def _effect(self, config: Mapping[str, Any]) -> str | None:
        try:
            results = replace(self.trial, config=config).run()
        except AssertionError:  # a value that it refuses
            return None
        return f"{results.env_steps} {states(results.policies)}"

    def test_observers_change_nothing(self) -> None:
        """Weights are the same with loggers, metrics and evaluations as without."""
        if self.what_differs_with_one_seed():
            return  # then nothing can be told from a difference
        alone = self.trained()
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
            expected = 2 + self.trial.warm_up_iterations
            require(
                set(results.policies) == set(policies) and results.iterations == expected,
                f"{self.subject} made {results.iterations} iterations with the policies "
                f"{sorted(results.policies)}. Expected {expected} with {sorted(policies)}: go by "
                "policies_to_train.",
            )

    def test_it_trains_agents_that_take_turns_and_agents_that_die(self) -> None:
        """Not every agent observes in every step, nor lives to the end."""
        turns = {"one": ["CALLER"], "two": ["ANSWERER"]}
        self.trial.run(env=TurnBasedEnv, policies=turns)
        self.trial.run(env=DyingAgentsEnv)

    def test_it_changes_the_policies_that_it_is_to_train(self) -> None:
        """Something is learned by each of them."""
        before, results = self.once("both", lambda: self._trained(["one", "two"]))
        learned = changed(before, states(results.policies))
        require(
            learned == "'one', 'two'",
            f"{self.subject} was to train 'one' and 'two', and changed {learned or 'neither'} in "
            f"{results.iterations} iterations. Expected both: change them in place, and return what is "
            "learned in state_dict(). If it first collects for a while, set warm_up_iterations.",
        )

    def trains(self) -> bool:
        """Tell whether three iterations change the policy; if not, a check says so."""
        before, results = self.once("both", lambda: self._trained(["one", "two"]))
        return bool(changed(before, states(results.policies)))

    def test_it_leaves_frozen_policies_as_they_are(self) -> None:
        """Only `policies_to_train` change, also among policies of its own class."""
        if self.policies.what_asking_changes():
            return  # then the policy is to blame, which its checks say
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
        mean_return, solved_return = results.evaluation.mean_return, SOLVED[self.form.acts]
        require(
            mean_return >= solved_return,
            f"{self.subject} earns {mean_return:.2f} in IdentityEnv after {results.iterations} iterations. "
            f"Expected {solved_return} or more of 5 (random: 1.67): look for a sign or an index, or give it "
            "more learning_iterations or other settings in config.",
        )

    def test_it_values_what_follows_a_truncation(self) -> None:
        """Where an episode is cut off, the world goes on."""
        self._require_bootstrapping(
            CutOffEnv,
            "rather takes a reward of 1 than be cut off where 3 more are to come",
            "Where truncated, the target is the reward plus γ times the value of next_observation",
        )

    def test_it_values_nothing_that_follows_a_termination(self) -> None:
        """Where an episode terminated, nothing follows."""
        self._require_bootstrapping(
            DeadEndEnv,
            "gives up a reward of 1 to end in view of a rich room that it cannot enter any more",
            "Where terminated, the target is the reward alone",
        )

    def test_it_learns_nothing_from_the_start_of_the_next_episode(self) -> None:
        """From the last observation of an episode to the first of the next is no step of the world."""
        self._require_bootstrapping(
            LongWayEnv,
            "prefers 0.5 at once to 1 two steps later, as if the next episode's start followed from the end",
            "Take what follows the last decision from next_observation, never from the next row or reset()",
        )

    def test_it_learns_a_choice_that_pays_later(self) -> None:
        """What a choice leads to counts, not only what is paid at once."""
        if self.option("is_bandit"):
            return
        self._require_right_choice(
            DelayedRewardEnv,
            "prefers 0.2 at once to 1 in the third step, which is the last",
            "A decision is worth what is paid until the end of its episode, the last reward too; declare "
            "is_bandit = True if it learns from single rewards alone",
        )

    def test_it_learns_from_the_rewards_of_each_agent(self) -> None:
        """Each decision is paid with what the same agent earned in the same step."""
        policies = {"one": ["A1"], "rest": ["A2", "A3", "A4"]}
        if self.option("is_collective"):
            policies = {"one": ["A1"], "two": ["A2"], "three": ["A3"], "four": ["A4"]}
        votes = RivalVotes(self.form, {a: policy_id for policy_id, own in policies.items() for a in own})
        results = self._learned(RivalsEnv, policies=policies, hooks=[votes])
        wrong = [
            f"{agent_id} in step{'s'[: len(steps) > 1]} {', '.join(map(str, steps))}"
            for agent_id, steps in votes.wrong_steps().items()
        ]
        require(
            not wrong,
            f"{self.subject} does not learn what each agent is paid for in RivalsEnv ({results.iterations} "
            f"iterations), where one choice pays oneself, and another one the others. Wrong are "
            f"{'; '.join(wrong)}. Expected all four to be right in steps 0 to 2: learn from the decisions of "
            "every agent of the policy, pay each with the reward of the same agent and step, or give it more "
            "learning_iterations.",
        )

    def _require_right_choice(self, env: Any, what: str, advice: str) -> None:
        policy = self._learned(env).policies["default"]
        form = self.form
        num_states = int(env().strategic_agents[0].num_states)
        require(
            choice_of(policy, form, FORK, num_states, 2) == env.right_choice,
            f"{self.subject} {what} ({env.__name__}, {self.option('learning_iterations')} iterations). "
            f"{advice}.",
        )

    def _require_bootstrapping(self, env: Any, what: str, advice: str) -> None:
        if self.option("bootstraps") and not self.option("is_bandit"):
            self._require_right_choice(
                env,
                what,
                f"{advice}; declare bootstraps = False if it learns from whole episodes",
            )

    def _learned(self, env: Callable[..., Any], **arguments: Any) -> ph.TrainingResults:
        return self.trial.run(env=env, num_iterations=self.option("learning_iterations"), **arguments)

    # ------------------------------------------------------------------ what it does to others

    def test_what_was_saved_trains_on_as_if_nothing_had_happened(self) -> None:
        """A trainer and a policy made of their saved states make the same next update."""
        if self.what_differs_with_one_seed():
            return  # likewise
        found, trial = self._twins(), self.trial
        require(
            found.differences or not self.trains(),
            f"{self.subject} changed its policy in fewer than three updates in "
            f"{TWIN_ITERATIONS + trial.warm_up_iterations} iterations, so nothing can be said about what it "
            "saves. Give it settings in config with which it learns more often, or warm_up_iterations.",
        )
        where = [part for part in found.differences.values() if part]
        require(
            not where,
            f"{self.subject} trains on otherwise after it was saved and loaded: state_dict() of the policy "
            f"differs in {', '.join(map(repr, where))} one update later. Put all that updates use, such as "
            "the optimiser's moments or a replay buffer, into state_dict() of the trainer or the policy; and "
            "let go of a batch once it was learned from.",
        )

    def test_its_state_is_a_copy(self) -> None:
        """What was saved stays as it was when training goes on."""
        aliased = self._twins().aliased
        require(
            "state_dict" not in aliased,
            f"{self.subject} hands out its own arrays in state_dict(): the next update changes them for "
            "whoever keeps them. Expected copies: array.copy().",
        )
        require(
            "load_state_dict" not in aliased,
            f"{self.subject} keeps the arrays that load_state_dict() gets: the next update changes them for "
            "whoever loads them again. Expected copies: array.copy() or np.array(array).",
        )

    def test_a_run_that_is_cut_and_resumed_ends_as_one_that_was_not(self) -> None:
        """Weights and logged values are the same, bit for bit."""
        self._skip_if_its_runs_cannot_be_resumed()
        if self.what_differs_with_one_seed():
            return  # then nothing can be told from a difference
        whole = self.trained()
        with tempfile.TemporaryDirectory() as folder:
            resumed, rows = self.trial.run_in_two_parts(3, Path(folder))
            where = difference(curve(whole), curve(rows))
            learned = changed(states(whole.policies), states(resumed.policies))
        where = where or (f"the weights of {learned}" if learned else "")
        require(
            not where,
            f"{self.subject} ends otherwise if its run is cut before the last iteration and resumed: "
            f"{where}. Expected what follows without a cut: return in state_dict() all that later iterations "
            "depend on, such as moments, counters and buffers, take it over in load_state_dict(), and keep "
            "nothing in the class or the module.",
        )

    def _skip_if_its_runs_cannot_be_resumed(self) -> None:
        """Raise `unittest.SkipTest` with the reason."""
        target = self.target
        if target.train is not ph.Trainer.train:
            raise SkipTest(f"{self.subject} overrides train(), so its runs cannot be resumed.")
        is_full = target(**self.option("config")).is_full
        if not is_full and target.state_dict is ph.Trainer.state_dict:
            raise SkipTest(
                f"{self.subject} steps the env itself and has no state_dict(), so its runs cannot be "
                "resumed. Override it and load_state_dict(), if only to return {}."
            )

    def _twins(self) -> Twins:
        return self.once("twins", self._make_twins)

    def _make_twins(self) -> Twins:
        found, trial = Twins(), self.trial
        twin_class = with_twin(self.target, trial.config, found)
        replace(trial, trainer=twin_class).run(num_iterations=TWIN_ITERATIONS, env=RewindableEnv)
        return found

    def test_its_policies_do_what_policies_have_to(self) -> None:
        """All that `PolicyConformance` asks of a policy, of one that was trained for a while."""
        found = problems(self.policies)
        require(not found, " ".join(found))

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
                    num_iterations=9 + self.option("warm_up_iterations"),
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

        replace(self.trial, form=form).run(env=make)
        found = [change for env in made for change in env.changed()]
        require(
            not found,
            f"{self.subject} changed an observation in place, "
            f"{found[0][1].tolist() if found else ''} to {found[0][2].tolist() if found else ''}. Expected "
            "it to stay as the env returned it: copy it before you change it.",
        )


def _parts_from(
    there: TrainingReport, the_curve: Sequence[Mapping[str, float]], the_states: Mapping[str, str]
) -> str:
    """Say where two trainings part; nothing if they do not."""
    if there.error:
        return "it fails"
    where = changed(the_states, there.states)
    return difference(the_curve, there.curve) or (f"the weights of {where}" if where else "")


class _FirstStates(HookRecorder):
    """Notes the states of policies at the start of a run."""

    def __init__(self, found: dict[str, str]) -> None:
        super().__init__()
        self._found = found

    def on_train_start(self, event: Any) -> None:
        self._found.update(states(event.policies))
