"""Trainers that learn from what is not theirs, depend on the process or change it, or have a broken policy.

Each fails the check that says what is wrong, with this message. Only this check is run, because some of them
learn so little that others fail, too, and all checks take seconds.
"""

import importlib.util
import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from phantom_testing import TrainerConformance

Failures = Callable[..., dict[str, str]]

BROKEN = [
    (
        "broken_learners",
        "LearnsFromTheTeam",
        "it_learns_from_the_rewards_of_each_agent",
        (
            "Trainer 'learnsfromtheteam' does not learn what each agent is paid for in RivalsEnv (60 "
            "iterations), where one choice pays oneself, and another one the others. Wrong are A2 in "
            "steps 1, 2; A3 in step 2; A4 in steps 0, 1. Expected all four to be right in steps 0 to "
            "2: learn from the decisions of every agent of the policy, pay each with the reward of "
            "the same agent and step, or give it more learning_iterations."
        ),
    ),
    (
        "broken_learners",
        "LearnsFromTheNeighbour",
        "it_learns_from_the_rewards_of_each_agent",
        (
            "Trainer 'learnsfromtheneighbour' does not learn what each agent is paid for in RivalsEnv "
            "(60 iterations), where one choice pays oneself, and another one the others. Wrong are A2 "
            "in steps 0, 1, 2; A3 in steps 0, 1, 2; A4 in steps 0, 1, 2. Expected all four to be "
            "right in steps 0 to 2: learn from the decisions of every agent of the policy, pay each "
            "with the reward of the same agent and step, or give it more learning_iterations."
        ),
    ),
    (
        "broken_learners",
        "LearnsFromTheOtherPolicy",
        "it_learns_from_the_rewards_of_each_agent",
        (
            "Trainer 'learnsfromtheotherpolicy' does not learn what each agent is paid for in "
            "RivalsEnv (60 iterations), where one choice pays oneself, and another one the others. "
            "Wrong are A2 in steps 0, 1, 2; A3 in steps 0, 1, 2; A4 in steps 0, 1, 2. Expected all "
            "four to be right in steps 0 to 2: learn from the decisions of every agent of the policy, "
            "pay each with the reward of the same agent and step, or give it more "
            "learning_iterations."
        ),
    ),
    (
        "broken_learners",
        "LearnsFromEverybody",
        "it_learns_from_the_rewards_of_each_agent",
        (
            "Trainer 'learnsfromeverybody' does not learn what each agent is paid for in RivalsEnv "
            "(60 iterations), where one choice pays oneself, and another one the others. Wrong are A1 "
            "in steps 0, 1, 2; A2 in steps 0, 1; A3 in steps 0, 1, 2; A4 in steps 0, 1, 2. Expected "
            "all four to be right in steps 0 to 2: learn from the decisions of every agent of the "
            "policy, pay each with the reward of the same agent and step, or give it more "
            "learning_iterations."
        ),
    ),
    (
        "broken_learners",
        "LearnsFromTheFirst",
        "it_learns_from_the_rewards_of_each_agent",
        (
            "Trainer 'learnsfromthefirst' does not learn what each agent is paid for in RivalsEnv (60 "
            "iterations), where one choice pays oneself, and another one the others. Wrong are A2 in "
            "steps 0, 1, 2; A3 in steps 0, 1, 2; A4 in steps 0, 1, 2. Expected all four to be right "
            "in steps 0 to 2: learn from the decisions of every agent of the policy, pay each with "
            "the reward of the same agent and step, or give it more learning_iterations."
        ),
    ),
    (
        "broken_learners",
        "IgnoresAllButTheFirst",
        "it_learns_from_the_rewards_of_each_agent",
        (
            "Trainer 'ignoresallbutthefirst' does not learn what each agent is paid for in RivalsEnv "
            "(60 iterations), where one choice pays oneself, and another one the others. Wrong are A3 "
            "in steps 0, 1, 2; A4 in steps 0, 1, 2. Expected all four to be right in steps 0 to 2: "
            "learn from the decisions of every agent of the policy, pay each with the reward of the "
            "same agent and step, or give it more learning_iterations."
        ),
    ),
    (
        "broken_learners",
        "IgnoresTheLast",
        "it_learns_from_the_rewards_of_each_agent",
        (
            "Trainer 'ignoresthelast' does not learn what each agent is paid for in RivalsEnv (60 "
            "iterations), where one choice pays oneself, and another one the others. Wrong are A4 in "
            "steps 0, 1, 2. Expected all four to be right in steps 0 to 2: learn from the decisions "
            "of every agent of the policy, pay each with the reward of the same agent and step, or "
            "give it more learning_iterations."
        ),
    ),
    (
        "broken_learners",
        "StepsTheFirstOnly",
        "it_learns_from_the_rewards_of_each_agent",
        (
            "Trainer 'stepsthefirstonly' does not learn what each agent is paid for in RivalsEnv (60 "
            "iterations), where one choice pays oneself, and another one the others. Wrong are A3 in "
            "steps 0, 1, 2; A4 in steps 0, 1, 2. Expected all four to be right in steps 0 to 2: learn "
            "from the decisions of every agent of the policy, pay each with the reward of the same "
            "agent and step, or give it more learning_iterations."
        ),
    ),
    (
        "broken_learners",
        "DropsTheLastReward",
        "it_learns_a_choice_that_pays_later",
        (
            "Trainer 'dropsthelastreward' prefers 0.2 at once to 1 in the third step, which is the "
            "last (DelayedRewardEnv, 60 iterations). A decision is worth what is paid until the end "
            "of its episode, the last reward too; declare is_bandit = True if it learns from single "
            "rewards alone."
        ),
    ),
    (
        "broken_learners",
        "DropsTheFirstReward",
        "it_learns_from_the_rewards_of_each_agent",
        (
            "Trainer 'dropsthefirstreward' does not learn what each agent is paid for in RivalsEnv "
            "(60 iterations), where one choice pays oneself, and another one the others. Wrong are A1 "
            "in step 0; A3 in step 0; A4 in step 0. Expected all four to be right in steps 0 to 2: "
            "learn from the decisions of every agent of the policy, pay each with the reward of the "
            "same agent and step, or give it more learning_iterations."
        ),
    ),
    (
        "broken_learners",
        "ShiftsRewardsLater",
        "it_learns_a_choice_that_pays_later",
        (
            "Trainer 'shiftsrewardslater' prefers 0.2 at once to 1 in the third step, which is the "
            "last (DelayedRewardEnv, 60 iterations). A decision is worth what is paid until the end "
            "of its episode, the last reward too; declare is_bandit = True if it learns from single "
            "rewards alone."
        ),
    ),
    (
        "broken_learners",
        "ShiftsRewardsEarlier",
        "it_learns_from_the_rewards_of_each_agent",
        (
            "Trainer 'shiftsrewardsearlier' does not learn what each agent is paid for in RivalsEnv "
            "(60 iterations), where one choice pays oneself, and another one the others. Wrong are A1 "
            "in steps 0, 2; A2 in step 0; A3 in steps 0, 2; A4 in steps 0, 1, 2. Expected all four to "
            "be right in steps 0 to 2: learn from the decisions of every agent of the policy, pay "
            "each with the reward of the same agent and step, or give it more learning_iterations."
        ),
    ),
    (
        "broken_learners",
        "ShiftsRewardsAcross",
        "it_learns_a_choice_that_pays_later",
        (
            "Trainer 'shiftsrewardsacross' prefers 0.2 at once to 1 in the third step, which is the "
            "last (DelayedRewardEnv, 60 iterations). A decision is worth what is paid until the end "
            "of its episode, the last reward too; declare is_bandit = True if it learns from single "
            "rewards alone."
        ),
    ),
    (
        "broken_learners",
        "IsMyopic",
        "every_setting_matters",
        (
            "Trainer 'ismyopic' does the same whatever 'gamma' is set to. Expected every setting to "
            "matter: read it from self.config, or take it out; name those that cannot matter in so "
            "small a world in idle_settings."
        ),
    ),
    (
        "broken_learners",
        "DropsTheLastRewardInPlay",
        "it_learns_a_choice_that_pays_later",
        (
            "Trainer 'dropsthelastrewardinplay' prefers 0.2 at once to 1 in the third step, which is "
            "the last (DelayedRewardEnv, 60 iterations). A decision is worth what is paid until the "
            "end of its episode, the last reward too; declare is_bandit = True if it learns from "
            "single rewards alone."
        ),
    ),
    (
        "broken_learners",
        "LearnsTheLastBatchAgain",
        "what_was_saved_trains_on_as_if_nothing_had_happened",
        (
            "Trainer 'learnsthelastbatchagain' trains on otherwise after it was saved and loaded: "
            "state_dict() of the policy differs in 'values' one update later. Put all that updates "
            "use, such as the optimiser's moments or a replay buffer, into state_dict() of the "
            "trainer or the policy; and let go of a batch once it was learned from."
        ),
    ),
    (
        "broken_learners",
        "NeverForgets",
        "what_was_saved_trains_on_as_if_nothing_had_happened",
        (
            "Trainer 'neverforgets' trains on otherwise after it was saved and loaded: state_dict() "
            "of the policy differs in 'values' one update later. Put all that updates use, such as "
            "the optimiser's moments or a replay buffer, into state_dict() of the trainer or the "
            "policy; and let go of a batch once it was learned from."
        ),
    ),
    (
        "broken_learners",
        "LearnsOneBehind",
        "what_was_saved_trains_on_as_if_nothing_had_happened",
        (
            "Trainer 'learnsonebehind' trains on otherwise after it was saved and loaded: "
            "state_dict() of the policy differs in 'values' one update later. Put all that updates "
            "use, such as the optimiser's moments or a replay buffer, into state_dict() of the "
            "trainer or the policy; and let go of a batch once it was learned from."
        ),
    ),
    (
        "broken_learners",
        "ReplaysInPlay",
        "what_was_saved_trains_on_as_if_nothing_had_happened",
        (
            "Trainer 'replaysinplay' trains on otherwise after it was saved and loaded: state_dict() "
            "of the policy differs in 'values' one update later. Put all that updates use, such as "
            "the optimiser's moments or a replay buffer, into state_dict() of the trainer or the "
            "policy; and let go of a batch once it was learned from."
        ),
    ),
    (
        "broken_actors",
        "PolicyHandsOutValues",
        "its_policies_do_what_policies_have_to",
        (
            "AliasingTable, the policy of Trainer 'policyhandsoutvalues', hands out its own arrays in "
            "state_dict(): who keeps them sees them change in training. Expected copies: "
            "array.copy()."
        ),
    ),
    (
        "broken_actors",
        "PolicyKeepsWhatItLoads",
        "its_policies_do_what_policies_have_to",
        (
            "KeepingTable, the policy of Trainer 'policykeepswhatitloads', keeps the arrays that "
            "load_state_dict() gets: training changes them for whoever loads them again. Expected "
            "copies: array.copy() or np.array(array)."
        ),
    ),
    (
        "broken_actors",
        "PolicyDrawsByItself",
        "its_policies_do_what_policies_have_to",
        (
            "OwnGeneratorTable, the policy of Trainer 'policydrawsbyitself', samples other actions "
            "from the same streams. Expected the same, whatever it was asked before: draw only from "
            "the rng that sample_actions() gets, from no generator of its own."
        ),
    ),
    (
        "broken_actors",
        "PolicyDrawsTheSame",
        "its_policies_do_what_policies_have_to",
        (
            "SameDrawsTable, the policy of Trainer 'policydrawsthesame', answers 0 to an observation "
            "alone, but 2 to the same one among 40 in sample_actions(). Expected the same: what is "
            "done in a row must depend on no other row, nor on how many there are."
        ),
    ),
    (
        "broken_actors",
        "PolicyLearnsWhenAsked",
        "its_policies_do_what_policies_have_to",
        (
            "OnlineTable, the policy of Trainer 'policylearnswhenasked', changes its state_dict() "
            "when compute_action() is called, also where it is not among policies_to_train. Expected "
            "it to be as before: learn in the trainer's update()."
        ),
    ),
    (
        "broken_actors",
        "SimplePolicyLearnsWhenAsked",
        "its_policies_do_what_policies_have_to",
        (
            "OnlineTable, the policy of Trainer 'simplepolicylearnswhenasked', changes its "
            "state_dict() when compute_action() is called, also where it is not among "
            "policies_to_train. Expected it to be as before: learn in the trainer's update()."
        ),
    ),
    (
        "broken_actors",
        "PolicyVariesWithTheBatch",
        "its_policies_do_what_policies_have_to",
        (
            "CrowdedTable, the policy of Trainer 'policyvarieswiththebatch', answers 1 to an "
            "observation alone, but 2 to the same one among 40 in compute_actions(). Expected the "
            "same: what is done in a row must depend on no other row, nor on how many there are."
        ),
    ),
    (
        "broken_actors",
        "HandsOutMomentum",
        "its_state_is_a_copy",
        (
            "Trainer 'handsoutmomentum' hands out its own arrays in state_dict(): the next update "
            "changes them for whoever keeps them. Expected copies: array.copy()."
        ),
    ),
    (
        "broken_actors",
        "KeepsMomentum",
        "its_state_is_a_copy",
        (
            "Trainer 'keepsmomentum' keeps the arrays that load_state_dict() gets: the next update "
            "changes them for whoever loads them again. Expected copies: array.copy() or "
            "np.array(array)."
        ),
    ),
    (
        "broken_process",
        "HashesNames",
        "it_trains_the_same_in_every_process",
        (
            "Trainer 'hashesnames' trains otherwise in another process: in iteration 0, 'many/error' "
            "was # and then #. It depends on PYTHONHASHSEED. Expected the same for one seed: sort "
            "what comes out of a set, hash no names, look at no clock, and draw from update()'s rng "
            "or self.rng."
        ),
    ),
    (
        "broken_process",
        "VisitsASet",
        "it_trains_the_same_in_every_process",
        (
            "Trainer 'visitsaset' trains otherwise in another process: in iteration 0, 'many/error' "
            "was # and then #. It depends on PYTHONHASHSEED. Expected the same for one seed: sort "
            "what comes out of a set, hash no names, look at no clock, and draw from update()'s rng "
            "or self.rng."
        ),
    ),
    (
        "broken_process",
        "ReadsTheClock",
        "it_trains_the_same_in_every_process",
        (
            "Trainer 'readstheclock' trains otherwise in another process: in iteration 0, "
            "'many/error' was # and then #. It depends on the clock. Expected the same for one seed: "
            "sort what comes out of a set, hash no names, look at no clock, and draw from update()'s "
            "rng or self.rng."
        ),
    ),
    (
        "broken_process",
        "ReadsTheDate",
        "it_trains_the_same_in_every_process",
        (
            "Trainer 'readsthedate' trains otherwise in another process: in iteration 0, 'many/error' "
            "was # and then #. It depends on the clock. Expected the same for one seed: sort what "
            "comes out of a set, hash no names, look at no clock, and draw from update()'s rng or "
            "self.rng."
        ),
    ),
    (
        "broken_process",
        "TrustsTheGlobalSeed",
        "it_trains_the_same_in_every_process",
        (
            "Trainer 'truststheglobalseed' trains otherwise in another process: in iteration 0, "
            "'many/error' was # and then #. It depends on the global seed. Expected the same for one "
            "seed: sort what comes out of a set, hash no names, look at no clock, and draw from "
            "update()'s rng or self.rng."
        ),
    ),
    (
        "broken_process",
        "BorrowsTheGlobalGenerator",
        "it_trains_the_same_in_every_process",
        (
            "Trainer 'borrowstheglobalgenerator' trains otherwise in another process: in iteration 0, "
            "'rewards/A1' was # and then #. It depends on the global seed. Expected the same for one "
            "seed: sort what comes out of a set, hash no names, look at no clock, and draw from "
            "update()'s rng or self.rng."
        ),
    ),
    (
        "broken_process",
        "SeedsTheGlobalGenerator",
        "training_draws_from_no_global_generator",
        (
            "Trainer 'seedstheglobalgenerator' draws from np.random, which no seed of a run reaches. "
            "Draw from the rng that update() gets, or from self.rng."
        ),
    ),
    (
        "broken_process",
        "SilencesNumPy",
        "training_leaves_the_process_as_it_was",
        (
            "Trainer 'silencesnumpy' leaves the process changed after training: np.seterr(). Expected "
            "it as before: use np.errstate(), np.printoptions() or warnings.catch_warnings(), and end "
            "what you start."
        ),
    ),
    (
        "broken_process",
        "PatchesNumPy",
        "training_leaves_the_process_as_it_was",
        (
            "Trainer 'patchesnumpy' leaves the process changed after training: np.random.permutation. "
            "Expected it as before: use np.errstate(), np.printoptions() or "
            "warnings.catch_warnings(), and end what you start."
        ),
    ),
    (
        "broken_process",
        "PrintsShort",
        "training_leaves_the_process_as_it_was",
        (
            "Trainer 'printsshort' leaves the process changed after training: np.set_printoptions(). "
            "Expected it as before: use np.errstate(), np.printoptions() or "
            "warnings.catch_warnings(), and end what you start."
        ),
    ),
    (
        "broken_process",
        "LeavesAThread",
        "training_leaves_the_process_as_it_was",
        (
            "Trainer 'leavesathread' leaves the process changed after training: the thread 'pump', "
            "which still runs. Expected it as before: use np.errstate(), np.printoptions() or "
            "warnings.catch_warnings(), and end what you start."
        ),
    ),
    (
        "broken_process",
        "IgnoresWarnings",
        "training_leaves_the_process_as_it_was",
        (
            "Trainer 'ignoreswarnings' leaves the process changed after training: the warning "
            "filters. Expected it as before: use np.errstate(), np.printoptions() or "
            "warnings.catch_warnings(), and end what you start."
        ),
    ),
    (
        "broken_process",
        "WritesHere",
        "training_writes_in_the_run_directory_only",
        (
            "Trainer 'writeshere' leaves 'debug.txt' outside of the run directory. Expected nothing "
            "there: log values with what update() returns, or write a logger, which gets "
            "run_directory."
        ),
    ),
    (
        "broken_process",
        "WritesElsewhere",
        "training_writes_in_the_run_directory_only",
        (
            "Trainer 'writeselsewhere' leaves '#', '#', '#' and 5 more outside of the run directory. "
            "Expected nothing there: log values with what update() returns, or write a logger, which "
            "gets run_directory."
        ),
    ),
    (
        "broken_process",
        "IgnoresASetting",
        "every_setting_matters",
        (
            "Trainer 'ignoresasetting' does the same whatever 'momentum' is set to. Expected every "
            "setting to matter: read it from self.config, or take it out; name those that cannot "
            "matter in so small a world in idle_settings."
        ),
    ),
    (
        "broken_process",
        "IgnoresASwitch",
        "every_setting_matters",
        (
            "Trainer 'ignoresaswitch' does the same whatever 'double' is set to. Expected every "
            "setting to matter: read it from self.config, or take it out; name those that cannot "
            "matter in so small a world in idle_settings."
        ),
    ),
    (
        "broken_process",
        "OverridesASetting",
        "every_setting_matters",
        (
            "Trainer 'overridesasetting' does the same whatever 'alpha' is set to. Expected every "
            "setting to matter: read it from self.config, or take it out; name those that cannot "
            "matter in so small a world in idle_settings."
        ),
    ),
    (
        "broken_process",
        "OverridesAtTheStart",
        "every_setting_matters",
        (
            "Trainer 'overridesatthestart' does the same whatever 'gamma' is set to. Expected every "
            "setting to matter: read it from self.config, or take it out; name those that cannot "
            "matter in so small a world in idle_settings."
        ),
    ),
    (
        "broken_process",
        "WarmsUp",
        "it_changes_the_policies_that_it_is_to_train",
        (
            "Trainer 'warmsup' was to train 'one' and 'two', and changed neither in 3 iterations. "
            "Expected both: change them in place, and return what is learned in state_dict(). If it "
            "first collects for a while, set warm_up_iterations."
        ),
    ),
    (
        "broken_process",
        "NeverTrains",
        "it_changes_the_policies_that_it_is_to_train",
        (
            "Trainer 'nevertrains' was to train 'one' and 'two', and changed neither in 3 iterations. "
            "Expected both: change them in place, and return what is learned in state_dict(). If it "
            "first collects for a while, set warm_up_iterations."
        ),
    ),
]


