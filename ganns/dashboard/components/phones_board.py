"""The projector's view of the phones' GAN."""

from __future__ import annotations

from ganns.dashboard.components import Component
from ganns.dashboard.phones.network import RECIPES


class PhonesBoard(Component, component="phones_board.js"):
    """The picture, the open round and the phones; it has a WebSocket of its own."""

    def __init__(self, csrf: str) -> None:
        """Show the board; with the token of an instructor's session also the buttons."""
        super().__init__(csrf=csrf, recipes=[{"key": key, "title": one.title} for key, one in RECIPES.items()])
