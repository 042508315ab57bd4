"""Benchmarks: each is run with `python -m benchmarks.<name>` and prints one JSON object as its last line."""
