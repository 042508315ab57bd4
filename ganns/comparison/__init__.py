"""Compare runs by the quality of their samples."""
