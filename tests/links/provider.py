"""An OpenID provider of the tests' own: HTTPS on loopback, real keys, real signatures."""

import base64
import json
import ssl
import threading
import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from sessionstore.outside.tokens import EVENT

CLIENT = "shop"
# What a CAS server says of a ticket.
TICKET_OF_ANN = b"""<cas:serviceResponse xmlns:cas="http://www.yale.edu/tp/cas">
<cas:authenticationSuccess><cas:user>ann</cas:user></cas:authenticationSuccess>
</cas:serviceResponse>"""
RSA_KEY = rsa.generate_private_key(65537, 2048)
EC_KEY = ec.generate_private_key(ec.SECP256R1())
OTHER_KEY = rsa.generate_private_key(65537, 2048)


def public_pem(key: Any) -> bytes:
    return key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def encoded(value: Any) -> str:
    """A part of a token, of whatever stands in it."""
    text = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(text).rstrip(b"=").decode()


class Provider:
    """What it answers for its keys, how often it was asked, and the tokens that it signs."""

    def __init__(self, port: int) -> None:
        self.origin = f"https://localhost:{port}"
        self.issuer = f"{self.origin}/realm"
        self.jwks_url = f"{self.origin}/keys"
        self.jwks = {
            "keys": [
                {**RSAAlgorithm.to_jwk(RSA_KEY.public_key(), as_dict=True), "kid": "rsa"},
                {**ECAlgorithm.to_jwk(EC_KEY.public_key(), as_dict=True), "kid": "ec"},
            ]
        }
        self.body: bytes | None = None
        self.status = 200
        self.asked = 0
        # What the next ID token says beside the rest, such as the nonce that a client asked for.
        self.said: dict[str, Any] = {}

    def claims(self, **changed: Any) -> dict[str, Any]:
        """Those of a logout token; None leaves one out."""
        now = int(time.time())
        given = {
            "iss": self.issuer,
            "aud": CLIENT,
            "iat": now,
            "exp": now + 120,
            "jti": base64.b32encode(time.time_ns().to_bytes(10, "big")).decode(),
            "events": {EVENT: {}},
            "sid": "s1",
            **changed,
        }
        return {name: value for name, value in given.items() if value is not None}

    def token(self, *, key: Any = RSA_KEY, alg: str = "RS256", header: Any = None, **changed: Any):
        headers = {"kid": "rsa", "typ": "logout+jwt", **(header or {})}
        return jwt.encode(self.claims(**changed), key, alg, headers=headers)

    def answer(self, path: str) -> Any:
        """What its other pages say: as much as clients ask for at a login."""
        return {
            "/realm/.well-known/openid-configuration": {
                "issuer": self.issuer,
                "authorization_endpoint": f"{self.issuer}/authorize",
                "token_endpoint": f"{self.issuer}/token",
                "userinfo_endpoint": f"{self.issuer}/userinfo",
                "jwks_uri": self.jwks_url,
            },
            "/realm/token": {
                "access_token": "opaque",
                "token_type": "Bearer",
                "id_token": self.token(
                    jti=None, events=None, sub="u1", header={"typ": "JWT"}, **self.said
                ),
            },
            "/realm/userinfo": {"sub": "u1", "email": "ann@example.com"},
        }[path]


@contextmanager
def serving(folder):
    """Yield a provider, and the file of the authority that its certificate is of."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    certificate = folder / "provider.pem"
    certificate.write_bytes(_certificate())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.provider = Provider(server.server_address[1])
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.provider, certificate
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        provider = self.server.provider
        if self.path.startswith("/cas/"):
            self._send(200, TICKET_OF_ANN)
            return
        if self.path.startswith("/realm/"):
            self._send(200, json.dumps(provider.answer(self.path)).encode())
            return
        provider.asked += 1
        body = provider.body if provider.body is not None else json.dumps(provider.jwks).encode()
        self._send(provider.status, body)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.do_GET()

    def _send(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Location", "http://localhost:9/keys")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


def _certificate() -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(EC_KEY.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(EC_KEY, hashes.SHA256())
    )
    private = EC_KEY.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return private + certificate.public_bytes(serialization.Encoding.PEM)
