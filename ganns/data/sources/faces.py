"""Faces drawn by rule: a real learning task that needs no download.

Each face is a function of (seed, index): skin, hair, eyes, brows, nose, mouth, glasses, hat, clothes, light and
background vary independently, and the face's attributes describe exactly the drawn features. Coordinates
are fractions of the canvas, aligned like CelebA's: eyes at about 0.5 of the height, mouth at about 0.66.
"""

from __future__ import annotations

import colorsys
import functools
import random

from PIL import Image, ImageDraw, ImageFilter

WIDTH, HEIGHT = 89, 109
"""Half of CelebA's 178x218: a 64x64 crop needs no more, and drawing is four times as fast."""
SCALE = 2  # drawn larger and shrunk: smooth edges

Colour = tuple[int, int, int]
SKIN: list[Colour] = [(255, 224, 196), (244, 204, 170), (226, 178, 140), (198, 144, 104), (152, 102, 68), (104, 68, 46)]
HAIR: dict[str, Colour] = {
    "Black_Hair": (28, 24, 26),
    "Brown_Hair": (98, 60, 32),
    "Blond_Hair": (226, 188, 108),
    "Gray_Hair": (168, 168, 172),
}
IRIS: list[Colour] = [(86, 58, 34), (62, 104, 158), (72, 122, 82), (112, 112, 120)]


def draw_face(seed: int, index: int) -> tuple[Image.Image, dict[str, bool]]:
    """Draw face number `index` of `seed`.

    Returns:
        The RGB image, WIDTH x HEIGHT pixels, and CelebA's names of the attributes that it shows.
    """
    rng = random.Random(f"{seed}/{index}")  # a string seeds the same stream on every machine
    face = _Face(rng)
    image = _background(rng)
    draw = ImageDraw.Draw(image)
    face.draw(draw)
    shaded = _light(image, rng)
    return shaded.resize((WIDTH, HEIGHT), Image.Resampling.BOX), face.attributes


def _background(rng: random.Random) -> Image.Image:
    """A two-colour gradient with a few soft shapes."""
    hue = rng.random()
    top, bottom = (
        _hsv(hue + rng.uniform(-0.1, 0.1), rng.uniform(0.15, 0.6), rng.uniform(0.35, 0.95)) for _ in range(2)
    )
    small = Image.new("RGB", (12, 14), top)
    draw = ImageDraw.Draw(small)
    for row in range(14):
        draw.line((0, row, 12, row), fill=_mix(top, bottom, row / 13))
    for _ in range(rng.randint(0, 3)):
        x, y, r = rng.uniform(0, 12), rng.uniform(0, 14), rng.uniform(1, 4)
        draw.ellipse((x - r, y - r, x + r, y + r), fill=_hsv(hue + rng.uniform(-0.2, 0.2), 0.4, rng.uniform(0.3, 1)))
    return small.resize((WIDTH * SCALE, HEIGHT * SCALE), Image.Resampling.BICUBIC)


def _light(image: Image.Image, rng: random.Random) -> Image.Image:
    """Blur a little, and add light from one side."""
    side = rng.choice((-1, 1)) * rng.uniform(0.1, 0.5)
    dark = image.point([int(value * (1 - abs(side))) for value in range(256)] * 3)
    dark.paste(image, mask=_ramp(90 if side > 0 else -90))  # `Image.composite` would copy `dark` first
    return dark.filter(ImageFilter.GaussianBlur(0.7))


@functools.cache
def _ramp(angle: int) -> Image.Image:
    """The light's strength on the canvas: there are two of them for all faces."""
    ramp = Image.linear_gradient("L").rotate(angle).resize((WIDTH * SCALE, HEIGHT * SCALE))
    return ramp.point([min(255, 90 + value) for value in range(256)])


