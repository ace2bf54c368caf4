"""Device Bound Session Credentials on the wire, as Chromium 156 speaks it; nothing else knows it.

https://www.w3.org/TR/dbsc/ is a draft: what of it changes is changed here. Where the two differ,
what ships counts: the proof comes bare, not as a structured field's string, and says no ``aud``.
"""

import base64
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any

# What the browser sends.
PROOF, SESSION_ID = "Secure-Session-Response", "Sec-Secure-Session-Id"
# What it is sent.
REGISTRATION, CHALLENGE = "Secure-Session-Registration", "Secure-Session-Challenge"

_ALGORITHM, _TYPE = "ES256", "dbsc+jwt"
# One with its key has about 450 characters. Security: nothing of a longer one is looked at.
_LONGEST_PROOF = 2048
_COORDINATE_BYTES, _SIGNATURE_BYTES = 32, 64
_UNCOMPRESSED = b"\x04"
_jwt = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)").fullmatch
_id = re.compile(r'"?(s[A-Za-z0-9_-]{1,63})"?').fullmatch
# Members of a header that ask for more than is done here (RFC 7515, 4.1.11; RFC 7797).
_REFUSED = {"crit", "b64"}


@dataclass(frozen=True, slots=True, repr=False)
class Proof:
    """A text that the browser has signed: for whose challenge, and with which key."""

    challenge: str
    public_key: bytes | None
    signed: bytes
    signature: bytes

    def is_signed_by(self, public_key: bytes) -> bool:
        """Tell whether a P-256 key, as 04 x y, has made the signature; False for no such key."""
        r = int.from_bytes(self.signature[:_COORDINATE_BYTES], "big")
        s = int.from_bytes(self.signature[_COORDINATE_BYTES:], "big")
        ec, hashes, encode_dss_signature, invalid = _library()
        try:
            key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), public_key)
            key.verify(encode_dss_signature(r, s), self.signed, ec.ECDSA(hashes.SHA256()))
        except (invalid, ValueError):
            return False
        return True


def is_available() -> bool:
    """Tell whether the library that checks signatures is installed."""
    return _library() is not None


@cache
def _library() -> Any:
    """Return what checks a signature, or None without the extra [binding] and [encryption].

    Optimization: imported for the first proof, which spares a site that binds nothing 28 modules.
    """
    try:
        from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 - as said
        from cryptography.hazmat.primitives import hashes  # noqa: PLC0415 - as said
        from cryptography.hazmat.primitives.asymmetric import ec, utils  # noqa: PLC0415 - as said
    except ImportError:
        return None
    return ec, hashes, utils.encode_dss_signature, InvalidSignature


def session_id(header: str | None) -> str | None:
    """Return the id that the browser asks a refresh for; None when it is none of ours."""
    found = _id((header or "").strip())
    return None if found is None else found[1]


def read_proof(header: str | None, *, registers: bool) -> Proof | None:
    """Return what a proof says, or None when it is not exactly what a browser sends.

    One that ``registers`` brings its key, one of a refresh must not: the row knows it. Nothing is
    verified yet.
    """
    text = (header or "").strip()
    if len(text) > _LONGEST_PROOF:
        return None
    if len(text) > 1 and text[0] == text[-1] == '"':
        text = text[1:-1]
    parts = _jwt(text)
    if parts is None:
        return None
    try:
        head, payload = _object(parts[1]), _object(parts[2])
        signature = _bytes(parts[3])
        public_key = _point(head.get("jwk")) if registers else None
    except (ValueError, RecursionError):
        return None
    challenge = payload.get("jti")
    is_ours = head.get("alg") == _ALGORITHM and head.get("typ") == _TYPE
    asks_more = bool(_REFUSED.intersection(head)) or ("jwk" in head and not registers)
    if not is_ours or asks_more or not isinstance(challenge, str):
        return None
    if len(signature) != _SIGNATURE_BYTES:
        return None
    return Proof(challenge, public_key, text.rpartition(".")[0].encode(), signature)


def registration(path: str, challenge: str) -> str:
    """Return the header that asks a browser to make a key, and to send its proof to ``path``."""
    return f"({_ALGORITHM});path={_quoted(path)};challenge={_quoted(challenge)}"


def challenge(text: str, session_id: str) -> str:
    """Return the header that asks for a proof; for which session is no option."""
    return f"{_quoted(text)};id={_quoted(session_id)}"


def instructions(
    session_id: str, *, refresh_path: str, cookie: str, attributes: Iterable[str]
) -> dict[str, Any]:
    """Return what the browser is to keep up, and where it asks for it anew.

    ``attributes`` are all that the cookie is set with but its age: of a cookie that differs, or
    that has more, the browser thinks that it is not there, and refreshes at each request.
    """
    kept = {"type": "cookie", "name": cookie, "attributes": "; ".join(attributes)}
    return {
        "session_identifier": session_id,
        "refresh_url": refresh_path,
        "scope": {"include_site": False},
        "credentials": [kept],
    }


def end(session_id: str) -> dict[str, Any]:
    """Return what makes the browser forget its key for this session."""
    return {"session_identifier": session_id, "continue": False}


def _object(part: str) -> dict[str, Any]:
    """Return a JSON object. Raises ValueError for anything else."""
    found = json.loads(_bytes(part), object_pairs_hook=_members)
    if not isinstance(found, dict):
        message = "no object"
        raise ValueError(message)
    return found


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Security: of two members with one name another reader may take the other."""
    found = dict(pairs)
    if len(found) < len(pairs):
        message = "a doubled member"
        raise ValueError(message)
    return found


def _point(jwk: Any) -> bytes:
    """Return a public key on P-256 as 04 x y. Raises ValueError for any other.

    Whether the point is on the curve is seen when the signature is checked.
    """
    if not isinstance(jwk, dict) or (jwk.get("kty"), jwk.get("crv")) != ("EC", "P-256"):
        message = "no key on P-256"
        raise ValueError(message)
    if "d" in jwk:
        message = "a private key"
        raise ValueError(message)
    x, y = (_bytes(str(jwk.get(name))) for name in ("x", "y"))
    if len(x) != _COORDINATE_BYTES or len(y) != _COORDINATE_BYTES:
        message = "a coordinate of another length"
        raise ValueError(message)
    return _UNCOMPRESSED + x + y


def _bytes(text: str) -> bytes:
    """Return what base64url without padding spells; ValueError for a second spelling of it."""
    decoded = base64.b64decode(text + "=" * (-len(text) % 4), b"-_", validate=True)
    if base64.urlsafe_b64encode(decoded).rstrip(b"=").decode() != text:
        message = "no base64url"
        raise ValueError(message)
    return decoded


def _quoted(text: str) -> str:
    """Return a structured field's string (RFC 8941, 3.3.3)."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
