"""The documentation as a site: `make docs` builds it into build/docs/html, strictly and without a network.

The pages stay plain Markdown that GitHub shows as it is. So there is no toctree to keep: the sidebar follows the
tables of index.md, section by section. What Sphinx needs beyond that is in reference/api.md alone.
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
myst_heading_anchors = 4  # the anchors of headings, as GitHub makes them
copybutton_exclude = ".linenos, .gp, .go"  # no prompts and no output

autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
# Only names of the modules on the page are looked for: others, of other packages too, have no place to lead to.
_shown = re.findall(
    r"auto\w+:: ((?:ganns|tasks)\.\w+)", (Path(__file__).parent / "reference/api.md").read_text("utf-8")
)
nitpick_ignore_regex = [("py:.*", rf"(?!({'|'.join(sorted(set(_shown)))})\.).*")]


def _add_contributing(app: Sphinx, page: str, source: list[str]) -> None:
    """Show the repository's CONTRIBUTING.md as a page of the site, and lead links there."""
    if page == "contributing":
        source[0] = (Path(app.srcdir).parent / "CONTRIBUTING.md").read_text("utf-8").replace("](docs/", "](")
    source[0] = re.sub(r"\]\((\.\./)*CONTRIBUTING\.md", f"]({'../' * page.count('/')}contributing.md", source[0])


def _add_toctrees(app: Sphinx, page: str, source: list[str]) -> None:
    """Give the sidebar what the tables of index.md link to, a part for each section."""
    if page != root_doc:
        return
    for section in re.split(r"^## ", source[0], flags=re.MULTILINE)[1:]:
        links = re.findall(r"\]\(([\w/-]+)\.md\)", section)
        caption = section.partition("\n")[0].partition(":")[0]
        if links:
            pages = "\n".join(dict.fromkeys(links))
            source[0] += f"\n```{{toctree}}\n:hidden:\n:caption: {caption}\n\n{pages}\n```\n"


def _as_markdown(app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Docstrings quote code as Markdown does, which needs a second backtick here; of a module, the first paragraph."""
    if what == "module":
        lines[:] = lines[: lines.index("")]
    lines[:] = [re.sub(r"(?<![`\w])`([^`]+)`(?!`)", r"``\1``", line) for line in lines]


def setup(app: Sphinx) -> None:
    """Connect the functions above with Sphinx's events."""
    app.connect("source-read", _add_contributing)
    app.connect("source-read", _add_toctrees)
    app.connect("autodoc-process-docstring", _as_markdown, priority=400)
