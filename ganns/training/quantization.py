"""Numbers in 8 or 4 bits, in blocks that have a scale each.

The numbers of a block are divided by a step and rounded to whole ones. The step follows from the block's largest
magnitude, so one large number costs precision only in its own block. The scale of a block is sent in fp16, relative to
the tensor's largest magnitude (in fp32): gradients are often below fp16's range.

`Int8` rounds to the nearest: the error is a 300th of a block's largest number, and a bias of that size does not matter.
With 16 numbers in all it would. So `Int4` rounds up or down at random, up with the probability of the fraction: the
mean over many units is right (Alistarh et al., "QSGD", arXiv 1610.02132). `Int4Nearest` is for a sender that keeps what
the rounding took, and sends it with the next numbers (`chain`): a bias cannot grow there, and its error is smaller.

Every operation is on one number at a time, or takes a maximum: the result is the same for any number of threads, and on
every machine.

Shapes: N numbers, B blocks of W numbers, the last one filled up with zeros.
"""

from __future__ import annotations

import numpy as np
import torch

Tensors = dict[str, torch.Tensor]
Layout = dict[str, tuple[torch.dtype, tuple[int, ...]]]
CODES, SCALE, BASE = ".codes", ".scale", ".base"


def num_blocks(num: int, width: int) -> int:
    """Return the number of blocks for `num` numbers."""
    return -(-num // width)


def in_blocks(values: torch.Tensor, width: int) -> torch.Tensor:
    """Return [B, W] from [N], with zeros at the end."""
    missing = num_blocks(len(values), width) * width - len(values)
    return torch.nn.functional.pad(values, (0, missing)).view(-1, width)


class _Blocks:
    """The parts of both codecs that are alike: the scales."""

    width: int  # W
    largest: float  # of the numbers that a code can be, in steps

    def _scales(self, blocks: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return (scale of each block, float16 [B]; largest magnitude of all, float32 [])."""
        peaks = blocks.abs().amax(1)
        base = peaks.amax().clamp_min(torch.finfo(torch.float32).tiny)
        return (peaks / base).half(), base

    def _steps(self, scale: torch.Tensor, base: torch.Tensor) -> torch.Tensor:
        """Return the step between two numbers in each block, float32 [B, 1]."""
        return (scale.float() * base / self.largest)[:, None]

    def _in_steps(self, blocks: torch.Tensor, steps: torch.Tensor) -> torch.Tensor:
        return blocks * torch.where(steps > 0, 1 / steps, 0.0)  # NaN stays NaN


class Int8(_Blocks):
    """8 bits: whole numbers from -127 to 127, in blocks of 256."""

    width, largest = 256, 127

    def layout(self, num: int) -> Layout:
        """Return dtype and shape of each encoded tensor."""
        blocks = num_blocks(num, self.width)
        return {CODES: (torch.uint8, (num,)), SCALE: (torch.float16, (blocks,)), BASE: (torch.float32, ())}

    def encode(self, values: torch.Tensor, random: np.random.Philox) -> Tensors:
        """Encode float32 [N]."""
        blocks = in_blocks(values, self.width)
        scale, base = self._scales(blocks)
        whole = self._in_steps(blocks, self._steps(scale, base)).round_().clamp_(-self.largest, self.largest)
        codes = whole.to(torch.int8).view(torch.uint8).view(-1)[: len(values)]
        return {CODES: codes, SCALE: scale, BASE: base}

    def decode(self, encoded: Tensors, num: int, random: np.random.Philox) -> torch.Tensor:
        """Return float32 [N]."""
        whole = in_blocks(encoded[CODES].view(torch.int8).float(), self.width)
        return (whole * self._steps(encoded[SCALE], encoded[BASE])).view(-1)[:num]


class Int4(_Blocks):
    """4 bits: the 16 numbers -7.5, -6.5, ... 7.5, rounded at random, in blocks of 64; two of them in a byte."""

    width, largest = 64, 7.5

    def layout(self, num: int) -> Layout:
        """Return dtype and shape of each encoded tensor."""
        blocks = num_blocks(num, self.width)
        size = blocks * self.width // 2
        return {CODES: (torch.uint8, (size,)), SCALE: (torch.float16, (blocks,)), BASE: (torch.float32, ())}

    def encode(self, values: torch.Tensor, random: np.random.Philox) -> Tensors:
        """Encode float32 [N]."""
        blocks = in_blocks(values, self.width)
        scale, base = self._scales(blocks)
        fractions = self._fractions(blocks, random)
        whole = (self._in_steps(blocks, self._steps(scale, base)) + self.largest + fractions).floor_()
        codes = whole.clamp_(0, 15).to(torch.uint8).view(-1, 2)
        return {CODES: codes[:, 0] | (codes[:, 1] << 4), SCALE: scale, BASE: base}

    def _fractions(self, blocks: torch.Tensor, random: np.random.Philox) -> torch.Tensor:
        """Return what is added to each number in steps before it is rounded down, in [0, 1)."""
        bits = random.random_raw(-(-blocks.numel() // 4)).astype("<u8", copy=False).view("<u2")[: blocks.numel()]
        return torch.from_numpy(bits.astype(np.float32)).view(blocks.shape) / 65536

    def decode(self, encoded: Tensors, num: int, random: np.random.Philox) -> torch.Tensor:
        """Return float32 [N]."""
        whole = torch.from_numpy(np.take(_PAIRS, encoded[CODES].numpy(), axis=0)).view(-1, self.width)
        return (whole * self._steps(encoded[SCALE], encoded[BASE])).view(-1)[:num]


class Int4Nearest(Int4):
    """The same 16 numbers, rounded to the nearest."""

    def _fractions(self, blocks: torch.Tensor, random: np.random.Philox) -> torch.Tensor:
        return torch.tensor(0.5)


_PAIRS = np.array([(byte & 15, byte >> 4) for byte in range(256)], np.float32) - np.float32(7.5)
"""The two numbers of each byte."""