def masked(message: str) -> str:
    """Leave out numbers that depend on the process, and names of temporary files."""
    message = re.sub(r"\d+\.\d+ and then \d+\.\d+", "# and then #", message)
    return re.sub(r"'/[^' ]*/broken-\w+\.txt'", "'#'", message)


@pytest.mark.parametrize(
    ("module", "name", "check", "message"),
    [pytest.param(*one, id=one[1]) for one in BROKEN],
)
def test_a_broken_trainer_is_told_what_is_wrong(
    failures: Failures,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    module: str,
    name: str,
    check: str,
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    found = failures(TrainerConformance, module, name, is_alone=module == "broken_process", only=check)
    assert masked(found[check]) == message


def test_actions_outside_of_the_space_are_told_as_such(failures: Failures) -> None:
    check = "its_policies_do_what_policies_have_to"
    found = failures(TrainerConformance, "broken_actors", "PolicyLeavesTheSpace", only=check)
    assert found["its_policies_do_what_policies_have_to"] == (
        "WideTable, the policy of Trainer 'policyleavesthespace', returns 3 from sample_actions(). Expected "
        "200 elements of Discrete(3) for as many observations."
    )
    check = "the_same_seed_gives_the_same_curve"
    found = failures(TrainerConformance, "broken_actors", "TrainerLeavesTheSpace", only=check)
    assert found["the_same_seed_gives_the_same_curve"] == (
        "Trainer 'trainerleavesthespace' raised ValueError: 'A1' was to do 3, which is not in Discrete(3) "
        "when it trained in IdentityEnv. Expected 3 iterations: train it there yourself to see the traceback."
    )


def test_a_trainer_that_warms_up_says_so(failures: Failures) -> None:
    options = {"warm_up_iterations": 5}
    assert failures(TrainerConformance, "broken_process", "WarmsUp", **options) == {}


def test_what_cleans_up_behind_itself_may_use_temporary_files(failures: Failures) -> None:
    assert failures(TrainerConformance, "broken_process", "CleansUp", is_alone=True) == {}


@pytest.mark.parametrize(
    ("module", "name"), [("broken_learners", "Relearns"), ("broken_actors", "WithMomentum")]
)
def test_what_the_broken_ones_are_made_of_is_not_broken(failures: Failures, module: str, name: str) -> None:
    assert failures(TrainerConformance, module, name) == {}


def test_settings_that_cannot_matter_may_be_named(failures: Failures) -> None:
    options = {"idle_settings": ("momentum",)}
    assert failures(TrainerConformance, "broken_process", "IgnoresASetting", **options) == {}


def test_a_bandit_need_not_look_ahead(failures: Failures) -> None:
    options = {"is_bandit": True, "idle_settings": ("gamma",)}
    assert failures(TrainerConformance, "broken_learners", "IsMyopic", **options) == {}


def test_what_learns_by_what_a_policy_earns_together_gets_a_policy_for_each_agent(failures: Failures) -> None:
    check = "it_learns_from_the_rewards_of_each_agent"
    found = failures(
        TrainerConformance, "broken_learners", "LearnsFromTheTeam", only=check, is_collective=True
    )
    assert found == {}


TORCH = """
threads = 2

def get_num_threads():
    return threads

def set_num_threads(number):
    global threads
    threads = number
"""


def test_torch_has_as_many_threads_in_the_other_process_as_here(
    failures: Failures, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "torch.py").write_text(TORCH)
    spec = importlib.util.spec_from_file_location("torch", tmp_path / "torch.py")
    assert spec is not None
    assert spec.loader is not None
    torch = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(torch)
    torch.set_num_threads(1)
    monkeypatch.setitem(sys.modules, "torch", torch)
    check = "it_trains_the_same_in_every_process"
    sys.path.insert(0, str(tmp_path))  # the other process has the same path
    try:
        found = failures(TrainerConformance, "broken_process", "SumsByThreads", is_alone=True, only=check)
    finally:
        sys.path.remove(str(tmp_path))
    assert found == {}
