"""Where runs are, and the checkpoints in them."""

import re
from pathlib import Path

RAY_RESULTS = Path("~/ray_results")
_TIME = re.compile(r"\d{4}-\d{2}-\d{2}_\d{2}-\d{2}-\d{2}")
_CHECKPOINT = re.compile(r"(?:checkpoint_|checkpoints/iteration-)(\d+)")


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
    numbers = sorted(checkpoints_of(folder))
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
    run = find_run(directory)
    number = get_checkpoints(run)[-1] if checkpoint is None else checkpoint
    found = checkpoints_of(run)
    if number not in found:
        raise FileNotFoundError(
            f"There is no checkpoint {number} in '{run}'. There are: {get_checkpoints(run)}."
        )
    return run, found[number]


def find_run(directory: str | Path) -> Path:
    """Return the directory of a run, which is given as for `construct_results_paths`.

    Raises:
        FileNotFoundError: if it does not exist.
    """
    given = Path(directory).expanduser()
    for folder in (given, RAY_RESULTS.expanduser() / given):
        if given.name == "LATEST" and folder.parent != Path() and folder.parent.is_dir():
            return find_most_recent_results_dir(folder.parent)
        if folder.is_dir():
            return folder
    raise FileNotFoundError(f"There is no directory '{directory}', nor one in '{RAY_RESULTS}'.")


def checkpoints_of(run: Path) -> dict[int, Path]:
    """Return the checkpoints of a run by number, whether RLlib or phantom_core wrote them."""
    found = {}
    for path in (*run.glob("checkpoint_*"), *run.glob("checkpoints/iteration-*")):
        match = _CHECKPOINT.fullmatch(path.relative_to(run).as_posix())
        if match:
            found[int(match[1])] = path
    return found


def _age(run: Path) -> tuple[str, float]:
    time = _TIME.search(run.name)
    return "" if time is None else time[0], run.stat().st_mtime
