"""From Hydra overrides to a run or a sweep. Only this package and `cli` know Hydra."""
