"""Why a server does not let us in: what it or libpq says, in words that somebody can act on."""

from __future__ import annotations

import re

REASONS = (
    (
        r"invalid response to SSL negotiation|expected authentication request",
        "what answers there is no PostgreSQL",
        "compare the port with the line that you were given",
    ),
    (r"password authentication failed", "the password or the login is wrong", "copy the line again, whole"),
    (
        r"no password supplied",
        "the server asks for a password, and the address has none",
        "postgresql://user:PASSWORD@...",
    ),
    (
        r"no pg_hba\.conf entry",
        "the server does not let this machine, login or database in",
        "ask who runs the server: pg_hba.conf, or add ?sslmode=require",
    ),
    (r'database "[^"]*" does not exist', "there is no database of that name", "correct what follows the port"),
    (r'role "[^"]*" does not exist', "there is no such login", "correct what stands before the @"),
    (
        r"too many clients|connection slots|too many connections|max_client_conn",
        "the server has no connection left",
        "ask who runs the server for more max_connections, or a pooler",
    ),
    (
        r"server does not support SSL",
        "the server has no TLS, and the address asks for it",
        "?sslmode=prefer on a network you trust",
    ),
    (
        r"certificate|root\.crt|SSL",
        "TLS failed",
        "the host's name must be the certificate's; ?sslrootcert=system trusts what this machine trusts",
    ),
    (r"timeout expired|timed out", "it does not answer in time", "a firewall, another network, or a server that hangs"),
)
"""(What the server or libpq says, what it means, what to do.)"""


def explain_refusal(text: str) -> tuple[str, str] | None:
    """Return what it means and what to do; None if it is none of the usual reasons."""
    return next(((said, todo) for pattern, said, todo in REASONS if re.search(pattern, text)), None)
