"""Put together what Sphinx reads: the pages of `docs/`, the files that they link to, and the API by layer.

The pages stay as they are in a repository browser. Navigation is what the index pages link to. A link
that leaves `docs/` leads to a page with that file; one to a folder, to its index or nowhere.

    python docs/site/stage_site.py FOLDER
"""

import os
import re
import shutil
import sys
from pathlib import Path
from typing import Final

from api_pages import api_pages

ROOT: Final = Path(__file__).resolve().parents[2]
DOCS: Final = ROOT / "docs"
FENCE: Final = re.compile(r"(^(`{3,}).*?^\2[ ]*$)", re.DOTALL | re.MULTILINE)
LINK_OR_CODE: Final = re.compile(r"(?<!!)\[((?:[^][]|\[[^]]*\])*)\]\(([^()\s]+)\)|`[^`\n]*`")
LANGUAGES: Final = {".py": "python", ".toml": "toml", ".txt": "text", ".md": "markdown"}


def main() -> None:
    """Make the folder anew."""
    target = Path(sys.argv[1]).resolve()
    shutil.rmtree(target, ignore_errors=True)
    for place, text in staged_pages().items():
        path = target / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    shutil.copytree(DOCS / "images", target / "images")
    shutil.copytree(DOCS / "images", target / "files" / "docs" / "images")  # for the README


def staged_pages() -> dict[str, str]:
    """Return the text of every page by its place in the site."""
    pages: dict[str, str] = {}
    waiting = sorted(DOCS.rglob("*.md"))
    while waiting:
        path = waiting.pop()
        place = site_place(path)
        if place in pages:
            continue
        if path.suffix != ".md":
            pages[place] = _file_page(path)
            continue
        text = path.read_text(encoding="utf-8")
        waiting += [target for target in linked_files(path, text) if target.is_file()]
        pages[place] = with_site_links(path, text) + navigation(path, text)
    api = api_pages()
    pages |= {f"reference/api/{name}.md": text for name, text in api.items()}
    pages["reference/api.md"] += _toctree([f"api/{name}" for name in api])
    return {place: _orphan(place, text) for place, text in pages.items()}


def site_place(path: Path) -> str:
    """Return where the page of a file is in the site."""
    if path.is_relative_to(DOCS) and path.suffix == ".md":
        return path.relative_to(DOCS).as_posix()
    relative = path.relative_to(ROOT).as_posix()
    return f"files/{relative}" if path.suffix == ".md" else f"files/{relative}.md"


def links(text: str) -> list[str]:
    """Return what a page links to, in order; what is in code is no link."""
    return [target for _, target in LINK_OR_CODE.findall(FENCE.sub("", text)) if target]


def linked_files(page: Path, text: str) -> list[Path]:
    """Return the files and folders of the repository that a page links to, in order."""
    targets = [target.partition("#")[0] for target in links(text) if "://" not in target]
    return [(page.parent / target).resolve() for target in targets if target]


def with_site_links(page: Path, text: str) -> str:
    """Return a page with its links as they are in the site."""

    def changed(found: re.Match[str]) -> str:
        label, (name, mark, anchor) = found[1], (found[2] or "").partition("#")
        if not name or "://" in name:
            return found[0]
        target = (page.parent / name).resolve()
        if target.is_dir():
            target /= "index.md"
            if not target.is_file():
                return label
        start = Path(site_place(page)).parent
        return f"[{label}]({os.path.relpath(site_place(target), start)}{mark}{anchor})"

    parts = FENCE.split(text)  # prose, a block, its fence, prose, …
    parts[::3] = [LINK_OR_CODE.sub(changed, prose) for prose in parts[::3]]
    del parts[2::3]
    return "".join(parts)


def navigation(page: Path, text: str) -> str:
    """Return what puts the pages that an index links to into the navigation."""
    if page.name != "index.md" or not page.is_relative_to(DOCS):
        return ""
    start = Path(site_place(page)).parent
    targets = [target for target in linked_files(page, text) if target.suffix == ".md"]
    return _toctree(
        [os.path.relpath(site_place(target), start) for target in targets if _is_below(target, page)]
    )


def _is_below(target: Path, index: Path) -> bool:
    """Tell whether a page is next below an index: it is in no folder that has an index of its own."""
    if target.is_relative_to(ROOT / "plugins"):
        return True
    folders = {target.parent, target.parent.parent} if target.name == "index.md" else {target.parent}
    if not (target.parent / "index.md").is_file():
        folders.add(target.parent.parent)
    return index.parent in folders


def _toctree(entries: list[str]) -> str:
    listed = "\n".join(dict.fromkeys(entries))
    return f"\n\n```{{toctree}}\n:hidden:\n\n{listed}\n```\n"


def _file_page(path: Path) -> str:
    text = path.read_text(encoding="utf-8")
    return (
        f"# {path.relative_to(ROOT)}\n\n`````{LANGUAGES.get(path.suffix, 'text')}\n{text.rstrip()}\n`````\n"
    )


def _orphan(place: str, text: str) -> str:
    is_reached = not place.startswith("files/") or (
        place.startswith("files/plugins/") and place.endswith("README.md")
    )
    return text if is_reached else f"---\norphan: true\n---\n\n{text}"


if __name__ == "__main__":
    main()
