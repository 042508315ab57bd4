"""The task framework: Celery's semantics on procrastinate and PostgreSQL. It knows nothing of GANs."""
