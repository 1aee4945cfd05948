"""What `LocalExecutor` says to a script that uses it without a study."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def test_a_script_that_begins_without_a_guard_is_told_so(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "import phantom_experiments as px\n"
        "executor = px.LocalExecutor(2)\n"
        "try:\n"
        "    executor.start(abs)\n"
        "    print(list(executor.map([-1])))\n"
        "finally:\n"
        "    executor.close()\n"
    )
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.splitlines()[-1] == (
        f"phantom_core.errors.ConfigError: A worker process could not begin: it imports {script}, which starts "
        'the study again. Put what it runs under `if __name__ == "__main__":`, or use workers=1.'
    )
