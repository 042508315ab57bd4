"""A worker and its supervisor, and what they survive."""
