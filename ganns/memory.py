"""How processes that move megabytes should take their memory."""

from __future__ import annotations

HUGE_PAGES = {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}
"""Environment of the processes that we start. Large blocks are given back to the system as soon as they are free, and
taking them again costs a page fault for every 4 kB; with this, glibc asks Linux for pages of 2 MB. Ignored elsewhere.
https://www.gnu.org/software/libc/manual/html_node/Memory-Allocation-Tunables.html"""
