"""Whether an env depends on hash order: one episode in processes that hash strings differently."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import phantom_core as ph
from phantom_testing.episode_trace import QUIET, Difference, Trace, first_difference

CHILD: Final = "PHANTOM_DOCTOR_CHILD"
"""Set in the environment of the other processes, which start none of their own."""

MAX_STEPS: Final = 200
"""The most steps of an episode that they play."""

_HASH_SEEDS: Final = ("1", "2", "3")
_SECONDS: Final = 120


class NotChecked(Exception):  # noqa: N818  no error: a part of the answer
    """Why the processes could not be compared, as half a sentence."""


def find_hash_order(
    env_class: Callable[..., ph.MultiAgentEnv],
    env_config: Mapping[str, Any],
    seeds: Sequence[int],
    max_steps: int,
) -> tuple[int, Difference] | None:
    """Play the same episodes in several processes; return seed and place where they part.

    Raises:
        NotChecked: if the env cannot be made in another process.
    """
    reference = ph.tools.reference_to(env_class)
    if CHILD in os.environ:
        raise NotChecked("this process is one of the doctor's own")
    if reference is None:
        raise NotChecked("the env's class cannot be imported by name")
    try:
        request = json.dumps(
            {
                "env": reference,
                "env_config": env_config,
                "seeds": seeds,
                "max_steps": min(max_steps, MAX_STEPS),
            }
        )
    except TypeError:
        raise NotChecked("env_config holds more than plain values") from None
    first, *others = _traces(request)
    for traces in others:
        for seed, one, other in zip(seeds, first, traces, strict=True):
            difference = first_difference(one, other, QUIET)
            if difference is not None:
                return seed, difference
    return None


def _traces(request: str) -> list[list[Trace]]:
    """Return, of each process, a trace of each episode."""
    processes = [_start(hash_seed) for hash_seed in _HASH_SEEDS]
    try:
        answers = [process.communicate(request, timeout=_SECONDS) for process in processes]
    except subprocess.TimeoutExpired:
        raise NotChecked(f"another process took more than {_SECONDS} seconds") from None
    finally:
        for process in processes:
            process.kill()
            process.wait()
    for process, (_, errors) in zip(processes, answers, strict=True):
        if process.returncode:
            last = (errors.strip() or "no message").splitlines()[-1]
            raise NotChecked(f"another process failed: {last}")
    return [[[[tuple(e) for e in step] for step in trace] for trace in json.loads(out)] for out, _ in answers]


def _start(hash_seed: str) -> subprocess.Popen[str]:
    environment = {
        **os.environ,
        "PYTHONHASHSEED": hash_seed,
        "PYTHONPATH": os.pathsep.join(path or "." for path in sys.path),
        CHILD: "1",
    }
    return subprocess.Popen(  # this interpreter, and a module of ours
        [sys.executable, "-m", "phantom_testing.hash_trace"],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
