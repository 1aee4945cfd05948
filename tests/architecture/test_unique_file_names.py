"""A file's name is enough to find it."""

from collections import defaultdict
from pathlib import Path

PLACES = ["phantom_core", "plugins", "tests", "docs"]
EXEMPT_NAMES = {"__init__.py", "conftest.py"}
EXEMPT_PLUGINS = {"phantom-compat"}  # its modules carry the predecessor's names


def test_every_python_file_has_a_name_of_its_own(repository: Path) -> None:
    paths_by_name = defaultdict(list)
    for place in PLACES:
        for path in sorted(repository.glob(f"{place}/**/*.py")):
            relative = path.relative_to(repository)
            if path.name not in EXEMPT_NAMES and EXEMPT_PLUGINS.isdisjoint(relative.parts):
                paths_by_name[path.name].append(str(relative))

    assert {name: paths for name, paths in paths_by_name.items() if len(paths) > 1} == {}


def test_tests_and_plugins_are_no_packages(repository: Path) -> None:
    """An `__init__.py` there would make `import tests` work from anywhere."""
    places = ["tests/**", "plugins", "plugins/*"]
    inits = [path for place in places for path in repository.glob(f"{place}/__init__.py")]
    assert inits == []
