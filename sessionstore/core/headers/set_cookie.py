"""The session's cookie as an answer sets it: where a browser keeps it, and with which flags."""

from dataclasses import dataclass
from http.cookies import Morsel
from typing import Any


@dataclass(frozen=True, slots=True)
class CookieOptions:
    """The attributes of a cookie but its end, as Django's ``set_cookie`` takes them.

    ``partitioned`` and ``priority`` are Chrome's, and Django knows neither: see ``extend``.
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

    # Security: error reporters record local variables by their repr.
    def __repr__(self) -> str:
        return f"<ExtendedMorsel {self.key}>"

    def copy(self) -> "ExtendedMorsel":
        """Return another one with the same attributes; Python's own makes a plain Morsel."""
        made = ExtendedMorsel()
        dict.update(made, self)
        vars(made).update(vars(self))
        return made


def extend(response: Any, name: str, options: CookieOptions) -> None:
    """Give a cookie of a response what Django cannot set, where there is anything of that.

    Security: no variable holds the cookie as Python made it, whose repr shows its value.
    """
    if not options.partitioned and options.priority is None:
        return
    made = ExtendedMorsel()
    dict.update(made, response.cookies[name])
    vars(made).update(vars(response.cookies[name]))
    made["partitioned"], made["priority"] = options.partitioned, options.priority or ""
    response.cookies[name] = made
