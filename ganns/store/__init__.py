"""The training's tables: one file for each family of tables, with a function for each named query.

A function takes an open psycopg connection and leaves transactions to its caller: where a transaction begins and ends
is a decision of the protocol (see `ganns/coordinator/rounds.py`), not of a table.
"""
