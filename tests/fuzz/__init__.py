"""Random input for everything that reads what others write: nothing but our own errors may come out."""
