"""A page each. `register` puts it under its path."""
