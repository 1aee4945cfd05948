"""`raised_place`: where somebody else's code raised that the kit called."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import phantom_core as ph

_HERE: Final = str(Path(__file__).parent)


def raised_place(error: Exception) -> str:
    """Return `ph.tools.error_place` of an exception, without the frames of the kit that called the code."""
    whole = below = error.__traceback__
    while below is not None and below.tb_frame.f_code.co_filename.startswith(_HERE):
        below = below.tb_next
    try:
        return ph.tools.error_place(error.with_traceback(below))
    finally:
        error.__traceback__ = whole
