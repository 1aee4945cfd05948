"""PufferLib's trainer as a contender of `bench_ppo.py`.

`install_pufferlib.py` installs it. Everybody's work is done with its own trainer, its own emulation of
Gymnasium envs and its own vector env in one process, with our networks. What cannot be switched off is its
way: each minibatch consists of whole rows of `steps_per_copy` steps, drawn without replacement, and has all
advantages computed again. What would only cost it time is off: its dashboard, checkpoints, and the wrapper
that gathers episode statistics.
"""

from __future__ import annotations

import contextlib
import signal
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import gymnasium as gym
from install_pufferlib import FOLDER

if TYPE_CHECKING:
    from ppo_contenders import Setting


@contextlib.contextmanager
def nothing_left_behind() -> Iterator[None]:
    """Undo what PufferLib does to the process that imports and runs it.

    It links a folder `resources` into the working directory, makes an error of every RuntimeWarning, lets
    Ctrl-C end the process without a word, sets how exactly torch multiplies, and warns of having no GPU.
    """
    import torch

    on_interrupt, precision = signal.getsignal(signal.SIGINT), torch.get_float32_matmul_precision()
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="CUDA is not available")
        yield
    signal.signal(signal.SIGINT, on_interrupt)
    torch.set_float32_matmul_precision(precision)


def import_pufferlib() -> Any:
    """Import PufferLib's trainer and return it.

    Raises:
        ImportError: if it is not installed, or something that it needs.
    """
    if str(FOLDER) not in sys.path:
        sys.path.append(str(FOLDER))
    with nothing_left_behind():
        sys.modules["gym"] = gym  # it asks for gym's spaces too, and gym does not know NumPy 2
        try:
            from pufferlib import pufferl
        finally:
            del sys.modules["gym"]
    return pufferl


def train_pufferlib(num_steps: int, setting: Setting) -> float:
    """Train with PufferLib and return env steps per CPU second, after a first iteration."""
    pufferl = import_pufferlib()

    class Quiet(pufferl.PuffeRL):  # type: ignore[misc]  # it has no types
        def print_dashboard(self, *args: Any, **kwargs: Any) -> None:
            """Leave the terminal alone."""

    with nothing_left_behind():
        envs = pufferl.pufferlib.vector.make(
            make_cartpole, backend=pufferl.pufferlib.vector.Serial, num_envs=setting.copies, seed=1
        )
        trainer = Quiet(config(setting), envs, actor_critic())
        trainer.evaluate()
        trainer.train()
        steps_before, started = trainer.global_step, time.process_time()
        while trainer.global_step - steps_before < num_steps:
            trainer.evaluate()
            trainer.train()
        seconds = time.process_time() - started
        trainer.utilization.stop()
        envs.close()
    return float((trainer.global_step - steps_before) / seconds)


def make_cartpole(buf: Any = None, seed: int = 0) -> Any:
    """Return a copy of the env as PufferLib wants it."""
    from pufferlib.emulation import GymnasiumPufferEnv

    return GymnasiumPufferEnv(env=gym.make("CartPole-v1"), buf=buf, seed=seed)


def actor_critic() -> Any:
    """Return the networks of the plain torch script, with PufferLib's methods."""
    from plain_torch_ppo import Agent

    class ActorCritic(Agent):
        def forward(self, observations: Any, state: Any = None) -> tuple[Any, Any]:
            return self.actor(observations), self.critic(observations)

        forward_eval = forward

    return ActorCritic(4, 2)


def config(setting: Setting) -> dict[str, Any]:
    """Return everybody's setting as PufferLib's."""
    its_way = {  # no part of PPO; here it draws all rows alike, and corrects nothing
        "prio_alpha": 0.0,
        "prio_beta0": 0.0,
        "vtrace_rho_clip": 1.0,
        "vtrace_c_clip": 1.0,
        "vf_clip_coef": 0.2,
    }
    never = {"total_timesteps": 10**9, "checkpoint_interval": 10**9, "data_dir": "."}
    optimizer = {"optimizer": "adam", "adam_beta1": 0.9, "adam_beta2": 0.999, "adam_eps": 1e-5}
    off = dict.fromkeys(("anneal_lr", "cpu_offload", "compile", "use_rnn"), False)
    return {
        **its_way,
        **never,
        **optimizer,
        **off,
        "env": "CartPole-v1",
        "device": "cpu",
        "precision": "float32",
        "seed": 1,
        "torch_deterministic": True,
        "batch_size": "auto",
        "bptt_horizon": setting.steps_per_copy,
        "minibatch_size": setting.minibatch_size,
        "max_minibatch_size": setting.minibatch_size,
        "update_epochs": setting.epochs,
        "learning_rate": setting.lr,
        "gamma": setting.gamma,
        "gae_lambda": setting.gae_lambda,
        "clip_coef": 0.2,
        "vf_coef": 0.5,
        "ent_coef": 0.0,
        "max_grad_norm": 0.5,
    }
