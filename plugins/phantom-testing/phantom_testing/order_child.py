"""Run as a process of its own by `phantom plugins order`: says the order of a hook in a run."""

from __future__ import annotations

import contextlib
import json
import sys
from typing import Any

import phantom_core as ph


def main() -> None:
    """Read what to attach from the standard input; write who implements the hook to the standard output."""
    request = json.load(sys.stdin)
    with contextlib.redirect_stdout(sys.stderr):
        try:
            called = ph.tools.hook_order(request.pop("hook"), **request)
            answer: dict[str, Any] = {"order": [plugin._asdict() for plugin in called]}
        except ph.PhantomError as error:
            answer = {"error": str(error)}
    sys.stdout.write(f"\n{json.dumps(answer)}\n")


if __name__ == "__main__":
    main()