class _Face:
    """One face's features, chosen first and drawn from back to front."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        tone = rng.randrange(len(SKIN))
        self.skin = _vary(SKIN[tone], rng, 10)
        style = rng.choices(("short", "long", "curly", "bald", "hat"), (32, 34, 16, 8, 10))[0]
        colour = rng.choices(list(HAIR), (34, 32, 22, 12))[0]
        self.hair = _vary(HAIR[colour], rng, 12)
        self.style, self.bangs = style, style in ("short", "long") and rng.random() < 0.45
        self.glasses = rng.choices((None, "eye", "sun"), (76, 17, 7))[0]
        self.smile = rng.random() < 0.5
        self.open = self.smile and rng.random() < 0.5
        # Positions: the head's centre, half axes, and the tilt of features that come in pairs.
        self.x, self.y = 0.5 + rng.gauss(0, 0.015), 0.53 + rng.gauss(0, 0.012)
        self.w, self.h = rng.uniform(0.235, 0.285), rng.uniform(0.265, 0.305)
        self.tilt = rng.gauss(0, 0.012)
        self.shirt = _hsv(rng.random(), rng.uniform(0.2, 0.8), rng.uniform(0.25, 0.9))
        self.attributes = {
            colour: style not in ("bald", "hat"),
            "Bald": style == "bald",
            "Wearing_Hat": style == "hat",
            "Wavy_Hair": style == "curly",
            "Bangs": self.bangs,
            "Eyeglasses": self.glasses is not None,
            "Smiling": self.smile,
            "Mouth_Slightly_Open": self.open,
            "Pale_Skin": tone == 0,
        }

    def draw(self, draw: ImageDraw.ImageDraw) -> None:
        """Draw from back to front."""
        self._hair_behind(draw)
        self._body(draw)
        self._head(draw)
        self._eyes(draw)
        self._nose_and_mouth(draw)
        self._hair_before(draw)
        self._glasses(draw)

    # Each method below draws one thing; `_oval` and `_dot` translate fractions of the canvas to pixels.

    def _hair_behind(self, draw: ImageDraw.ImageDraw) -> None:
        if self.style == "long":
            length = self.rng.uniform(0.28, 0.45)
            self._oval(draw, 0, -0.04, self.w * 1.28, self.h * 1.12, self.hair)
            left, right = self.x - self.w * 1.25, self.x + self.w * 1.25
            draw.rectangle(_box(left, self.y, right, self.y + length), fill=self.hair)
        elif self.style == "curly":
            for _ in range(26):
                dx, dy = self.rng.uniform(-1.15, 1.15) * self.w, self.rng.uniform(-1.15, 0.25) * self.h
                radius = self.rng.uniform(0.05, 0.09)
                self._oval(draw, dx, dy, radius, radius * 0.82, _vary(self.hair, self.rng, 14))
        elif self.style in ("short", "hat"):
            self._oval(draw, 0, -0.045, self.w * 1.1, self.h * 1.02, self.hair)

    def _body(self, draw: ImageDraw.ImageDraw) -> None:
        neck = _mix(self.skin, (60, 30, 20), 0.25)
        draw.rectangle(_box(self.x - 0.1, self.y + 0.1, self.x + 0.1, 0.95), fill=neck)
        self._oval(draw, 0, 0.97 - self.y, 0.44, 0.14, self.shirt)
        self._oval(draw, 0, 0.85 - self.y, 0.1, 0.045, neck)

    def _head(self, draw: ImageDraw.ImageDraw) -> None:
        for side in (-1, 1):
            self._oval(draw, side * self.w * 0.99, 0.01, 0.035, 0.05, _mix(self.skin, (120, 50, 30), 0.2))
        self._oval(draw, 0, 0, self.w, self.h, _mix(self.skin, (90, 40, 25), 0.18))
        self._oval(draw, 0, -0.008, self.w * 0.95, self.h * 0.95, self.skin)
        for side in (-1, 1):
            self._oval(draw, side * self.w * 0.55, 0.075, 0.055, 0.035, _mix(self.skin, (230, 100, 90), 0.2))
        self._oval(draw, 0, -self.h * 0.5, self.w * 0.55, self.h * 0.22, _mix(self.skin, (255, 255, 255), 0.12))

    def _eyes(self, draw: ImageDraw.ImageDraw) -> None:
        iris, gaze = self.rng.choice(IRIS), self.rng.uniform(-0.012, 0.012)
        size, apart = self.rng.uniform(0.042, 0.054), self.w * self.rng.uniform(0.42, 0.48)
        raised = self.rng.uniform(-0.01, 0.01)
        for side in (-1, 1):
            dx, dy = side * apart, -0.035 + side * self.tilt
            self._oval(draw, dx, dy - 0.004, size * 1.12, size * 0.72, _mix(self.skin, (40, 20, 20), 0.45))
            self._oval(draw, dx, dy, size, size * 0.6, (246, 244, 240))
            self._oval(draw, dx + gaze, dy, size * 0.5, size * 0.5, iris)
            self._oval(draw, dx + gaze, dy, size * 0.24, size * 0.26, (16, 12, 14))
            self._oval(draw, dx + gaze - 0.008, dy - 0.008, 0.007, 0.006, (255, 255, 255))
            brow = _mix(self.hair, (50, 35, 28), 0.5)
            x, y = self.x + dx, self.y + dy - 0.072 + raised
            ends = [(x - size * 1.2, y + side * -0.008), (x, y - 0.014), (x + size * 1.2, y + side * 0.008)]
            draw.line([_dot(*end) for end in ends], fill=brow, width=int(3.4 * SCALE * WIDTH / 89), joint="curve")

    def _nose_and_mouth(self, draw: ImageDraw.ImageDraw) -> None:
        shadow = _mix(self.skin, (90, 40, 30), 0.35)
        length, width = self.rng.uniform(0.045, 0.065), self.rng.uniform(0.026, 0.038)
        self._oval(draw, 0, 0.025 + length, width, 0.016, shadow)
        self._oval(draw, 0, 0.015 + length, width * 0.8, 0.02, _mix(self.skin, (255, 240, 225), 0.18))
        lips = _mix(self.skin, (178, 42, 52), self.rng.uniform(0.4, 0.8))
        half, y = self.rng.uniform(0.075, 0.105), self.y + 0.158
        thick = int(self.rng.uniform(2.2, 3.4) * SCALE)
        if self.open:
            draw.chord(
                _box(self.x - half, y - 0.055, self.x + half, y + 0.048),
                10,
                170,
                fill=(92, 22, 28),
                outline=lips,
                width=thick,
            )
            draw.chord(
                _box(self.x - half * 0.8, y - 0.03, self.x + half * 0.8, y + 0.026), 10, 170, fill=(248, 246, 240)
            )
        elif self.smile:
            draw.arc(_box(self.x - half, y - 0.06, self.x + half, y + 0.032), 18, 162, fill=lips, width=thick)
        else:
            self._oval(draw, 0, y - self.y, half * 0.78, 0.016, lips)
            draw.line(
                [_dot(self.x - half * 0.78, y), _dot(self.x + half * 0.78, y)],
                fill=_mix(lips, (60, 10, 20), 0.5),
                width=SCALE,
            )

    def _hair_before(self, draw: ImageDraw.ImageDraw) -> None:
        top = self.y - self.h
        if self.style == "hat":
            hat = _hsv(self.rng.random(), 0.6, self.rng.uniform(0.3, 0.85))
            draw.pieslice(
                _box(self.x - self.w * 1.12, top - 0.12, self.x + self.w * 1.12, top + 0.3), 180, 360, fill=hat
            )
            draw.rectangle(
                _box(self.x - self.w * 1.35, top + 0.07, self.x + self.w * 1.35, top + 0.115),
                fill=_mix(hat, (0, 0, 0), 0.3),
            )
        elif self.style != "bald":
            depth = 0.17 if self.bangs else 0.105
            draw.chord(
                _box(self.x - self.w * 1.03, top - 0.035, self.x + self.w * 1.03, top + 2 * depth + 0.05),
                180,
                360,
                fill=self.hair,
            )
            shine = _mix(self.hair, (255, 255, 255), 0.22)
            draw.arc(
                _box(self.x - self.w * 0.7, top, self.x + self.w * 0.5, top + 0.2),
                205,
                290,
                fill=shine,
                width=2 * SCALE,
            )

    def _glasses(self, draw: ImageDraw.ImageDraw) -> None:
        if self.glasses is None:
            return
        frame = self.rng.choice([(25, 25, 28), (110, 30, 30), (60, 60, 110)])
        size, apart = 0.082, self.w * 0.45
        for side in (-1, 1):
            x, y = self.x + side * apart, self.y - 0.033 + side * self.tilt
            box = _box(x - size, y - size * 0.72, x + size, y + size * 0.72)
            draw.ellipse(box, fill=(30, 30, 40) if self.glasses == "sun" else None, outline=frame, width=2 * SCALE)
        bridge = [_dot(self.x - apart + size, self.y - 0.035), _dot(self.x + apart - size, self.y - 0.035)]
        draw.line(bridge, fill=frame, width=2 * SCALE)

    def _oval(self, draw: ImageDraw.ImageDraw, dx: float, dy: float, rx: float, ry: float, fill: Colour) -> None:
        """Draw an ellipse around the head's centre moved by (dx, dy)."""
        x, y = self.x + dx, self.y + dy
        draw.ellipse(_box(x - rx, y - ry, x + rx, y + ry), fill=fill)


def _dot(x: float, y: float) -> tuple[float, float]:
    """Fractions of the canvas to pixels."""
    return x * WIDTH * SCALE, y * HEIGHT * SCALE


def _box(left: float, top: float, right: float, bottom: float) -> tuple[float, float, float, float]:
    return *_dot(left, top), *_dot(right, bottom)


def _mix(one: Colour, other: Colour, share: float) -> Colour:
    """Return `one` moved towards `other` by `share`."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(one, other, strict=True))
    return red, green, blue


def _vary(colour: Colour, rng: random.Random, spread: int) -> Colour:
    red, green, blue = (min(255, max(0, value + rng.randint(-spread, spread))) for value in colour)
    return red, green, blue


def _hsv(hue: float, saturation: float, value: float) -> Colour:
    red, green, blue = colorsys.hsv_to_rgb(hue % 1.0, saturation, value)
    return round(255 * red), round(255 * green), round(255 * blue)
