"""Helpers that know nothing of GANs: signals, locks, the console, optional packages, checks."""
