"""The pages hang together: links lead somewhere, every page is reached, the site can be put together."""

import re
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = [
    *sorted(ROOT.glob("*.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted(ROOT.glob("plugins/*/README.md")),
]
FENCE = re.compile(r"^(`{3,}).*?^\1[ ]*$", re.DOTALL | re.MULTILINE)


def anchors(page: Path) -> set[str]:
    """Return the anchors of the headings of a page, as GitHub makes them."""
    prose = FENCE.sub("", page.read_text(encoding="utf-8"))
    titles = re.findall(r"^#+ (.*)$", prose, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_of_a_page_leads_somewhere(page: Path, stage_site: ModuleType) -> None:
    for link in stage_site.links(page.read_text(encoding="utf-8")):
        if "://" in link:
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        assert target.exists(), f"{link} leads nowhere"
        assert not anchor or anchor in anchors(target), f"{link}: there is no such heading"


@pytest.mark.parametrize(
    "index", sorted((ROOT / "docs").rglob("index.md")), ids=lambda index: index.parent.name
)
def test_an_index_names_every_page_of_its_folder(index: Path, stage_site: ModuleType) -> None:
    linked = set(stage_site.linked_files(index, index.read_text(encoding="utf-8")))
    pages = {page.resolve() for page in index.parent.glob("*.md")} - {index.resolve()}
    assert pages - linked == set()


def test_every_plugin_is_named_in_the_reference(stage_site: ModuleType) -> None:
    index = ROOT / "docs/reference/index.md"
    linked = set(stage_site.linked_files(index, index.read_text(encoding="utf-8")))
    assert set(ROOT.glob("plugins/*/README.md")) - linked == set()


def test_links_within_the_site_lead_to_pages_of_the_site(stage_site: ModuleType) -> None:
    pages = stage_site.staged_pages()
    for place, text in pages.items():
        for link in stage_site.links(text):
            name = link.partition("#")[0]
            if name and "://" not in link and not name.endswith(".svg"):
                target = (ROOT / place).parent / name
                assert str(Path(target).resolve().relative_to(ROOT)) in pages, f"{place}: {link}"


def test_a_link_out_of_the_docs_leads_to_a_page_with_the_file(stage_site: ModuleType) -> None:
    page = ROOT / "docs/explanation/x.md"
    text = "[a](../../Makefile) [b](../../tests/golden) `[c](../x.md)`\n```text\n[d](../../Makefile)\n```\n"
    assert stage_site.with_site_links(page, text) == (
        "[a](../files/Makefile.md) b `[c](../x.md)`\n```text\n[d](../../Makefile)\n```\n"
    )


def test_an_index_puts_its_pages_into_the_navigation_in_its_order(stage_site: ModuleType) -> None:
    index = ROOT / "docs/howto/index.md"
    text = "[b](write_a_resolver.md) [a](check_an_env.md) [c](../tutorial/first_env.md)"
    toctree = "```{toctree}\n:hidden:\n\nwrite_a_resolver.md\ncheck_an_env.md\n```"
    assert toctree in stage_site.navigation(index, text)


def test_no_paragraph_is_written_twice() -> None:
    places: dict[str, list[str]] = {}
    for page in set(PAGES) - {ROOT / "README.md"}:  # which begins as the first page does
        for paragraph in FENCE.sub("", page.read_text(encoding="utf-8")).split("\n\n"):
            if len(paragraph) > 150 and not paragraph.lstrip().startswith(("|", "<!--")):
                places.setdefault(" ".join(paragraph.split()), []).append(str(page.relative_to(ROOT)))
    assert {text[:60]: pages for text, pages in places.items() if len(pages) > 1} == {}
