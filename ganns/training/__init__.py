"""The mathematics: from one version of the model to the next, without database and Hydra."""
