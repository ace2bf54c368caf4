"""The session's cookie as an answer sets it: where a browser keeps it, and with which flags."""

from dataclasses import dataclass
from http.cookies import Morsel
from typing import Any


@dataclass(frozen=True, slots=True)
class CookieOptions:
    """The attributes of a cookie but its end, as Django's ``set_cookie`` takes them.

    ``partitioned`` and ``priority`` are Chrome's, and Django knows neither: see ``extended``.
    """

    path: str | None
    domain: str | None
    samesite: Any
    secure: bool
    httponly: bool
    partitioned: bool = False
    priority: str | None = None

    @property
    def place(self) -> tuple[str, str, bool]:
        """What tells two cookies of one name apart: a browser holds one in each place."""
        return (self.domain or "").lstrip(".").lower(), self.path or "", self.partitioned

    def scope(self) -> dict[str, Any]:
        """Return what set_cookie and delete_cookie need alike."""
        return {"path": self.path, "domain": self.domain, "samesite": self.samesite}

    def flags(self) -> dict[str, Any]:
        """Return what set_cookie needs beside the scope."""
        return {"secure": self.secure, "httponly": self.httponly}


class ExtendedMorsel(Morsel[str]):
    """A cookie that can have the attributes Partitioned and Priority.

    Compat: Python knows the first from 3.14 on, and the second never.
    """

    _reserved = vars(Morsel)["_reserved"] | {"partitioned": "Partitioned", "priority": "Priority"}
    _flags = vars(Morsel)["_flags"] | {"partitioned"}

    def copy(self) -> "ExtendedMorsel":
        """Return another one with the same attributes; Python's own makes a plain Morsel."""
        return _extended(self)


def extended(morsel: Morsel[str], options: CookieOptions) -> Morsel[str]:
    """Return a cookie with what Django cannot set; itself where there is nothing of that."""
    if not options.partitioned and options.priority is None:
        return morsel
    made = _extended(morsel)
    made["partitioned"], made["priority"] = options.partitioned, options.priority or ""
    return made


def _extended(morsel: Morsel[str]) -> ExtendedMorsel:
    made = ExtendedMorsel()
    dict.update(made, morsel)
    vars(made).update(vars(morsel))
    return made
