"""`make_vector_env`: n copies of an env, in this process or in worker processes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, TypeAlias, get_args

from phantom_core.envs.step_result import MultiAgentEnv
from phantom_core.errors import ConfigError
from phantom_core.rollouts.measured_env import check_is_env
from phantom_core.rollouts.native_vector_env import make_native
from phantom_core.rollouts.vector_env import LocalVectorEnv, VectorEnv
from phantom_core.rollouts.worker_env import WorkerVectorEnv

VectorizationMode: TypeAlias = Literal["sync", "vector_entry_point"]
"""How copies of an env are made: as separate envs, or as one vector env that Gymnasium offers."""


def make_vector_env(
    make_env: Callable[[], MultiAgentEnv],
    copies: int,
    *,
    workers: int = 0,
    vectorization_mode: VectorizationMode = "sync",
    first: MultiAgentEnv | None = None,
) -> VectorEnv:
    """Return n copies of an env that a `Collector` can play.

    The experience depends on the policies and on the number of copies, not on the number of workers. If the
    class of the env has a class method `vectorized(envs)`, that makes the vector env of copies in this
    process.

    Args:
        make_env: makes one copy. For workers it must be importable: a class or function at the top
            level of a module, a `functools.partial` of one, or an object that can be pickled.
        copies: how many copies.
        workers: the number of worker processes that hold the copies; 0 for this process. Workers are
            worthwhile if a step takes well over 100 µs. They end with this process, however it ends.
        vectorization_mode: `"sync"`: n envs, whose episodes do not depend on n. `"vector_entry_point"`: the
            vector env that Gymnasium offers for some envs, such as CartPole, see `NativeVectorEnv`: much
            faster, but its copies share one stream of random draws, so n is part of what is played.
        first: an env that was made already, if there is one: the first copy, or a model for the
            workers' copies, which is then closed.

    Raises:
        ConfigError: if `copies` or `workers` is out of range, or a worker cannot import `make_env`.
        EnvError: if a worker cannot make its copies.
    """
    check_vectorization_mode(vectorization_mode)
    if copies < 1 or workers < 0:
        expected = "Expected at least one copy, and no negative number of workers."
        raise ConfigError(f"make_vector_env got copies={copies} and workers={workers}. {expected}")
    if not callable(make_env):
        raise ConfigError(
            f"make_vector_env got {make_env!r}. Expected what makes an env when called, such as its class; "
            "ph.Collector takes a list of envs."
        )
    if first is None:
        first = make_env()
    check_is_env(first)
    if vectorization_mode == "vector_entry_point":
        if workers:
            raise ConfigError(
                f"make_vector_env got workers={workers} and vectorization_mode='vector_entry_point', which "
                "needs none. Leave one of the two out."
            )
        envs = make_native(first, copies)
        first.close()
        return envs
    if not workers:
        return _vectorized([first, *(make_env() for _ in range(copies - 1))])
    return WorkerVectorEnv(make_env, copies, min(workers, copies), first)


def _vectorized(envs: Sequence[MultiAgentEnv]) -> VectorEnv:
    """Return the vector env that the class of these copies offers, or one that steps them one by one."""
    own = getattr(type(envs[0]), "vectorized", None)
    if own is None:
        return LocalVectorEnv(envs)
    found = own(envs)
    if not isinstance(found, VectorEnv) or found.num_copies != len(envs):
        raise ConfigError(
            f"{type(envs[0]).__name__}.vectorized() returned {found!r} for {len(envs)} envs. Expected a "
            "ph.VectorEnv of as many copies."
        )
    return found


def check_vectorization_mode(value: str) -> None:
    """Raise `ConfigError` if a value is not one of `VectorizationMode`."""
    if value not in get_args(VectorizationMode):
        raise ConfigError(f"vectorization_mode is {value!r}. Expected 'sync' or 'vector_entry_point'.")
