"""What `bench_ppo.py` compares: each contender makes so many env steps of the same work."""

from __future__ import annotations

import functools
import importlib.util
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np

import phantom_core as ph

CARTPOLE = {"env": "CartPole-v1"}

Contender = Callable[[int], float]
"""Trains for so many env steps and returns env steps per CPU second, after a first iteration."""


@dataclass(frozen=True)
class Setting:
    """The same work for everybody: CartPole-v1, 8 copies, 64 × 64 tanh networks, Adam."""

    name: str
    steps_per_copy: int
    epochs: int
    minibatch_size: int
    lr: float
    gamma: float
    gae_lambda: float
    copies: int = 8
    is_annealed: bool = False
    """Whether learning rate and clip range go to 0, linearly; in `ppo` they always do."""

    def ours(self) -> dict[str, Any]:
        """Return it as settings of the trainer `ppo`."""
        return {
            "copies": self.copies,
            "steps_per_copy": self.steps_per_copy,
            "epochs": self.epochs,
            "minibatch_size": self.minibatch_size,
            "lr": self.lr,
            "gamma": self.gamma,
            "gae_lambda": self.gae_lambda,
        }


RL_ZOO = Setting("RL-Zoo's: 32 steps, 20 epochs of 256", 32, 20, 256, 1e-3, 0.98, 0.8, is_annealed=True)
SETTINGS = [Setting("128 steps, 4 epochs of 4 minibatches", 128, 4, 256, 3e-4, 0.99, 0.95), RL_ZOO]


class WarmClock(ph.Hooks):
    """Measures the CPU time from the end of the first iteration to that of the last, and the env steps."""

    def __init__(self) -> None:
        self.marks: list[tuple[float, int]] = []

    def on_iteration_end(self, event: ph.IterationEnd) -> None:
        """Note time and steps."""
        self.marks.append((time.process_time(), event.env_steps))

    @property
    def rate(self) -> float:
        """Env steps per CPU second."""
        (first, steps_before), (last, steps) = self.marks[0], self.marks[-1]
        return (steps - steps_before) / (last - first)


def train_ours(
    num_steps: int,
    *,
    env: Callable[..., Any] = ph.GymnasiumEnv,
    env_config: Mapping[str, Any] | None = None,
    policies: Mapping[str, Any] | None = None,
    vectorization_mode: str = "sync",
    **config: Any,
) -> float:
    """Train with `ppo` for so many env steps; return env steps per CPU second, after a first iteration."""
    clock = WarmClock()
    ph.train(
        "ppo",
        env=env,
        env_config=CARTPOLE if env is ph.GymnasiumEnv else env_config,
        policies=None if policies is None else dict(policies),
        total_steps=num_steps,
        trainer_config=config,
        vectorization_mode=vectorization_mode,
        hooks=[clock],
        seed=1,
        run_dir=None,
    )
    return clock.rate


def sb3_model(setting: Setting, seed: int = 1, model_class: Any = None, *, has_monitor: bool = True) -> Any:
    """Return Stable-Baselines3's PPO with this setting; all else is its default.

    `make_vec_env` puts a Monitor around each env, which logs its episodes, as `ppo` does; leave it out to see
    what that costs.
    """
    from stable_baselines3 import PPO
    from stable_baselines3.common.env_util import make_vec_env
    from stable_baselines3.common.vec_env import DummyVecEnv

    if has_monitor:
        envs = make_vec_env("CartPole-v1", setting.copies, seed=seed)
    else:
        envs = DummyVecEnv([functools.partial(gym.make, "CartPole-v1")] * setting.copies)
        envs.seed(seed)
    return (model_class or PPO)(
        "MlpPolicy",
        envs,
        learning_rate=(lambda left: left * setting.lr) if setting.is_annealed else setting.lr,
        clip_range=(lambda left: left * 0.2) if setting.is_annealed else 0.2,
        n_steps=setting.steps_per_copy,
        batch_size=setting.minibatch_size,
        n_epochs=setting.epochs,
        gamma=setting.gamma,
        gae_lambda=setting.gae_lambda,
        ent_coef=0.0,
        seed=seed,
        device="cpu",
    )


