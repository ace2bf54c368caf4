"""How long a session lives on this computer, as the user chose at the login."""

from enum import Enum, auto
from typing import Any

from sessionstore.conf import conf
from sessionstore.core.expiry import Policy

IDLE_KEY = "_session_idle"
# A walk to the coffee machine; who leaves a public computer for longer has left it.
SHARED_IDLE_S = 15 * 60


class Lifetime(Enum):
    """The choices of the login form."""

    BROWSER = auto()  # until the browser closes
    KEPT = auto()  # up to the site's absolute end
    SHARED = auto()  # like BROWSER, and only while it is used


def policy_of(data: Any) -> Policy:
    """Answer the site's policy, with the shorter idle time that a session's data may ask for."""
    own = data.get(IDLE_KEY)
    return conf.policy.with_idle(int(own * 1000)) if own else conf.policy
