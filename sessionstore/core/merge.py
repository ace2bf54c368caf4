"""Three-way merge of session data: what two concurrent requests did to the same session.

``base`` is what this request loaded, ``ours`` what it saves, ``theirs`` what is stored now. The
cost is linear in the size of the three; the depth is limited where sessions are saved.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

# A login writes these three together, so they move together: half of one login and half of another
# would be a user who never signed in.
AUTH_KEYS = ("_auth_user_id", "_auth_user_backend", "_auth_user_hash")
USER_KEY = AUTH_KEYS[0]
# What is nested deeper is refused at the save, so that every reader and every merge gets through.
MOST_LEVELS = 100

Path = tuple[str, ...]
# A key and the way to its dict. A path at each value would cost the depth for each of them.
_Trail = tuple["_Trail | None", str]
_missing: Any = object()


@dataclass(frozen=True, slots=True)
class Merged:
    """The merged data, and the paths that both sides changed differently (ours was taken)."""

    data: dict[str, Any]
    conflicts: tuple[Path, ...]


def merge(
    base: Mapping[str, Any],
    ours: Mapping[str, Any],
    theirs: Mapping[str, Any],
    *,
    keeps_login: bool = False,
    signs_in: bool = False,
) -> Merged:
    """Merge key by key, and inside dicts at any depth.

    Only one side changed a key: that side. Both made the same change: that. Both changed it
    differently: ours, and its path is in ``conflicts``. Deleted on one side and changed on the
    other: the change. Lists and scalars are whole values. The three keys of Django's login move
    as one. They are those that are stored with ``keeps_login``, and where the other side alone has
    changed whose they are, for a new hash signs nobody in. With ``signs_in`` they are ours, though
    the user may be whom the request has loaded.
    """
    conflicts: list[Path] = []
    data = _merge_dicts(_plain(base), _plain(ours), _plain(theirs), None, conflicts)
    login, ground = _login(theirs), {} if signs_in else base
    if not keeps_login and (_has_other_user(ground, ours) or not _has_other_user(ground, theirs)):
        login = _pick_whole(_login(ground), _login(ours), login, (None, USER_KEY), conflicts)
    if login is not _missing:
        data.update(login)
    return Merged(data, tuple(conflicts))


def is_same(one: Any, other: Any) -> bool:
    """Compare as the serializer would: 1, 1.0 and True are three different values."""
    if one is other:
        return True
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(is_same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(is_same, one, other))
    return bool(one == other)


def put_in_place(held: dict[str, Any], data: dict[str, Any]) -> None:
    """Make ``held`` equal to ``data``; the dicts and lists inside it that a view may hold stay.

    A view that has taken a cart out of the session goes on changing the session's cart. What
    stands in two places of ``held`` does not stay: the change of one place is none of the other.
    """
    if held is not data:
        _put_into(held, data, _shared_in(held))


def _put_into(held: Any, value: Any, shared: set[int]) -> bool:
    """Change ``held`` into ``value`` if its type can be changed; tell whether that was done."""
    if held is value:
        return True
    if id(held) in shared:
        return False
    if isinstance(held, dict) and isinstance(value, dict):
        kept = {
            key: held[key] if key in held and _put_into(held[key], new, shared) else new
            for key, new in value.items()
        }
        # In the order of the data: another one would look like a change.
        held.clear()
        held.update(kept)
        return True
    if isinstance(held, list) and isinstance(value, list):
        # Entry by entry, for a view may hold a line of the cart too.
        pairs = zip(held, value, strict=False)
        lines = [old if _put_into(old, new, shared) else new for old, new in pairs]
        held[:] = lines + value[len(lines) :]
        return True
    return False


def _shared_in(held: Any) -> set[int]:
    """Return the ids of the containers that stand in more than one place of ``held``."""
    seen, shared, left = set(), set(), [held]
    while left:
        one = left.pop()
        if id(one) in seen:
            shared.add(id(one))
            continue
        seen.add(id(one))
        inner = one.values() if isinstance(one, dict) else one
        left += [value for value in inner if isinstance(value, dict | list | tuple)]
    return shared


def _merge_dicts(
    base: Mapping[str, Any],
    ours: Mapping[str, Any],
    theirs: Mapping[str, Any],
    trail: "_Trail | None",
    conflicts: list[Path],
) -> dict[str, Any]:
    merged = {}
    for key in [*theirs, *(key for key in ours if key not in theirs)]:
        mine, its = ours.get(key, _missing), theirs.get(key, _missing)
        value = _pick(base.get(key, _missing), mine, its, (trail, key), conflicts)
        if value is not _missing:
            merged[key] = value
    return merged


def _pick(base: Any, ours: Any, theirs: Any, trail: "_Trail", conflicts: list[Path]) -> Any:
    if isinstance(ours, dict) and isinstance(theirs, dict):
        # Two requests that both bring the first entry of a dict have an empty one as their base.
        ground = {} if base is _missing else base
        if isinstance(ground, dict):
            # First: comparing whole dicts on each level would cost their size times their depth.
            return _merge_dicts(ground, ours, theirs, trail, conflicts)
    return _pick_whole(base, ours, theirs, trail, conflicts)


def _pick_whole(base: Any, ours: Any, theirs: Any, trail: "_Trail", conflicts: list[Path]) -> Any:
    if is_same(ours, base) or is_same(ours, theirs):
        return theirs
    if is_same(theirs, base):
        return ours
    if ours is _missing or theirs is _missing:
        return theirs if ours is _missing else ours
    conflicts.append(_path(trail))
    return ours


def _path(trail: "_Trail | None") -> Path:
    keys = []
    while trail is not None:
        trail, key = trail
        keys.append(str(key))
    return tuple(reversed(keys))


def _has_other_user(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return not is_same(one.get(USER_KEY), other.get(USER_KEY))


def _plain(data: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in data.items() if key not in AUTH_KEYS}


def _login(data: Mapping[str, Any]) -> Any:
    return {key: data[key] for key in AUTH_KEYS if key in data} or _missing
