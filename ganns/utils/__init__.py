"""Helpers that know nothing of GANs: signals, the console, atomic writes, background threads, checks."""
