"""Observers of a run, in the coordinator's process: terminal, sample grids, TensorBoard."""
