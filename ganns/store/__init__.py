"""The database as the training sees it: one file a family of tables, the only callers of the named queries.

Functions take an open psycopg connection and leave transactions to their caller: who opens a transaction is a
decision of the protocol (see `ganns/coordinator/rounds.py`), not of a table.
"""
