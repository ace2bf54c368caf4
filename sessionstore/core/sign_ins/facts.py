"""How the user of a session has proved who they are: facts that the session's data keep.

They stand in a dict under one key, each under a name of its own, so that the merge of two requests
keeps what both have added; sealed with all data. Whose they are, and of which login, is a part of
them: what a view copies into another session counts nothing there.
"""

from collections.abc import Iterable, Mapping, MutableMapping
from dataclasses import dataclass
from datetime import datetime
from secrets import token_hex
from typing import Any, Final

from sessionstore.core.expiry import LAST_MS, to_datetime

from .methods import level_of

SIGN_INS_KEY: Final = "_session_sign_ins"
HIGHEST_LEVEL: Final = 9
_MOST: Final = 8
# A merge adds up; what holds more than this was not written here.
_MOST_READ: Final = 8 * _MOST
_LONGEST: Final = 64
_LONGEST_USER: Final = 255


@dataclass(frozen=True, slots=True)
class SignIn:
    """One proof of who the user is: how, when, and how much it proves.

    ``level`` is 1 for one factor, 2 for two, or one that is two, such as a passkey with a PIN; 0
    proves nothing: somebody else acts as the user, ``by`` whom. ``provider`` vouches for the user.
    """

    method: str
    at_ms: int
    level: int
    provider: str = ""
    by: str | None = None

    @property
    def at(self) -> datetime:
        """The moment, in UTC."""
        return to_datetime(self.at_ms)


def sign_ins_in(
    data: Mapping[str, Any], user_id: str | None, authenticated_at: int | None
) -> tuple[SignIn, ...]:
    """Return the facts that count for a user and a login, the oldest first. Never raises.

    Security: the row's own, sealed column says when the user has last proved who they are; without
    a fact of that very moment the facts are another login's.
    """
    held = data.get(SIGN_INS_KEY)
    if user_id is None or not isinstance(held, dict) or len(held) > _MOST_READ:
        return ()
    read = (_read(entry, user_id) for entry in held.values())
    facts = sorted((fact for fact in read if fact is not None), key=lambda fact: fact.at_ms)
    if any(fact.level > 0 and fact.at_ms == authenticated_at for fact in facts):
        return tuple(facts)
    return tuple(fact for fact in facts if fact.level == 0)


def add(
    data: MutableMapping[str, Any],
    user_id: str,
    fact: SignIn,
    *,
    known: Iterable[SignIn] = (),
) -> None:
    """Put a fact beside those that are ``known`` to count; the oldest of too many go.

    What does not count goes too: of other users, of other logins.
    """
    held, counted = data.get(SIGN_INS_KEY), {_written(user_id, one) for one in known}
    kept = {}
    if isinstance(held, dict):
        kept = {name: one for name, one in held.items() if _is_entry(one) and (*one,) in counted}
    newest = sorted(kept, key=lambda name: kept[name][1])[1 - _MOST :]
    # A dict of its own: a view may hold the old one, and the base of a merge too.
    data[SIGN_INS_KEY] = {name: kept[name] for name in newest} | {
        token_hex(4): list(_written(user_id, fact))
    }


def fact_of(
    method: str,
    at_ms: int,
    *,
    level: int | None = None,
    provider: str = "",
    by: str | None = None,
    known: Iterable[SignIn] = (),
) -> SignIn:
    """Return a fact; without a ``level`` the one that the method has beside what is ``known``.

    Raises ValueError for a level that is none.
    """
    if level is None:
        level = level_of(method, [one.method for one in known if one.level > 0])
    elif isinstance(level, bool) or not isinstance(level, int) or not 1 <= level <= HIGHEST_LEVEL:
        message = (
            f"The level of a sign-in is a whole number from 1, for one factor, to "
            f"{HIGHEST_LEVEL}; it is {level!r}."
        )
        raise ValueError(message)
    by = None if by is None else str(by)[:_LONGEST_USER]
    return SignIn(str(method)[:_LONGEST], at_ms, level, str(provider)[:_LONGEST], by)


def _written(user_id: str, fact: SignIn) -> tuple[Any, ...]:
    return (user_id, fact.at_ms, fact.method, fact.level, fact.provider, fact.by)


def _read(entry: Any, user_id: str) -> SignIn | None:
    if not _is_entry(entry) or entry[0] != user_id:
        return None
    return SignIn(entry[2], entry[1], entry[3], entry[4], entry[5])


def _is_entry(entry: Any) -> bool:
    """Tell whether this is what ``_written`` makes, as any serializer gives it back."""
    if not isinstance(entry, list | tuple) or len(entry) != len(_TYPES):
        return False
    is_typed = all(type(value) in types for value, types in zip(entry, _TYPES, strict=True))
    return is_typed and 0 <= entry[3] <= HIGHEST_LEVEL and 0 <= entry[1] <= LAST_MS


_TYPES: Final = ((str,), (int,), (str,), (int,), (str,), (str, type(None)))
