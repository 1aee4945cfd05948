"""`ph.tools`: helpers for plugins: to write error messages, and to import what a reference names."""

from __future__ import annotations

from phantom_core.errors import did_you_mean, listing
from phantom_core.importing import import_object

__all__ = ["did_you_mean", "import_object", "listing"]
