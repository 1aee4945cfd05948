"""Every broken trainer fails exactly its own check, with this message; the correct ones fail none."""

import unittest
from collections.abc import Callable

import pytest

from phantom_testing import TrainerConformance

Failures = Callable[..., dict[str, str]]
BROKEN = [
    (
        "IgnoresTheSeed",
        "another_seed_gives_another_curve",
        (
            "Trainer 'ignorestheseed' gave the same curve for the seeds 1 and 2. Expected what is random "
            "to follow from the seed: use self.rng, reset envs with draws from it, or declare "
            "is_deterministic = True."
        ),
    ),
    (
        "DrawsFresh",
        "the_same_seed_gives_the_same_curve",
        (
            "Trainer 'drawsfresh' gave two curves for one seed: in iteration 0, 'rewards/A1' was 0.45 "
            "and then 0.55. Expected the same: draw only from the rng that update() gets, from self.rng, "
            "and from what sample_actions() and seed() get."
        ),
    ),
    (
        "TrainsFrozen",
        "it_leaves_frozen_policies_as_they_are",
        (
            "Trainer 'trainsfrozen' changed the policy 'two', which is not among "
            "policies_to_train=['one']. Expected it to stay as it was: change only the policies that you "
            "are told to."
        ),
    ),
    (
        "ForgetsOptimiser",
        "what_was_saved_trains_on_as_if_nothing_had_happened",
        (
            "Trainer 'forgetsoptimiser' trains on otherwise after it was saved and loaded: state_dict() "
            "of the policy differs in 'values' one update later. Put all that updates use, such as the "
            "optimiser's moments or a replay buffer, into state_dict() of the trainer or the policy; and let "
            "go of a batch once it was learned from."
        ),
    ),
    (
        "ReadsGlobalRandom",
        "training_draws_from_no_global_generator",
        (
            "Trainer 'readsglobalrandom' draws from random, which no seed of a run reaches. Draw from "
            "the rng that update() gets, or from self.rng."
        ),
    ),
    (
        "LearnsFromReset",
        "it_learns_nothing_from_the_start_of_the_next_episode",
        (
            "Trainer 'learnsfromreset' prefers 0.5 at once to 1 two steps later, as if the next "
            "episode's start followed from the end (LongWayEnv, 60 iterations). Take what follows the "
            "last decision from next_observation, never from the next row or reset(); declare bootstraps "
            "= False if it learns from whole episodes."
        ),
    ),
    (
        "SwallowsTruncation",
        "it_values_what_follows_a_truncation",
        (
            "Trainer 'swallowstruncation' rather takes a reward of 1 than be cut off where 3 more are to "
            "come (CutOffEnv, 60 iterations). Where truncated, the target is the reward plus γ times "
            "the value of next_observation; declare bootstraps = False if it learns from whole episodes."
        ),
    ),
    (
        "IgnoresTermination",
        "it_values_nothing_that_follows_a_termination",
        (
            "Trainer 'ignorestermination' gives up a reward of 1 to end in view of a rich room that it "
            "cannot enter any more (DeadEndEnv, 60 iterations). Where terminated, the target is the "
            "reward alone; declare bootstraps = False if it learns from whole episodes."
        ),
    ),
    (
        "MutatesObservations",
        "it_leaves_observations_as_they_are",
        (
            "Trainer 'mutatesobservations' changed an observation in place, [0.0, 1.0, 0.0] to [0.0, "
            "2.0, 0.0]. Expected it to stay as the env returned it: copy it before you change it."
        ),
    ),
    (
        "WatchesMetrics",
        "observers_change_nothing",
        (
            "Trainer 'watchesmetrics' trains 'default' otherwise when metrics, hooks and evaluations are "
            "there. Expected the same weights: what is measured must not reach what is learned."
        ),
    ),
    (
        "SwallowsErrors",
        "the_error_of_an_env_ends_the_run_for_everybody",
        (
            "Trainer 'swallowserrors' keeps the error of an env to itself: the run ended with "
            "'completed'. Expected it to be raised, so that on_exception and on_train_end reach every "
            "plugin: do not catch what an env raises."
        ),
    ),
    (
        "LearnsNothing",
        "it_solves_the_identity_env",
        (
            "Trainer 'learnsnothing' earns 1.80 in IdentityEnv after 60 iterations. Expected 4.0 or more "
            "of 5 (random: 1.67): look for a sign or an index, or give it more learning_iterations or "
            "other settings in config."
        ),
    ),
    (
        "TrainsOneOnly",
        "it_changes_the_policies_that_it_is_to_train",
        (
            "Trainer 'trainsoneonly' was to train 'one' and 'two', and changed 'one' in 3 iterations. "
            "Expected both: change them in place, and return what is learned in state_dict(). If it first "
            "collects for a while, set warm_up_iterations."
        ),
    ),
    (
        "NeedsEverybody",
        "it_trains_agents_that_take_turns_and_agents_that_die",
        (
            "Trainer 'needseverybody' raised KeyError: 'ANSWERER' when it trained in TurnBasedEnv. "
            "Expected 2 iterations: train it there yourself to see the traceback."
        ),
    ),
    (
        "OneAgentOnly",
        "it_trains_two_policies_side_by_side",
        (
            "Trainer 'oneagentonly' raised ValueError: expected one agent per policy when it trained in "
            "IdentityEnv. Expected 2 iterations: train it there yourself to see the traceback."
        ),
    ),
    (
        "TakesAnything",
        "it_refuses_settings_that_it_does_not_have",
        (
            "Trainer 'takesanything' took the setting 'no_such_setting', which it does not have. Declare "
            "settings in a config_class and hand **settings on to super().__init__()."
        ),
    ),
    (
        "Undocumented",
        "its_settings_are_documented",
        (
            "Trainer 'undocumented' does not document its settings 'secret'. Write a string below each "
            "field of SilentConfig."
        ),
    ),
    (
        "SavesHalf",
        "saved_policies_are_given_back",
        (
            "Trainer 'saveshalf' trains policies that are not the same after they were saved: 'default'. "
            "Expected load_state_dict() to take over all that state_dict() returns."
        ),
    ),
    (
        "CannotTravel",
        "it_works_in_a_spawned_worker",
        (
            "Trainer 'cannottravel' cannot be sent to a worker: AttributeError: Can't pickle local "
            "object 'LambdaTable.__init__.<locals>.<lambda>'. Hold no lambdas, open files or generators; "
            "keep its classes at the top of a module."
        ),
    ),
    (
        "ForgetsItsCounter",
        "a_run_that_is_cut_and_resumed_ends_as_one_that_was_not",
        (
            "Trainer 'forgetsitscounter' ends otherwise if its run is cut before the last iteration and "
            "resumed: in iteration 2, 'default/updates' was 3.0 and then 1.0. Expected what follows "
            "without a cut: return in state_dict() all that later iterations depend on, such as moments, "
            "counters and buffers, take it over in load_state_dict(), and keep nothing in the class or "
            "the module."
        ),
    ),
    (
        "CountsInTheModule",
        "a_run_that_is_cut_and_resumed_ends_as_one_that_was_not",
        (
            "Trainer 'countsinthemodule' ends otherwise if its run is cut before the last iteration and "
            "resumed: in iteration 2, 'default/updates' was 3.0 and then 1.0. Expected what follows "
            "without a cut: return in state_dict() all that later iterations depend on, such as moments, "
            "counters and buffers, take it over in load_state_dict(), and keep nothing in the class or "
            "the module."
        ),
    ),
    (
        "ForgetsItsBuffer",
        "a_run_that_is_cut_and_resumed_ends_as_one_that_was_not",
        (
            "Trainer 'forgetsitsbuffer' ends otherwise if its run is cut before the last iteration and "
            "resumed: in iteration 2, 'default/error' was 3.1081117573347625 and then 3.1131660283265203. "
            "Expected what follows without a cut: return in state_dict() all that later iterations depend "
            "on, such as moments, counters and buffers, take it over in load_state_dict(), and keep "
            "nothing in the class or the module."
        ),
    ),
    (
        "SimpleForgetsItsCounter",
        "a_run_that_is_cut_and_resumed_ends_as_one_that_was_not",
        (
            "Trainer 'simpleforgetsitscounter' ends otherwise if its run is cut before the last iteration "
            "and resumed: in iteration 2, 'episodes' was 10.5 and then 2.5. Expected what follows without "
            "a cut: return in state_dict() all that later iterations depend on, such as moments, counters "
            "and buffers, take it over in load_state_dict(), and keep nothing in the class or the module."
        ),
    ),
]

