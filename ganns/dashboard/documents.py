"""The project's documentation as pages: `/docs/explain/one-round.md`. A checkout has it, a wheel does not.

Only files that were below `docs/` when the dashboard started are served, by their exact names.
"""

from __future__ import annotations

from pathlib import Path

import markdown2
from fastapi import HTTPException
from fastapi.responses import FileResponse
from nicegui import ui

from ganns.dashboard.context import Dashboard
from ganns.dashboard.frame import frame

FOLDER = Path(__file__).resolve().parents[2] / "docs"
LANDMARK = "explain/one-round.md"
PICTURES = {".png", ".jpg", ".svg", ".webp", ".gif"}


def find(folder: Path = FOLDER) -> dict[str, Path]:
    """Return {"explain/one-round.md": its file}: pages and pictures. A `docs` folder of another project gives {}."""
    if not (folder / LANDMARK).is_file():
        return {}
    found = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*")}
    return {
        name: path
        for name, path in found.items()
        if path.suffix in {".md", *PICTURES} and path.is_file() and path.resolve().is_relative_to(folder.resolve())
    }


DOCUMENTS = find()


def link_of(page: str) -> str:
    """Return the address of "docs/explain/one-round.md", relative to a page at the top; "" if it is not served."""
    return page if page.removeprefix("docs/") in DOCUMENTS else ""


def register(_: Dashboard) -> None:
    """Serve the pages and pictures."""

    @ui.page("/docs/{name:path}")
    async def document(name: str) -> FileResponse | None:
        path = DOCUMENTS.get(name)
        if path is None:
            raise HTTPException(404, "The documentation has no such page here.")
        if path.suffix in PICTURES:
            return FileResponse(path)
        content = path.read_text(encoding="utf-8")
        with frame(title_of(content), "/learn"), ui.element("article").classes("card document"):
            ui.html(as_html(content), sanitize=False)  # only our own files, in which HTML is escaped
        return None


def title_of(content: str) -> str:
    """Return the first heading of a page."""
    return next((line.lstrip("# ") for line in content.splitlines() if line.startswith("# ")), "Documentation")


def as_html(content: str) -> str:
    """Return a page's Markdown as HTML. Code and tables that are wider than a phone scroll, by keyboard too."""
    html = str(markdown2.markdown(content, safe_mode="escape", extras=["tables", "fenced-code-blocks", "header-ids"]))
    html = html.replace("<pre>", '<pre tabindex="0">')
    html = html.replace("<table>", '<div class="wide" tabindex="0" role="region" aria-label="Table"><table>')
    return html.replace("</table>", "</table></div>")
