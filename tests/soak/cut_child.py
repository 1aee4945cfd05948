"""`python cut_child.py MOMENT COUNT ARGUMENTS…`: the command `phantom`, killed at the COUNTth such moment."""

import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

from phantom_core import writing
from phantom_core.cli.main import main
from phantom_core.training import checkpoint, jsonl_logger


def kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def patched(moment: str, count: int) -> None:
    """Let the process kill itself in the middle of what it writes."""
    left = [count]

    def is_now() -> bool:
        left[0] -= 1
        return left[0] == 0

    if moment == "sync":  # a file of a checkpoint, or run.json, was written, under a temporary name
        original_sync = checkpoint.sync

        def sync(file: Any) -> None:
            original_sync(file)
            if is_now():
                kill()

        checkpoint.sync = sync
    elif moment == "rename":  # the old checkpoint or file is renamed, the new one is not
        original_rename = os.rename

        def rename(*args: Any, **kwargs: Any) -> None:
            original_rename(*args, **kwargs)
            if is_now():
                kill()

        os.rename = rename
    elif moment == "append":  # half a line is in the file
        original_append = writing.append

        def append(path: Path, content: bytes) -> None:
            if content and is_now():
                with path.open("ab") as file:
                    file.write(content[: len(content) // 2])
                kill()
            original_append(path, content)

        writing.append = append
        jsonl_logger.append = append
    elif moment == "rmtree":  # half of an old checkpoint is removed
        original_rmtree = checkpoint.shutil.rmtree

        def rmtree(path: Path, **kwargs: Any) -> None:
            if is_now():
                for file in list(path.iterdir())[:1]:
                    file.unlink()
                kill()
            original_rmtree(path, **kwargs)

        checkpoint.shutil.rmtree = rmtree
    elif moment == "start":  # COUNT hundredths of a second after the imports
        threading.Thread(target=lambda: (time.sleep(count / 100), kill()), daemon=True).start()


if __name__ == "__main__":
    patched(sys.argv[1], int(sys.argv[2]))
    main(sys.argv[3:])
