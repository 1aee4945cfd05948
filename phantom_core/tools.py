"""`ph.tools`: the helpers with which error messages are written, for plugins that write their own."""

from __future__ import annotations

from phantom_core.errors import did_you_mean, listing

__all__ = ["did_you_mean", "listing"]
