"""Where a distribution was installed from, as recorded in `direct_url.json` (PEP 610)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

INDEX: Final = "index"
_EDITABLE: Final = "editable "


def source_text(direct_url: str | None) -> str:
    """Return a description of where a distribution was installed from.

    Args:
        direct_url: the text of its `direct_url.json`; None if it has none, so it came from an index.

    >>> source_text(None)
    'index'
    >>> source_text('{"url": "file:///src/acme", "dir_info": {"editable": true}}')
    'editable /src/acme'
    >>> source_text('{"url": "https://x.org/a", "vcs_info": {"vcs": "git", "commit_id": "c0ffee"}}')
    'git+https://x.org/a@c0ffee'
    """
    if direct_url is None:
        return INDEX
    try:
        found: dict[str, Any] = json.loads(direct_url)
        url = str(found["url"])
    except (ValueError, KeyError, TypeError):
        return "unknown: its direct_url.json cannot be read"
    if found.get("dir_info", {}).get("editable"):
        return f"{_EDITABLE}{unquote(urlsplit(url).path)}"
    if "vcs_info" in found:
        info = found["vcs_info"]
        return f"{info.get('vcs', 'vcs')}+{url}@{info.get('commit_id', '?')}"
    return url


def editable_folder(source: str) -> Path | None:
    """Return the folder of an editable install; None for other installs."""
    return Path(source.removeprefix(_EDITABLE)) if source.startswith(_EDITABLE) else None
