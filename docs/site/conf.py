"""Settings of Sphinx: `make docs` builds the pages that `stage_site.py` put together."""

import sys
from importlib.metadata import version as version_of
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from markup import plain_docstring
from sphinx.domains.python import PyObject

project = "Phantom Core"
author = "The phantom_core contributors"
project_copyright = f"{author}. Apache-2.0"
version = release = version_of("phantom-rl-core")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
source_suffix = {".md": "markdown"}
myst_heading_anchors = 3
napoleon_use_ivar = True
napoleon_attr_annotations = False
default_role = "code"  # docstrings mark code as Markdown does
suppress_warnings = ["misc.highlighting_failure"]  # transcripts of a terminal are no programs

add_module_names = False
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_class_signature = "mixed"
autodoc_inherit_docstrings = True
python_maximum_signature_line_length = 88
python_use_unqualified_type_names = True
toc_object_entries = False

html_theme = "furo"
html_title = f"Phantom Core {version}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sphinx = False
html_copy_source = False
html_theme_options = {
    "navigation_with_keys": True,
    "light_css_variables": {"color-brand-primary": "#2456a6", "color-brand-content": "#2456a6"},
    "dark_css_variables": {"color-brand-primary": "#8ab4f8", "color-brand-content": "#8ab4f8"},
}
pygments_style = "friendly"
pygments_dark_style = "github-dark"


def readable_signature(
    _app: Any,
    _what: str,
    _name: str,
    _object: object,
    _options: object,
    signature: str | None,
    result: str | None,
) -> tuple[str | None, str | None]:
    """Write a default that is made anew as `...`, which Sphinx can read."""
    return (signature.replace("<factory>", "...") if signature else signature), result


def setup(app: Any) -> None:
    """Let docstrings be read as they were written."""
    for field in PyObject.doc_field_types:
        if field.name == "variable":
            field.label = "Attributes"
    app.connect("autodoc-process-docstring", plain_docstring, priority=400)  # before napoleon
    app.connect("autodoc-process-signature", readable_signature)
