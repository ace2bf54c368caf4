"""A browser with a key of its device, as Chromium's answers are told; and what forges proofs.

It keeps cookies by their age, registers when it is asked to, refreshes before a request that lacks
the bound cookie, and forgets a binding as Chromium 156 does.
"""

import base64
import json
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from django.http import HttpResponse
from django.test import Client

from tests.harness.clock import Clock
from tests.web.conftest import PASSWORD

REGISTER, REFRESH = "/account/device/register/", "/account/device/refresh/"
# Tries of a refresh that is refused, and of one whose connection is dropped.
_MOST_CHALLENGES, _MOST_DROPS = 5, 3


def base64url(content: bytes) -> str:
    """Return base64url without padding."""
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def dumped(members: Any) -> str:
    """Return a part of a JWT; text is taken as it is."""
    text = members if isinstance(members, str) else json.dumps(members, separators=(",", ":"))
    return base64url(text.encode())


class DeviceKey:
    """A key on P-256, and the proofs that it signs."""

    def __init__(self) -> None:
        self.private = ec.generate_private_key(ec.SECP256R1())

    @property
    def jwk(self) -> dict[str, str]:
        """The public key as a browser sends it."""
        numbers = self.private.public_key().public_numbers()
        x, y = (base64url(part.to_bytes(32, "big")) for part in (numbers.x, numbers.y))
        return {"crv": "P-256", "kty": "EC", "x": x, "y": y}

    @property
    def point(self) -> bytes:
        """The public key as the row has it."""
        numbers = self.private.public_key().public_numbers()
        return b"\x04" + numbers.x.to_bytes(32, "big") + numbers.y.to_bytes(32, "big")

    def signature(self, signed: str) -> bytes:
        """Sign, as raw r and s."""
        der = self.private.sign(signed.encode(), ec.ECDSA(hashes.SHA256()))
        r, s = decode_dss_signature(der)
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")

    def proof(self, challenge: str, *, registers: bool, **changed: Any) -> str:
        """Return a proof; ``head`` and ``payload`` are added, ``signature`` taken in its place."""
        head: Any = {"alg": "ES256", "typ": "dbsc+jwt"}
        if registers:
            head["jwk"] = self.jwk
        extra = changed.get("head", {})
        head = extra if isinstance(extra, str) else {**head, **extra}
        payload = changed.get("payload", {"jti": challenge})
        signed = f"{dumped(head)}.{dumped(payload)}"
        signature = changed.get("signature") or self.signature(signed)
        return f"{signed}.{base64url(signature)}"


@dataclass
class Bound:
    """What the browser keeps of a binding."""

    key: DeviceKey
    name: str
    path: str
    cookie: str
    challenge: str | None = None


def parameter(header: str, name: str) -> str:
    """Return a quoted parameter of a header, or of its first value where the name is empty."""
    return header.partition(f'{name}="' if name else '"')[2].partition('"')[0]


