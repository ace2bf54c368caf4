"""`python -m demo_site.https PORT CERTIFICATE`: one server of the shop, over HTTPS.

A browser ties a session to its device over HTTPS only, and `runserver` has no TLS. So this is the
server of `runserver` with TLS around it, and a certificate made on the spot.
"""

import base64
import hashlib
import os
import ssl
import sys
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path
from socketserver import BaseServer
from typing import Any

import django
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import NameOID
from django.contrib.staticfiles.handlers import StaticFilesHandler
from django.core.servers.basehttp import ThreadedWSGIServer, WSGIRequestHandler
from django.core.wsgi import get_wsgi_application

HOST = "127.0.0.1"
NAMES = ("localhost",)
VALID = timedelta(days=365)


def certificate(path: Path, *, names: tuple[str, ...] = NAMES) -> Path:
    """Return the file of a private key and its certificate; make it where it is missing or old."""
    if path.exists():
        known = x509.load_pem_x509_certificate(path.read_bytes())
        if known.not_valid_after_utc > datetime.now(UTC):
            return path
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "The Cookie Jar")])
    hosts = [x509.IPAddress(IPv4Address(HOST)), *map(x509.DNSName, names)]
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + VALID)
        .add_extension(x509.SubjectAlternativeName(hosts), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, SHA256())
    )
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return path


def public_key_hash(path: Path) -> str:
    """Return what Chromium's --ignore-certificate-errors-spki-list wants to be told."""
    key = x509.load_pem_x509_certificate(path.read_bytes()).public_key()
    return base64.b64encode(
        hashlib.sha256(
            key.public_bytes(
                serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
            )
        ).digest()
    ).decode()


class SecureServer(ThreadedWSGIServer):
    """Django's own development server, which answers in threads, with TLS around it."""

    def __init__(self, address: tuple[str, int], path: Path) -> None:
        self.tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self.tls.load_cert_chain(path)
        super().__init__(address, WSGIRequestHandler)

    def setup_environ(self) -> None:
        """Let requests know that they came over HTTPS."""
        super().setup_environ()
        self.base_environ["HTTPS"] = "on"

    def get_request(self) -> tuple[ssl.SSLSocket, Any]:
        """Accept a connection; the thread that reads from it shakes hands."""
        connection, address = super().get_request()
        tls = self.tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        return tls, address

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Pass over a connection that a browser has opened for later, or given up."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


def serve(port: int, path: Path) -> BaseServer:
    """Return the server, ready to run."""
    server = SecureServer((HOST, port), path)
    server.set_app(StaticFilesHandler(get_wsgi_application()))
    return server


def main() -> None:
    """Serve until the process is ended."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "demo_site.settings")
    django.setup()
    serve(int(sys.argv[1]), Path(sys.argv[2])).serve_forever()


if __name__ == "__main__":
    main()
