"""The parts of every page: a header with links, the theme, and a warning when the connection is lost."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from nicegui import ui
from nicegui.elements.mixins.text_element import TextElement

from ganns.dashboard.components import Header
from ganns.dashboard.plain import STYLES
from ganns.dashboard.security.instructor import page_session

LINKS = (("/", "Now"), ("/people", "People"), ("/runs", "Runs"), ("/learn", "Learn"))
INSTRUCTOR = ("/control", "Instructor")


def text(tag: str, content: str) -> TextElement:
    """Place an element with a text. The browser never takes it for HTML: names come from students."""
    return TextElement(tag=tag, text=content)


@contextmanager
def frame(title: str, here: str, *, live: str = "", foot: bool = True) -> Iterator[None]:
    """Build a page around the elements that are built inside this block.

    Args:
        title: of the page.
        here: the path in `LINKS` that is marked as the open page.
        foot: whether there is a line with a link to the login below.
        live: the topics that the page watches, as the query of `/live`: "run=7&people=7".
    """
    ui.page_title(f"{title} · GANNs with friends")
    ui.add_head_html(STYLES)
    session = page_session()
    for whole_page in ui.context.client.page_container:
        whole_page.props('role="none"')  # it holds the header, too: the content is `main` below
    text("a", "Skip to the content").props('href="#main"').classes("skip")
    with Header(live):
        with ui.element("a").props('href="/"').classes("brand"):
            text("span", "GANNs with friends")
        with ui.element("nav").props('aria-label="Pages"'):
            for path, name in (*LINKS, *([INSTRUCTOR] if session else [])):
                link = text("a", name).props(f'href="{path}"')
                if path == here:
                    link.props('aria-current="page"')
    with ui.element("main").props('id="main" tabindex="-1"'):
        yield
    if session is None and foot:
        with ui.element("footer").classes("foot"):
            text("a", "Log in as instructor").props('href="/login"')
