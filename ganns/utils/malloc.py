"""How the processes that we start take their memory: for glibc's malloc, ignored elsewhere.

https://www.gnu.org/software/libc/manual/html_node/Memory-Allocation-Tunables.html
"""

from __future__ import annotations

SERVER = {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}
"""Megabytes come and go with every blob. Pages of 2 MB instead of 4 kB make taking them again cheap."""

WORKER = {
    "GLIBC_TUNABLES": ":".join(
        (
            "glibc.malloc.hugetlb=1",
            # Activations and gradients are as large in every unit as in the one before, so what is free is kept:
            # giving it back to the system at once costs thousands of page faults for each tensor.
            "glibc.malloc.mmap_threshold=1073741824",
            "glibc.malloc.trim_threshold=4294967296",
            "glibc.malloc.arena_max=1",  # the only arena that can grow as one piece
        )
    )
}
"""Between units a worker keeps the memory that a unit needs."""
