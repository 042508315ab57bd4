"""`Rot2`: a random rotation, then two bits for each number.

Two bits are four values. Which four are best depends on how the numbers are distributed, and gradients have no fixed
distribution: a few numbers are large, and most are small. A random rotation mixes each block of 4,096 numbers, so that
each new number is a sum of all old ones with random signs: by the central limit theorem they are about normal, whatever
they were. For a normal distribution the best four values are known (Max 1960, Lloyd 1982). The receiver turns the block
back.

This is EDEN (Vargaftik et al., arXiv 2108.08842) with two bits; DRIVE (arXiv 2105.08339) is the same with one. From it
is the scale, too: |x|^2 / <x, q>, for q the rounded vector, makes the decoded vector right on average over the random
rotations. So the mean of many units, each with a rotation of its own, is closer than one of them: an error of 0.37 for
one is 0.13 for eight.

The rotation is x -> H(s x) / sqrt(W): random signs s, and the Hadamard matrix H of +1 and -1, which needs only
W log W additions (the fast Hadamard transform). It is its own inverse, but for a factor.

Every operation is on one or two numbers at a time, in an order that is fixed: the result is the same for any number of
threads, and on every machine. A sum by PyTorch is not: threads and processors add in different orders.

Shapes: N numbers, B blocks of W numbers, the last one filled up with zeros.
"""

from __future__ import annotations

import numpy as np
import torch

from ganns.training.quantization import CODES, SCALE, Layout, Tensors, in_blocks, num_blocks

LARGEST_WIDTH, SMALLEST_WIDTH = 4096, 16
LOW, HIGH, BETWEEN = 0.4528, 1.5104, 0.9816
"""Four values for the standard normal distribution: -HIGH, -LOW, LOW, HIGH; and the bound between LOW and HIGH."""
SLAB = 64
"""Blocks that are turned at once: a megabyte, which fits into a processor's cache."""


class Rot2:
    """2 bits: a block's numbers after its rotation, four in a byte, and a scale in fp32."""

    def layout(self, num: int) -> Layout:
        """Return dtype and shape of each encoded tensor."""
        width = block_width(num)
        blocks = num_blocks(num, width)
        return {CODES: (torch.uint8, (blocks * width // 4,)), SCALE: (torch.float32, (blocks,))}

    def encode(self, values: torch.Tensor, random: np.random.Philox) -> Tensors:
        """Encode float32 [N]."""
        blocks = in_blocks(values, block_width(len(values)))
        signs = draw_signs(random, blocks.numel()).view(blocks.shape)
        found = [_encode(blocks[at : at + SLAB] * signs[at : at + SLAB]) for at in range(0, len(blocks), SLAB)]
        codes, scales = zip(*found, strict=True)
        return {CODES: torch.cat(codes), SCALE: torch.cat(scales)}

    def decode(self, encoded: Tensors, num: int, random: np.random.Philox) -> torch.Tensor:
        """Return float32 [N]."""
        width = block_width(num)
        codes, scale = encoded[CODES].view(-1, width // 4), encoded[SCALE]
        signs = draw_signs(random, 4 * codes.numel()).view(-1, width)
        values = torch.empty(len(codes), width)
        for at in range(0, len(codes), SLAB):
            slab = slice(at, at + SLAB)
            rounded = torch.from_numpy(np.take(_FOURS, codes[slab].numpy(), axis=0)).view(-1, width)
            torch.mul(hadamard(rounded.mul_(scale[slab, None])), signs[slab], out=values[slab])
        return values.view(-1)[:num]


def _encode(turned: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Turn a few blocks, whose signs are changed already, and round them; return codes [B * W / 4] and scales [B]."""
    width = turned.shape[1]
    turned = hadamard(turned)
    squares = fixed_sum(turned.square())  # [B]
    magnitudes = turned.abs()
    is_high = magnitudes > (squares / width).sqrt()[:, None] * BETWEEN
    along = fixed_sum(magnitudes * torch.where(is_high, HIGH, LOW))  # <turned, rounded>
    scales = torch.where(along > 0, squares / along, squares) / width  # zero stays zero, and NaN stays NaN
    codes = (is_high.to(torch.uint8) | ((turned < 0).to(torch.uint8) << 1)).view(-1, 4)
    return codes[:, 0] | (codes[:, 1] << 2) | (codes[:, 2] << 4) | (codes[:, 3] << 6), scales


def block_width(num: int) -> int:
    """Return the width of the blocks of a tensor: a power of two, and no wider than a small tensor needs."""
    return max(SMALLEST_WIDTH, min(LARGEST_WIDTH, 1 << (num - 1).bit_length()))


def draw_signs(random: np.random.Philox, num: int) -> torch.Tensor:
    """Return random +1 and -1, float32 [num]."""
    words = random.random_raw(-(-num // 64)).astype("<u8", copy=False).view(np.uint8)
    return torch.from_numpy(1 - 2 * np.unpackbits(words, count=num, bitorder="little").astype(np.float32))


def hadamard(blocks: torch.Tensor) -> torch.Tensor:
    """Return each block times the Hadamard matrix, float32 [B, W] (not divided by sqrt(W)).

    The matrix of 4,096 is that of 64 along the rows, and then along the columns, of the block as a square: so the
    additions go over 64 neighbours at once, which is many times faster than over two.
    """
    num, width = blocks.shape
    columns = 1 << (width.bit_length() // 2)
    square = blocks.reshape(num, width // columns, columns)
    square = _along_columns(square).transpose(1, 2).contiguous()
    return _along_columns(square).transpose(1, 2).reshape(num, width)


def _along_columns(square: torch.Tensor) -> torch.Tensor:
    """Return [B, R, C] transformed along R, by the butterflies of the fast Hadamard transform."""
    num, rows, columns = square.shape
    buffers = torch.empty_like(square), torch.empty_like(square)
    half = 1
    while half < rows:
        shape = (num, rows // (2 * half), 2, half * columns)
        buffers = buffers[1], buffers[0]
        old, new = square.view(shape), buffers[0].view(shape)
        torch.add(old[:, :, 0], old[:, :, 1], out=new[:, :, 0])
        torch.sub(old[:, :, 0], old[:, :, 1], out=new[:, :, 1])
        square, half = buffers[0], 2 * half
    return square


def fixed_sum(values: torch.Tensor) -> torch.Tensor:
    """Return the sum over the last dimension, a power of two: halves are added until one number is left."""
    while values.shape[-1] > 1:
        first, second = values.chunk(2, dim=-1)
        values = first + second
    return values[..., 0]


_LEVELS = (LOW, HIGH, -LOW, -HIGH)
_FOURS = np.array([[_LEVELS[byte >> shift & 3] for shift in (0, 2, 4, 6)] for byte in range(256)], np.float32)
"""The four numbers of each byte."""
