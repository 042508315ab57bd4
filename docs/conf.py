"""The documentation as a site: `make docs` builds it into build/docs/html, strictly and without a network.

The pages stay plain Markdown, as GitHub shows it. So they have no toctree: the sidebar follows the tables of index.md,
section by section. Only reference/api.md has directives for Sphinx.
"""

from __future__ import annotations

import re
from importlib.metadata import version as installed
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

project = "GANNs with friends"
author = copyright = "GANNs with friends contributors"
version = release = installed("ganns")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_copybutton"]
root_doc = "index"
html_theme = "furo"
html_title = f"{project} {release}"
html_show_sourcelink = False
highlight_language = "text"  # a block without a language is a command, with comments and placeholders
myst_heading_anchors = 4  # the same anchors of headings as on GitHub
copybutton_exclude = ".linenos, .gp, .go"  # without prompts and output

autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
# Check only references to modules on the page: no page has the others, for example those of other packages.
_shown = re.findall(
    r"auto\w+:: ((?:ganns|tasks)\.\w+)", (Path(__file__).parent / "reference/api.md").read_text("utf-8")
)
nitpick_ignore = [("py:class", "ganns.queue.canvas.R"), ("py:class", "ganns.queue.task.R")]  # type variables
nitpick_ignore_regex = [("py:.*", rf"(?!({'|'.join(sorted(set(_shown)))})\.).*")]


def _add_contributing(app: Sphinx, page: str, source: list[str]) -> None:
    """Show the repository's CONTRIBUTING.md as a page of the site, and change links to it."""
    if page == "contributing":
        source[0] = (Path(app.srcdir).parent / "CONTRIBUTING.md").read_text("utf-8").replace("](docs/", "](")
    source[0] = re.sub(r"\]\((\.\./)*CONTRIBUTING\.md", f"]({'../' * page.count('/')}contributing.md", source[0])


def _add_toctrees(app: Sphinx, page: str, source: list[str]) -> None:
    """Add the links in the tables of index.md to the sidebar, with a part for each section."""
    if page != root_doc:
        return
    for section in re.split(r"^## ", source[0], flags=re.MULTILINE)[1:]:
        links = re.findall(r"\]\(([\w/-]+)\.md\)", section)
        caption = section.partition("\n")[0].partition(":")[0]
        if links:
            pages = "\n".join(dict.fromkeys(links))
            source[0] += f"\n```{{toctree}}\n:hidden:\n:caption: {caption}\n\n{pages}\n```\n"


def _as_markdown(app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Double the backticks, because docstrings quote code as in Markdown; keep only a module's first paragraph."""
    if what == "module":
        lines[:] = lines[: lines.index("")]
    lines[:] = [re.sub(r"(?<![`\w])`([^`]+)`(?!`)", r"``\1``", line) for line in lines]


def setup(app: Sphinx) -> None:
    """Connect the functions above with Sphinx's events."""
    app.connect("source-read", _add_contributing)
    app.connect("source-read", _add_toctrees)
    app.connect("autodoc-process-docstring", _as_markdown, priority=400)
