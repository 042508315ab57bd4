"""The address to hand out: the one function that makes it, for a whole class or for one student.

`ganns join` takes it, and so does the variable GANNS_DATABASE_URL of every program that imports ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote, urlencode

from ganns.db import certificate as certificates
from ganns.db.encryption import system_roots

KEPT = ("sslmode", "sslrootcert", "sslsni", "channel_binding", "gssencmode", "target_session_attrs")
"""The parameters of an owner's address that other machines need, too."""


def join_url(
    login: str, password: str, *, host: str, port: int, database: str, certificate: bytes | None, more: str = ""
) -> str:
    """Return the address with which a machine joins: give it only to those who should.

    Args:
        login: the role that the database knows.
        password: its password.
        host: a name or an address, as other machines reach it.
        port: of the server.
        database: the database's name.
        certificate: of our own server, as DER: clients then encrypt, and connect to this server alone. None for a
            provider's server; clients then encrypt, too, unless `more` says "sslmode=disable".
        more: further parameters of libpq, with `&` between them.
    """
    host = f"[{host}]" if ":" in host else host
    place = f"{quote(login, safe='')}:{quote(password, safe='')}@{host}:{port}/{quote(database, safe='')}"
    # Without require_auth, a program that only pretends to be the server could ask for the password in plain text.
    parameters = ["require_auth=scram-sha-256", more, certificates.parameter(certificate) if certificate else ""]
    return f"postgresql://{place}?{'&'.join(one for one in parameters if one)}"


def for_others(parameters: Mapping[str, str]) -> tuple[bytes | None, str]:
    """Return what lets another machine reach the same server as safely: `certificate` and `more` of `join_url`.

    Files of this machine stay here: a certificate goes along whole, and each machine has its own list of authorities.

    Args:
        parameters: those of an open connection (`conn.info.get_parameters()`), wherever they came from.
    """
    roots = parameters.get("sslrootcert", "")
    if (der := certificates.stored(roots)) is not None:
        return der, ""
    kept = {name: parameters[name] for name in KEPT if parameters.get(name)}
    if roots == system_roots():
        del kept["sslrootcert"]
    return None, urlencode(kept)
