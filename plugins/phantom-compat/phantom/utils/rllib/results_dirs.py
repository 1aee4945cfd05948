"""Where runs of RLlib are, and the checkpoints in them."""

import re
from pathlib import Path

RAY_RESULTS = Path("~/ray_results")
_TIME = re.compile(r"\d{4}-\d{2}-\d{2}_\d{2}-\d{2}-\d{2}")
_CHECKPOINT = re.compile(r"checkpoint_(\d+)")


def find_most_recent_results_dir(base_path: str | Path) -> Path:
    """Return the newest run in a directory: by the time in its name; without one, by that of its last change.

    Raises:
        FileNotFoundError: if there is none.
    """
    base = Path(base_path).expanduser()
    runs = [path for path in base.iterdir() if path.is_dir()] if base.is_dir() else []
    if not runs:
        raise FileNotFoundError(
            f"There is no run in '{base}'. Give the directory that results were saved in."
        )
    return max(runs, key=_age)


def get_checkpoints(results_dir: str | Path) -> list[int]:
    """Return the numbers of the checkpoints of a run, in order.

    Raises:
        FileNotFoundError: if there is none.
    """
    folder = Path(results_dir).expanduser()
    names = [path.name for path in folder.iterdir()] if folder.is_dir() else []
    numbers = sorted(int(match[1]) for name in names if (match := _CHECKPOINT.fullmatch(name)))
    if not numbers:
        raise FileNotFoundError(f"There is no checkpoint in '{folder}'. Give the directory of a run.")
    return numbers


def construct_results_paths(directory: str | Path, checkpoint: int | None = None) -> tuple[Path, Path]:
    """Return the directory of a run, and that of a checkpoint in it.

    Args:
        directory: the run; if its last element is `"LATEST"`, the newest one in its parent. A relative path
            is also looked for in `~/ray_results`.
        checkpoint: the number of the checkpoint; None: the newest one.

    Raises:
        FileNotFoundError: if the run or the checkpoint does not exist.
    """
    given = Path(directory).expanduser()
    for folder in (given, RAY_RESULTS.expanduser() / given):
        if given.name == "LATEST" and folder.parent != Path() and folder.parent.is_dir():
            run = find_most_recent_results_dir(folder.parent)
            break
        if folder.is_dir():
            run = folder
            break
    else:
        raise FileNotFoundError(f"There is no directory '{directory}', nor one in '{RAY_RESULTS}'.")
    number = get_checkpoints(run)[-1] if checkpoint is None else checkpoint
    path = run / f"checkpoint_{number:06d}"
    if not path.is_dir():
        raise FileNotFoundError(
            f"There is no checkpoint {number} in '{run}'. There are: {get_checkpoints(run)}."
        )
    return run, path


def _age(run: Path) -> tuple[str, float]:
    time = _TIME.search(run.name)
    return "" if time is None else time[0], run.stat().st_mtime
