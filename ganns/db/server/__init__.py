"""The embedded PostgreSQL: find its programs, start it, serve it to other machines."""
