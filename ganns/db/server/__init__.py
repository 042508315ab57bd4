"""The embedded PostgreSQL: a real server from a wheel, for classes that have none."""