ALSO = {
    "TrainsOneOnly": {"it_learns_from_the_rewards_of_each_agent"},
    "SavesHalf": {
        "its_policies_do_what_policies_have_to",
        "a_run_that_is_cut_and_resumed_ends_as_one_that_was_not",
    },
    "ForgetsOptimiser": {"a_run_that_is_cut_and_resumed_ends_as_one_that_was_not"},
    "ForgetsItsBuffer": {"what_was_saved_trains_on_as_if_nothing_had_happened"},
}
"""What else they cannot do then."""


@pytest.mark.parametrize("name", ["Correct", "SimpleCorrect", "SimpleSaved"])
def test_a_correct_trainer_passes_every_check(failures: Failures, name: str) -> None:
    assert failures(TrainerConformance, "broken_trainers", name) == {}


@pytest.mark.parametrize(("name", "check", "message"), BROKEN, ids=[name for name, _, _ in BROKEN])
def test_a_broken_trainer_fails_its_own_check(
    failures: Failures, name: str, check: str, message: str
) -> None:
    found = failures(TrainerConformance, "broken_trainers", name)
    assert found.pop(check) == message
    assert set(found) == ALSO.get(name, set())


@pytest.mark.parametrize(
    ("name", "options"),
    [("IgnoresTheSeed", {"is_deterministic": True}), ("SwallowsTruncation", {"bootstraps": False})],
)
def test_a_trainer_may_declare_what_it_is(failures: Failures, name: str, options: dict[str, bool]) -> None:
    assert failures(TrainerConformance, "broken_trainers", name, **options) == {}


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        (
            "SimpleCorrect",
            (
                "Trainer 'simplecorrect' steps the env itself and has no state_dict(), so its runs cannot be "
                "resumed. Override it and load_state_dict(), if only to return {}."
            ),
        ),
        ("OwnLoop", "Trainer 'ownloop' overrides train(), so its runs cannot be resumed."),
    ],
)
def test_what_cannot_be_resumed_is_skipped_with_the_reason(
    failures: Failures, name: str, reason: str
) -> None:
    check = "a_run_that_is_cut_and_resumed_ends_as_one_that_was_not"
    with pytest.raises(unittest.SkipTest) as caught:
        failures(TrainerConformance, "broken_trainers", name, only=check)
    assert str(caught.value) == reason
