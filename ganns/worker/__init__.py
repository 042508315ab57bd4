"""The hardened worker: a supervisor, and the process below it that runs tasks."""
