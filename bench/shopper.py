"""The session that everybody stores: 380 bytes of a shopper who is logged in."""

import json
from typing import Any

BYTES = 380
PADDING = "pLx6MEOLeMa61EqJomTEI1JEzO3joOj37HyVaQXekW9LctXb03rEMU64yTY6BzUZKC97i4xgciFnq9RBXO2tAG"


def data(number: int = 0) -> dict[str, Any]:
    """Return the session; another number is another content of the same size."""
    session = {
        "_auth_user_id": "1",
        "_auth_user_backend": "django.contrib.auth.backends.ModelBackend",
        "_auth_user_hash": "1668dae3b9196c648a13643900e1d26f80aa0a33c580b1551a2b65b2e6222d9d",
        "cart": cart(number),
        "currency": "KRW",
        "recent": [48213, 99172, 30571],
        "campaign": "",
    }
    short = BYTES - len(json.dumps(session, separators=(",", ":")))
    session["campaign"] = PADDING[:short]
    return session


def cart(number: int) -> dict[str, Any]:
    """Return the part that a request changes."""
    return {"lines": {"48213": 1, "99172": 2}, "coupon": f"AUTUMN-{number % 10**6:06d}"}


if len(json.dumps(data(), separators=(",", ":"))) != BYTES:
    raise RuntimeError("the shopper's session has another size than the page says")
