"""What every page has: a header with the ways to go, the theme, and a line when something is wrong."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from nicegui import ui
from nicegui.elements.mixins.text_element import TextElement

from ganns.dashboard.components import Live, Theme, Trouble
from ganns.dashboard.plain import STYLES
from ganns.dashboard.security.instructor import page_session

WAYS = (("/", "Now"), ("/people", "People"), ("/runs", "Runs"), ("/learn", "Learn"))
INSTRUCTOR = ("/control", "Instructor")


def text(tag: str, content: str) -> TextElement:
    """Place an element with a text. Whatever the text is, the browser shows it as text: names come from students."""
    return TextElement(tag=tag, text=content)


@contextmanager
def frame(title: str, here: str, *, live: str = "") -> Iterator[None]:
    """Build a page around what is built inside this block.

    Args:
        title: of the page.
        here: which of `WAYS` is marked as the one that is open.
        live: what the page watches, as the query of `/live`: "run=7&people=7".
    """
    ui.page_title(f"{title} · GANNs with friends")
    ui.add_head_html(STYLES)
    session = page_session()
    for whole_page in ui.context.client.page_container:
        whole_page.props('role="none"')  # it holds the header, too: the content is `main` below
    text("a", "Skip to the content").props('href="#main"').classes("skip")
    with ui.element("header").classes("top"):
        with ui.element("a").props('href="/"').classes("brand"):
            text("span", "GANNs with friends")
        with ui.element("nav").props('aria-label="Pages"'):
            for path, name in (*WAYS, *([INSTRUCTOR] if session else [])):
                link = text("a", name).props(f'href="{path}"')
                if path == here:
                    link.props('aria-current="page"')
        Theme()
    Trouble()
    with ui.element("main").props('id="main" tabindex="-1"'):
        yield
    if session is None:
        with ui.element("footer").classes("foot"):
            text("a", "Log in as instructor").props('href="/login"')
    if live:
        Live(live)
