"""Every broken metric fails exactly its own check, with this message; the correct one fails none."""

from collections.abc import Callable

import pytest

from phantom_testing import MetricConformance

Failures = Callable[..., dict[str, str]]

BROKEN = [
    (
        "HasNoValues",
        "it_has_values",
        (
            "Metric 'hasnovalues' has no value in 5 steps of IdentityEnv. Set env to one in which it "
            "has, or config to what exists there."
        ),
    ),
    (
        "ReducesToText",
        "it_has_values",
        (
            "Metric 'reducestotext' reduces the values of an episode to '3.0 in all' with "
            "mode='evaluate'. Expected a number or an array of numbers."
        ),
    ),
    (
        "DrawsFromTheEnv",
        "reading_it_changes_nothing_in_the_env",
        (
            "Metric 'drawsfromtheenv' changes the episode that it measures. Expected the same one "
            "without it: read only, and draw no random numbers from the env or its agents."
        ),
    ),
    (
        "SortsInPlace",
        "reducing_leaves_the_values_as_they_are",
        (
            "Metric 'sortsinplace' changes the values that reduce() is handed, or reduces them to "
            "something else the second time. Expected reduce() to depend on them only, and to leave them "
            "alone."
        ),
    ),
    (
        "KeepsTheEnv",
        "it_keeps_no_env",
        (
            "Metric 'keepstheenv' keeps the env that it was read from. Expected it to keep nothing: "
            "return a number or a copy from extract()."
        ),
    ),
    (
        "AddsUpForEver",
        "an_episode_is_measured_by_itself",
        (
            "Metric 'addsupforever' measures another thing in an episode after another one than in "
            "the episode alone. Expected the same: keep nothing in the metric; extract() reads the env, "
            "reduce() "
            "gets all values of one episode."
        ),
    ),
    (
        "RemembersTheLast",
        "an_episode_is_measured_by_itself",
        (
            "Metric 'remembersthelast' measures another thing in an episode while another one is played "
            "than in "
            "the episode alone. Expected the same: keep nothing in the metric; extract() reads the env, "
            "reduce() "
            "gets all values of one episode."
        ),
    ),
    (
        "MixesEpisodes",
        "an_episode_is_measured_by_itself",
        (
            "Metric 'mixesepisodes' measures another thing in an episode while another one is played than in "
            "the episode alone. Expected the same: keep nothing in the metric; extract() reads the env, "
            "reduce() "
            "gets all values of one episode."
        ),
    ),
    (
        "RunningMean",
        "an_episode_is_measured_by_itself",
        (
            "Metric 'runningmean' measures another thing in an episode after another one than in "
            "the episode alone. Expected the same: keep nothing in the metric; extract() reads the env, "
            "reduce() "
            "gets all values of one episode."
        ),
    ),
    (
        "EvaluatesInPercent",
        "both_modes_agree_on_a_single_value",
        (
            "Metric 'evaluatesinpercent' reduces the only value 1.0 of an episode to 1.0 while training, "
            "but to "
            "101.0 in evaluations. Expected the same: look at what reduce() does for each mode."
        ),
    ),
    (
        "EvaluatesNothing",
        "both_modes_agree_on_a_single_value",
        (
            "Metric 'evaluatesnothing' reduces the only value 1.0 of an episode to 1.0 while training, "
            "but to "
            "-1.0 in evaluations. Expected the same: look at what reduce() does for each mode."
        ),
    ),
    (
        "FailsInTraining",
        "training_goes_on_as_without_it",
        (
            "Metric 'failsintraining' disturbs training: Plugin 'metrics.metric' failed 35 times in "
            "extract: ValueError: a second episode. Expected the same weights as "
            "without it, and no exception."
        ),
    ),
]


def test_a_correct_metric_passes_every_check(failures: Failures) -> None:
    assert failures(MetricConformance, "broken_metrics", "CorrectMetric") == {}


@pytest.mark.parametrize(("name", "check", "message"), BROKEN, ids=[name for name, _, _ in BROKEN])
def test_a_broken_metric_fails_its_own_check(failures: Failures, name: str, check: str, message: str) -> None:
    assert failures(MetricConformance, "broken_metrics", name) == {check: message}


def test_a_metric_that_needs_settings_says_so(failures: Failures) -> None:
    found = failures(MetricConformance, "broken_metrics", "NeedsSettings")
    assert found["it_has_values"] == (
        "Metric 'needssettings' cannot be built: TypeError: NeedsSettings.__init__() missing 1 required "
        "positional argument: 'agent_id'. Give it settings, here or in its class: conformance = "
        '{"config": {...}}.'
    )
    assert failures(MetricConformance, "broken_metrics", "NeedsSettings", config={"agent_id": "A1"}) == {}