class Browser:
    """Opens pages over HTTPS. ``can_bind`` is False for one without the feature."""

    def __init__(self, clock: Clock | None = None, *, can_bind: bool = True) -> None:
        self.client = Client(raise_request_exception=False)
        self.can_bind = can_bind
        self.bindings: list[Bound] = []
        self.ends: list[str] = []
        self.log: list[tuple[str, int]] = []
        self._clock = clock
        self._dies: dict[str, float] = {}
        # Called with each request of the binding's own: an answer in place of the site's, or None.
        self.fault: Any = None

    # --- pages

    def open(self, path: str, method: str = "get", **options: Any) -> HttpResponse:
        """Open a page; a refresh goes first where the bound cookie is not there."""
        is_link = options.pop("link", False)
        if not is_link:
            self.refresh_if_due()
        headers = {"Sec-Fetch-Dest": "document", "Sec-Fetch-Site": "same-origin"}
        headers["Sec-Fetch-Site"] = "cross-site" if is_link else "same-origin"
        response = self._send(method, path, options.pop("data", None), headers)
        self._obey(response)
        if response.headers.get("Refresh") == "0":
            return self.open(path)
        return response

    def sign_in(self, user: Any) -> HttpResponse:
        """Sign in on our page."""
        fields = {"username": user.get_username(), "password": PASSWORD}
        return self.open("/account/login/", "post", data=fields)

    def reads(self) -> str:
        """Who the site says that this is."""
        return self.open("/plain/").content.decode()

    def is_in(self) -> bool:
        """Tell whether the site knows the user."""
        return self.reads() != ""

    def restart(self, *, keeps_cookies: bool = True) -> None:
        """End the browser and start it again; what has no age is gone then."""
        if not keeps_cookies:
            for name in [one for one in self.client.cookies if one not in self._dies]:
                del self.client.cookies[name]

    def copied(self, *names: str) -> "Browser":
        """Return a thief's browser with these cookies; all of them without a name."""
        thief = Browser(self._clock)
        for name, cookie in self.client.cookies.items():
            if not names or name in names:
                thief.client.cookies[name] = cookie.value
                thief._dies[name] = self._dies.get(name, float("inf"))
        return thief

    def value(self, name: str) -> str:
        """Return what a cookie holds, or nothing."""
        self._drop_old()
        cookie = self.client.cookies.get(name)
        return cookie.value if cookie else ""

    # --- the binding

    def register(self, header: str, key: DeviceKey | None = None) -> HttpResponse | None:
        """Do what a registration header asks for; a dropped connection is tried once more."""
        key = key or DeviceKey()
        proof = key.proof(parameter(header, "challenge"), registers=True)
        path = parameter(header, "path")
        response = self._own("register", path, {"Secure-Session-Response": proof})
        if response is None:
            response = self._own("register", path, {"Secure-Session-Response": proof})
        if response is None or response.status_code != 200:
            return response
        told = response.json()
        cookie = told["credentials"][0]["name"]
        bound = Bound(key, told["session_identifier"], told["refresh_url"], cookie)
        self.bindings = [one for one in self.bindings if one.name != bound.name] + [bound]
        self._note_challenge(response)
        return response

    def refresh_if_due(self) -> None:
        """Refresh each binding whose cookie is not there."""
        self._drop_old()
        for bound in list(self.bindings):
            if bound.cookie not in self.client.cookies:
                self.refresh(bound)

    def refresh(self, bound: Bound) -> HttpResponse | None:
        """Refresh one binding, by the table of what Chromium does with each answer."""
        drops = asked = 0
        headers = {"Sec-Secure-Session-Id": bound.name}
        challenge, bound.challenge = bound.challenge, None
        while True:
            if challenge is not None:
                proof = bound.key.proof(challenge, registers=False)
                headers["Secure-Session-Response"] = proof
            response = self._own("refresh", bound.path, headers)
            if response is None:
                drops += 1
                if drops == _MOST_DROPS:
                    return None
                continue
            status = response.status_code
            if status == 403:
                told = response.headers.get("Secure-Session-Challenge", "")
                asked += 1
                if asked == _MOST_CHALLENGES or parameter(told, "id") != bound.name:
                    return self._forget(bound, "too many challenges", response)
                challenge = parameter(told, "")
                continue
            if status >= 500 or status == 407:
                return response
            if not 200 <= status < 300:
                return self._forget(bound, f"status {status}", response)
            return self._take(bound, response)

    def _take(self, bound: Bound, response: HttpResponse) -> HttpResponse:
        self._note_challenge(response)
        if not response.content:
            return response
        try:
            told = json.loads(response.content)
            same = told["session_identifier"] == bound.name
        except (ValueError, KeyError):
            return self._forget(bound, "bad JSON", response)
        if told.get("continue") is False:
            return self._forget(bound, "continue false", response)
        return response if same else self._forget(bound, "another id", response)

    def _forget(self, bound: Bound, why: str, response: HttpResponse) -> HttpResponse:
        self.bindings.remove(bound)
        self.ends.append(why)
        return response

    def _obey(self, response: HttpResponse) -> None:
        self._note_challenge(response)
        if "Clear-Site-Data" in response.headers:
            self.client.cookies.clear()
            self.bindings.clear()
        header = response.headers.get("Secure-Session-Registration")
        if header and self.can_bind:
            self.register(header)

    def _note_challenge(self, response: HttpResponse) -> None:
        header = response.headers.get("Secure-Session-Challenge")
        for bound in self.bindings:
            if header and parameter(header, "id") == bound.name:
                bound.challenge = parameter(header, "")

    # --- requests and cookies

    def _own(self, what: str, path: str, headers: dict[str, str]) -> HttpResponse | None:
        """Send a request of the binding's own; None for a connection that was dropped."""

        def send() -> HttpResponse:
            return self._send("post", path, None, {"Sec-Fetch-Mode": "no-cors", **headers})

        response = self.fault(what, send) if self.fault else send()
        self.log.append((what, 0 if response is None else response.status_code))
        return response

    def _send(self, method: str, path: str, data: Any, headers: dict[str, str]) -> HttpResponse:
        self._drop_old()
        response = getattr(self.client, method)(path, data, secure=True, headers=headers)
        for name, cookie in response.cookies.items():
            if cookie["max-age"] == "":
                self._dies.pop(name, None)
            elif cookie["max-age"] == 0:
                self.client.cookies.pop(name, None)
            elif self._clock:
                self._dies[name] = self._clock.now.timestamp() + cookie["max-age"]
        return response

    def _drop_old(self) -> None:
        now = self._clock.now.timestamp() if self._clock else 0
        for name in [name for name, end in self._dies.items() if end <= now]:
            del self._dies[name]
            self.client.cookies.pop(name, None)
