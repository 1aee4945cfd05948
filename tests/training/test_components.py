"""Plugins that are written wrongly: the message names the plugin, and what its author mends."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import phantom_core as ph


def error_of(source: str, fake_distribution: Callable[..., Path], **configs: Any) -> ph.PhantomError:
    """Return what a run with the logger of this source raises."""
    fake_distribution("acme", {"phantom_core.loggers": {"acme": "acme_log:Acme"}}, {"acme_log": source})
    with pytest.raises(ph.PhantomError) as caught:
        ph.train(
            "q-learning",
            env="gymnasium",
            num_iterations=1,
            loggers=["acme"],
            logger_config=configs,
            run_dir=None,
        )
    return caught.value


def test_a_component_that_cannot_be_built_is_named_with_its_settings(
    fake_distribution: Callable[..., Path],
) -> None:
    source = """
import phantom_core as ph
class Acme(ph.Hooks):
    def __init__(self):
        raise OSError("no disk.")
"""
    error = error_of(source, fake_distribution)
    assert isinstance(error, ph.errors.PluginError)
    assert str(error) == "logger.acme could not be built: OSError: no disk. Its settings: {}."
    assert error.plugin == "acme"


def test_a_config_class_is_a_frozen_dataclass(fake_distribution: Callable[..., Path]) -> None:
    source = """
from dataclasses import dataclass
import phantom_core as ph
@dataclass
class AcmeConfig:
    size: int = 1
class Acme(ph.Hooks):
    config_class = AcmeConfig
"""
    assert str(error_of(source, fake_distribution)) == (
        "Acme.config_class is <class 'acme_log.AcmeConfig'>. Expected a frozen dataclass: decorate it with "
        "@dataclass(frozen=True)."
    )


def test_a_logger_without_a_hook_is_refused(fake_distribution: Callable[..., Path]) -> None:
    error = error_of("import phantom_core as ph\nclass Acme(ph.Hooks): ...\n", fake_distribution)
    assert str(error) == (
        "Plugin 'acme' implements no hook. Override a method of ph.Hooks, such as on_iteration_end, mark "
        "a function with @ph.hookimpl, or leave it out."
    )


DIARY = """
import phantom_core as ph
class Acme(ph.Hooks):
    def __init__(self, file, every=1):
        raise OSError(f"{file} {every}")
"""


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"file": "a", "every": 2},
            "could not be built: OSError: a 2. Its settings: {'file': 'a', 'every': 2}.",
        ),
        ({"file": "a", "evry": 2}, "has no setting 'evry'. Did you mean 'every'? Its settings: file, every."),
        ({"every": 2}, "needs a value for 'file'. Give it one."),
    ],
)
def test_without_a_config_class_the_parameters_of_its_own_init_are_the_settings_of_a_logger(
    settings: dict[str, object], message: str, fake_distribution: Callable[..., Path]
) -> None:
    error = error_of(DIARY, fake_distribution, acme=settings)
    assert str(error) == f"logger.acme {message}"


class OwnInitTrainer(ph.Trainer):
    """Plays one episode per iteration and logs its setting."""

    policy_class = ph.RandomPolicy

    def __init__(self, alpha: float = 0.1) -> None:
        super().__init__()
        self.alpha = alpha

    def collect_plan(self) -> ph.CollectPlan:
        return ph.CollectPlan(episodes=1)

    def update(self, *args: Any) -> dict[str, float]:
        return {"alpha": self.alpha}


def test_the_parameters_of_its_own_init_are_the_settings_of_a_trainer_too() -> None:
    def train(**settings: float) -> ph.TrainingResults:
        env_config = {"env": "FrozenLake-v1"}
        return ph.train(
            OwnInitTrainer,
            env="gymnasium",
            env_config=env_config,
            num_iterations=1,
            trainer_config=settings,
            run_dir=None,
        )

    assert train(alpha=0.5).history[0]["default/alpha"] == 0.5
    with pytest.raises(ph.errors.ConfigError) as caught:
        train(alhpa=0.5)
    assert str(caught.value) == (
        "trainer.OwnInitTrainer has no setting 'alhpa'. Did you mean 'alpha'? Its settings: alpha."
    )


def test_an_init_that_takes_no_settings_by_name_is_told_what_to_write(
    fake_distribution: Callable[..., Path],
) -> None:
    source = """
from dataclasses import dataclass
import phantom_core as ph
@dataclass(frozen=True)
class AcmeConfig:
    size: int = 1
class Acme(ph.Hooks):
    config_class = AcmeConfig
    def __init__(self, config):
        self.config = config
"""
    error = error_of(source, fake_distribution)
    assert str(error) == (
        "logger.acme could not be built: Acme.__init__ does not take the fields of AcmeConfig by name: "
        "TypeError: missing a required argument: 'config'. Leave __init__ out and read self.config, or write "
        "it as: def __init__(self, **settings): super().__init__(**settings)."
    )


def test_what_a_config_refuses_is_told_with_its_path(fake_distribution: Callable[..., Path]) -> None:
    source = """
from dataclasses import dataclass
import phantom_core as ph
@dataclass(frozen=True)
class AcmeConfig:
    size: int = 0
    def __post_init__(self):
        if self.size < 1:
            raise ValueError("size must be positive.")
class Acme(ph.Hooks):
    config_class = AcmeConfig
    def on_train_end(self, event):
        pass
"""
    assert str(error_of(source, fake_distribution)) == "logger.acme: size must be positive."


def test_a_trainer_outside_of_a_run_says_so() -> None:
    class IdleTrainer(ph.Trainer):
        policy_class = ph.RandomPolicy

    with pytest.raises(ph.errors.ConfigError) as caught:
        _ = IdleTrainer().progress
    assert str(caught.value) == "IdleTrainer is not in a run. Call train() first."