def train_sb3(num_steps: int, setting: Setting, *, has_monitor: bool = True) -> float:
    """Train with Stable-Baselines3 and return env steps per CPU second, after the first iteration."""
    model = sb3_model(setting, has_monitor=has_monitor)
    model.learn(setting.copies * setting.steps_per_copy)
    started = time.process_time()
    model.learn(num_steps)
    return float(model.num_timesteps / (time.process_time() - started))


def train_plain_torch(num_steps: int, setting: Setting) -> float:
    """Train with the plain script and return env steps per CPU second, after a first iteration."""
    from plain_torch_ppo import train

    train(setting.copies * setting.steps_per_copy, budget(setting))
    started = time.process_time()
    train(num_steps, budget(setting))
    return num_steps / (time.process_time() - started)


def budget(setting: Setting) -> Any:
    """Return a setting as the plain script's."""
    from plain_torch_ppo import Budget

    return Budget(
        setting.copies,
        setting.steps_per_copy,
        setting.epochs,
        setting.minibatch_size,
        setting.lr,
        setting.gamma,
        setting.gae_lambda,
        is_annealed=setting.is_annealed,
    )


def has(library: str) -> bool:
    """Tell whether a peer is installed."""
    return importlib.util.find_spec(library) is not None


def missing_peers() -> list[str]:
    """Return a sentence for each peer that is not measured: why not, and what to install."""
    names = {
        "torch": "torch, and so everything written in it",
        "stable_baselines3": "Stable-Baselines3",
        "mpe2": "simple_spread_v3 of mpe2",
    }
    installs = "`make bench-ppo` installs it; by hand: pip install "
    found = [
        f"{name} is not measured: it is not installed. {installs}{library.replace('_', '-')}"
        for library, name in names.items()
        if not has(library)
    ]
    if has("torch") and (reason := why_no_pufferlib()):
        found.append(
            f"PufferLib is not measured: {reason}. `make bench-ppo` installs it; by hand: pip install -r "
            "tests/benchmarks/requirements-peers.txt, then python tests/benchmarks/install_pufferlib.py"
        )
    return found


def why_no_pufferlib() -> str | None:
    """Return why PufferLib cannot be measured, if it cannot."""
    from pufferlib_peer import import_pufferlib

    try:
        import_pufferlib()
    except ImportError as error:
        return str(error)
    return None


def contenders(setting: Setting) -> dict[str, Contender]:
    """Return who is there, by name; the first one is what the others are compared with."""
    found: dict[str, Contender] = {}
    if has("stable_baselines3"):
        found["Stable-Baselines3"] = lambda steps: train_sb3(steps, setting)
        found["the same, without Monitor"] = lambda steps: train_sb3(steps, setting, has_monitor=False)
    if has("torch"):
        found["plain torch script"] = lambda steps: train_plain_torch(steps, setting)
    if has("torch") and why_no_pufferlib() is None:
        from pufferlib_peer import train_pufferlib

        found["PufferLib"] = lambda steps: train_pufferlib(steps, setting)
    found["ppo"] = lambda steps: train_ours(steps, **setting.ours())
    found["ppo, native vector env"] = lambda steps: train_ours(
        steps, vectorization_mode="vector_entry_point", **setting.ours()
    )
    if has("torch"):
        found["ppo, backend torch"] = lambda steps: train_ours(steps, backend="torch", **setting.ours())
    return found


def interleaved(
    runs: Mapping[str, Contender], rounds: int, num_steps: int | Mapping[str, int]
) -> dict[str, Any]:
    """Let everybody run in turn, several rounds; return rates [rounds] by name."""
    rates: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            rates[name].append(run(num_steps if isinstance(num_steps, int) else num_steps[name]))
    return {name: np.array(found) for name, found in rates.items()}
