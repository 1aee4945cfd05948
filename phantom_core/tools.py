"""`ph.tools`: helpers for tools built on the core, such as commands, recorders and adapters."""

from __future__ import annotations

from phantom_core.adapters.playthrough import Playthrough
from phantom_core.envs.env import EnvRecorder
from phantom_core.errors import did_you_mean, error_place, error_text, listing
from phantom_core.importing import import_object
from phantom_core.installed.entry_status import EntryStatus, plugin_statuses
from phantom_core.text_columns import aligned
from phantom_core.training.checkpoint import load_checkpoint, save_checkpoint
from phantom_core.training.hook_order import hook_order
from phantom_core.training.references import load_reference, reference_to
from phantom_core.training.run_file import parse_assignment
from phantom_core.training.saved_run import SavedRun, evaluate_run
from phantom_core.world.agents import ALL
from phantom_core.world.network import MessageRecorder

__all__ = [
    "ALL",
    "EntryStatus",
    "EnvRecorder",
    "MessageRecorder",
    "Playthrough",
    "SavedRun",
    "aligned",
    "did_you_mean",
    "error_place",
    "error_text",
    "evaluate_run",
    "hook_order",
    "import_object",
    "listing",
    "load_checkpoint",
    "load_reference",
    "parse_assignment",
    "plugin_statuses",
    "reference_to",
    "save_checkpoint",
]
