"""How `ganns course slides` makes presentations of the files here (sphinx-revealjs). Change what you like."""

from typing import Any

extensions = ["myst_parser", "sphinx_revealjs"]
project = "GANNs with friends"
exclude_patterns = ["html", "pdf"]
highlight_language = "text"
suppress_warnings = ["toc.not_included"]  # each file is a presentation of its own
revealjs_style_theme = "white"
revealjs_html_theme = "revealjs-basic"
revealjs_css_files = ["slides.css"]
revealjs_static_path = ["style"]
revealjs_script_conf: dict[str, Any] = {
    "controls": True,
    "hash": True,
    "height": 720,
    "slideNumber": True,
    "width": 1280,
}
