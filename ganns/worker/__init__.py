"""The hardened worker: a supervisor, and its child process that runs tasks."""
