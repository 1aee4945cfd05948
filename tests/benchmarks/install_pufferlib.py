"""Installs the trainer of PufferLib 3.0.0 for `bench_ppo.py`, in a folder of its own in the environment.

    .venv/bin/python tests/benchmarks/install_pufferlib.py    # needs torch, setuptools and a C++ compiler

As it is published, it cannot be installed here:

1. Its build downloads raylib and Box2D for its own envs in C. `NO_OCEAN=1` leaves these out, but then
   `setup.py` stumbles over `c_extension_paths`, a name that it gives only with them.
2. A program called `nvcc` anywhere on the path makes it build for CUDA, whatever torch is there.
3. It demands NumPy 1 and Gymnasium 0.29, although its trainer runs with those of today. So pip is told to
   leave its requirements alone (`requirements-peers.txt` has those that the trainer imports), and to keep
   it out of the environment's own packages, where pip would complain about it ever after.

Python imports `sitecustomize` before anything else; the one below mends the first two. Nothing of PufferLib
is changed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

FOLDER = Path(sys.prefix) / "pufferlib"

SITECUSTOMIZE = """
import builtins, shutil
builtins.c_extension_paths = []
which = shutil.which
shutil.which = lambda program, *args, **kwargs: None if program == "nvcc" else which(program, *args, **kwargs)
"""


def install() -> bool:
    """Build and install it; return whether that worked."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    options = ["--quiet", "--disable-pip-version-check", "--no-deps", "--no-build-isolation"]
    with tempfile.TemporaryDirectory() as place:
        Path(place, "sitecustomize.py").write_text(SITECUSTOMIZE)
        command = [
            *(sys.executable, "-m", "pip", "install"),
            *(*options, "--target", str(FOLDER), "pufferlib==3.0.0"),
        ]
        environment = {**os.environ, "NO_OCEAN": "1", "PYTHONPATH": place}
        return subprocess.run(command, env=environment, check=False).returncode == 0


if __name__ == "__main__":
    print(f"Building PufferLib's trainer into {FOLDER.name}/ of the environment (a minute) ...", flush=True)
    if not install():
        print("PufferLib could not be built, see above. Everybody else is measured without it.")
