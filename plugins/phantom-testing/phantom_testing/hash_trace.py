"""Run as a process of its own by `hash_order`: plays episodes and writes their traces as JSON."""

from __future__ import annotations

import contextlib
import json
import sys
from pathlib import Path

import phantom_core as ph
from phantom_testing.global_random import GlobalRandom
from phantom_testing.play_episode import play_episode


def main() -> None:
    """Read what to play from the standard input; write the traces to the standard output."""
    request = json.load(sys.stdin)
    with contextlib.redirect_stdout(sys.stderr):  # an env may print
        env_class = ph.tools.load_reference(request["env"], setting="env", folder=Path.cwd())
        global_random = GlobalRandom()
        global_random.fix()
        env = env_class(**request["env_config"])
        episodes = [play_episode(env, s, request["max_steps"], global_random) for s in request["seeds"]]
    sys.stdout.write(json.dumps([episode.trace for episode in episodes]))


if __name__ == "__main__":
    main()
