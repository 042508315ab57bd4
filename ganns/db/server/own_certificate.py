"""The certificate of the embedded server: made once, kept with its key in the server's folder.

Nobody else signs it. A line for `ganns join` carries it whole, so a client knows exactly whom it should reach, and what
the server's machine is called, or which address it has today, does not matter.
"""

from __future__ import annotations

import os
import ssl
from datetime import datetime
from pathlib import Path

from ganns.utils.atomic import replacing

FILE = "ganns_tls.pem"
"""In the server's folder: the private key, then the certificate. With another file, lines given out before fail."""
VALID = (datetime(2000, 1, 1), datetime(9999, 12, 31, 23, 59, 59))
"""For always (RFC 5280, 4.1.2.5): it is replaced by deleting the file, and a laptop's clock may be years off."""
_BEGIN = "-----BEGIN CERTIFICATE-----"


def own_certificate(data_dir: Path) -> bytes:
    """Return the certificate of the server in `data_dir`, as DER; make it at the first call."""
    path = data_dir / FILE
    if not path.exists():
        with replacing(path) as part:
            os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
            part.write_bytes(_new())
    text = path.read_text("ascii")
    return ssl.PEM_cert_to_DER_cert(text[text.index(_BEGIN) :])


def _new() -> bytes:
    """Return a new key and its certificate, as PEM: the curve P-256, which every client with TLS 1.2 knows."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "ganns")])
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), *VALID)
        .sign(key, hashes.SHA256())
        .public_bytes(Encoding.PEM)
    )
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) + certificate
