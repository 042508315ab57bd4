"""A GAN: the data through both networks, and the effect of each loss."""

from __future__ import annotations

from matplotlib.figure import Figure

from docs.figures.drawing import GREEN, GREY, ORANGE, RED, Box, arrow, box, canvas


def figure() -> Figure:
    """Draw it."""
    drawn, axes = canvas(9.2, 3.1)
    noise = box(axes, 0.9, 2.2, "noise\n100 numbers", width=1.3, fill=GREY)
    generator = box(axes, 2.9, 2.2, "generator G", width=1.4, fill=GREEN)
    drawn_image = box(axes, 4.7, 2.2, "drawn image", width=1.3, fill=GREY)
    real_image = box(axes, 4.7, 0.7, "real image", width=1.3, fill=GREY)
    critic = box(axes, 6.5, 1.45, "discriminator D", width=1.5, fill=ORANGE)
    verdict = box(axes, 8.3, 1.45, "real?\none number", width=1.2, fill=GREY)
    for start, end in ((noise, generator), (generator, drawn_image), (drawn_image, critic), (real_image, critic)):
        arrow(axes, start, end)
    arrow(axes, critic, verdict)
    above, below = Box(verdict.x, 1.7, 0, 0), Box(verdict.x, 1.2, 0, 0)
    arrow(axes, above, Box(generator.x, 2.46, 0, 0), "G's loss changes only G: D should say yes", bend=0.33, color=RED)
    words = "D's loss changes only D:\nno to drawn, yes to real"
    arrow(axes, below, Box(critic.x, 1.2, 0, 0), words, bend=-0.7, color=RED)
    return drawn
