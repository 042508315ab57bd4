"""Watch a run from inside its process: terminal, sample grids, TensorBoard."""
