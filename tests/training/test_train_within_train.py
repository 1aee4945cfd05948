"""`train` within `train`: an overridden one that calls the one above, and iterations within iterations."""

from collections.abc import Callable
from typing import Any

import pytest

import phantom_core as ph
from phantom_testing import IdentityEnv

POLICIES = {"p": ph.StrategicAgent}
REFUSAL = (
    "Nested was to train within its iteration 0. Train when the iteration has ended, or with a second "
    "instance."
)


class Steps(ph.Trainer):
    """Counts one env step per iteration, and marks the policy as trained."""

    policy_class = ph.RandomPolicy

    def training_step(self, env: Any, policy_mapping: Any, policies: Any, policies_to_train: Any) -> None:
        self.log_rewards({"A": 1.0})
        policies["p"].trained = True


class Curriculum(Steps):
    """Trains twice, in one run."""

    def train(self, env_class: Any, *_: Any, **__: Any) -> ph.TrainingResults:  # type: ignore[override]
        super().train(env_class, 2, POLICIES, None)
        return super().train(env_class, 1, POLICIES, None)


def trained(trainer: ph.Trainer, num_iterations: int = 1) -> ph.TrainingResults:
    return trainer.train(IdentityEnv, num_iterations, POLICIES, ["p"])


def test_a_train_that_calls_the_one_above_twice_is_one_run() -> None:
    rows = trained(Curriculum()).history
    assert [(row["iteration"], row["env_steps"]) for row in rows] == [(0, 1), (1, 2), (2, 3)]
    results = ph.train(Curriculum, env=IdentityEnv, num_iterations=9, run_dir=None)
    assert results.iterations == 3


class Nested(Steps):
    """Does something else in each iteration."""

    def __init__(self, again: Callable[[ph.Trainer], object]) -> None:
        super().__init__()
        self.again: Callable[[ph.Trainer], object] | None = again

    def training_step(self, *args: Any) -> None:
        super().training_step(*args)
        if self.again is not None:
            self.again(self)


@pytest.mark.parametrize("again", [trained, lambda trainer: list(trainer.iterations(1))])
def test_an_iteration_within_an_iteration_is_refused(again: Any) -> None:
    trainer = Nested(again)
    with pytest.raises(ph.errors.ConfigError) as caught:
        trained(trainer)
    assert str(caught.value) == REFUSAL
    trainer.again = None
    assert trained(trainer).iterations == 1


def test_what_was_learned_outlives_the_refusal() -> None:
    def try_again(trainer: ph.Trainer) -> None:
        with pytest.raises(ph.errors.ConfigError) as caught:
            trained(trainer)
        assert str(caught.value) == REFUSAL

    results = trained(Nested(try_again))
    assert results.policies["p"].trained  # type: ignore[attr-defined]  # not new policies of the inner train


def test_another_instance_may_train_within_an_iteration() -> None:
    inner: list[ph.TrainingResults] = []
    outer = trained(Nested(lambda _: inner.append(trained(Steps(), 3))))
    assert (outer.iterations, inner[0].iterations) == (1, 3)


class Leaving(Steps):
    """Leaves its first loop early and then trains on."""

    def train(self, *args: Any, **kwargs: Any) -> ph.TrainingResults:
        for _ in self.iterations(5):
            break
        return super().train(*args, **kwargs)


def test_a_loop_that_is_left_does_not_keep_the_run_from_going_on() -> None:
    assert len(trained(Leaving(), 2).history) == 2
