"""The mathematics: from one version of the model to the next. Pure: no database, no Hydra."""
