"""Every broken policy fails exactly its own check, with this message; the correct one fails none."""

from collections.abc import Callable

import pytest

from phantom_testing import PolicyConformance

Failures = Callable[..., dict[str, str]]

BROKEN = [
    (
        "LeavesTheSpace",
        "its_actions_are_in_the_action_space",
        (
            "Policy 'leavesthespace' returns 3 from sample_actions(). Expected 7 elements of Discrete(3) "
            "for as many observations."
        ),
    ),
    (
        "DiffersTogether",
        "one_by_one_it_does_the_same_as_together",
        (
            "Policy 'differstogether' takes the actions [0, 0, 0, 0, 0, 0, 0] one by one, but [1, 1, 1, "
            "1, 1, 1, 1] together. Expected the same of compute_action() and compute_actions()."
        ),
    ),
    (
        "ChangesItsMind",
        "the_finished_policy_repeats_itself",
        (
            "Policy 'changesitsmind' takes other actions, or changes its state, when it is asked again. "
            "Expected the finished policy to repeat itself: set acts_randomly = True if it draws."
        ),
    ),
    (
        "DrawsElsewhere",
        "the_same_streams_give_the_same_actions",
        (
            "Policy 'drawselsewhere' samples other actions from the same streams. Expected the same: "
            "draw only from the rng that sample_actions() gets."
        ),
    ),
    (
        "WeightsOfItsOwn",
        "the_same_seed_gives_the_same_first_weights",
        (
            "Policy 'weightsofitsown' has other first weights each time. Expected them to follow from "
            "the generator that seed() gets: draw them there, not in __init__()."
        ),
    ),
    (
        "DrawsGlobally",
        "it_draws_from_no_global_generator",
        (
            "Policy 'drawsglobally' draws from random, which no seed of a run reaches. Draw from the rng "
            "that sample_actions() gets, or from the generator that seed() gets."
        ),
    ),
    (
        "ShortExtras",
        "what_it_tells_about_actions_has_one_row_for_each",
        (
            "Policy 'shortextras' returns extras of the lengths {'noise': 1} for 7 observations, under "
            "the names ['noise'] and then ['noise']. Expected 7 rows under the same names in every call "
            "of sample_actions()."
        ),
    ),
    (
        "LoadsNothing",
        "its_state_survives_saving",
        (
            "Policy 'loadsnothing' is another one after load_state_dict() took over its state_dict(). "
            "Expected the same state and the same actions: save and load all that training changes."
        ),
    ),
    (
        "HandsOutWeights",
        "its_state_is_a_copy",
        (
            "Policy 'handsoutweights' hands out its own arrays in state_dict(): who keeps them sees them "
            "change in training. Expected copies: array.copy()."
        ),
    ),
    (
        "ScalesInPlace",
        "it_leaves_observations_as_they_are",
        (
            "Policy 'scalesinplace' changes in sample_actions() the observations that it was handed. "
            "Expected them to stay as they are: copy before you change."
        ),
    ),
    (
        "KeepsTheLast",
        "it_keeps_no_observations",
        (
            "Policy 'keepsthelast' keeps the array of observations that it was handed, whose memory is "
            "used again. Expected it to look at it during the call only: copy what you keep."
        ),
    ),
    (
        "LosesItsWeights",
        "it_arrives_in_a_worker_as_it_was",
        (
            "Policy 'losesitsweights' takes other actions in a worker than here. Expected the same: let "
            "pickling keep all that compute_actions() reads."
        ),
    ),
    (
        "MixesAgents",
        "its_memory_is_that_of_each_agent",
        (
            "Policy 'mixesagents' returns states of the shapes {'first': (7,), 'count': ((2,),)} for 7 "
            "agents. Expected {'first': (7,), 'count': ((7, 2),)}: one for each, as initial_state() nests "
            "them."
        ),
    ),
    (
        "RemembersItself",
        "its_memory_is_that_of_each_agent",
        (
            "Policy 'remembersitself' takes the actions [1, 1, 2, 2, 0, 0, 2] in a third decision one by "
            "one, but [1, 1, 1, 1, 1, 1, 1] together. Expected the same: keep what it remembers in the "
            "states alone, one row for each agent."
        ),
    ),
]


@pytest.mark.parametrize("name", ["CorrectPolicy", "CorrectRecurrent"])
def test_a_correct_policy_passes_every_check(failures: Failures, name: str) -> None:
    assert failures(PolicyConformance, "broken_policies", name) == {}


@pytest.mark.parametrize(("name", "check", "message"), BROKEN, ids=[name for name, _, _ in BROKEN])
def test_a_broken_policy_fails_its_own_check(failures: Failures, name: str, check: str, message: str) -> None:
    is_alone = name == "LosesItsWeights"  # what arrives in another process is its own matter
    assert failures(PolicyConformance, "broken_policies", name, is_alone=is_alone) == {check: message}
