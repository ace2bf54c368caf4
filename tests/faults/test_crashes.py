"""The process dies at a statement of a login, a logout, a new key, a revocation."""

from contextlib import contextmanager

import pytest
from django.db import connections

from sessionstore.core.keys import Keyring
from tests.faults.figures import note
from tests.faults.sites import WITH_TABLE, browser, key_of, user_of

each_store = pytest.mark.parametrize("site", WITH_TABLE, indirect=True)


class CrashError(BaseException):
    """Ends everything, as a kill -9 does: no handler of an Exception sees it."""


@contextmanager
def crash_at(database, number, *, after):
    """Die before or after the statement with this number; return whether that came to pass."""
    connection = connections[database]
    seen = []

    def wrapper(execute, sql, params, many, context):
        seen.append(sql)
        if len(seen) == number and not after:
            raise CrashError
        result = execute(sql, params, many, context)
        if len(seen) == number:
            raise CrashError
        return result

    crashed = []
    try:
        with connection.execute_wrapper(wrapper):
            yield crashed
    except CrashError:
        crashed.append(number)
    finally:
        connection.close()  # the server rolls back what was not committed


def keys_in_table(site, keys):
    """Return which of these keys open a row."""
    return [key for key in keys if key and site.store().exists(key)]


def every_crash(site, database, prepare, act):
    """Crash at each statement, before and after it; return the client and keys of each."""
    for after in (False, True):
        for number in range(1, 30):
            site.empty()
            client = prepare()
            old = key_of(client)
            minted = []
            with minting(site, minted), crash_at(database, number, after=after) as crashed:
                act(client)
            if not crashed:
                break
            yield client, old, [old, *minted]
        assert number > 1, "no statement was crashed at"


@contextmanager
def minting(site, minted):
    """Note each new key that is made, also when its browser never hears of it."""
    patch = pytest.MonkeyPatch()
    if site.is_ours:
        ring = Keyring
        mint = ring.mint

        def noted(self):
            key = mint(self)
            minted.append(key.text)
            return key

        patch.setattr(ring, "mint", noted)
    else:
        base = site.store
        make = base._get_new_session_key

        def noted(self):
            minted.append(make(self))
            return minted[-1]

        patch.setattr(base, "_get_new_session_key", noted)
    try:
        yield
    finally:
        patch.undo()


@each_store
@pytest.mark.parametrize("action", ["login", "cycle", "logout", "revoke"])
def test_no_crash_leaves_two_valid_keys_or_a_login_under_the_old_one(
    database, site, signed_in, action
):
    """At each statement of each action, before it and after it."""

    def anonymous():
        client = browser()
        client.get("/write/")
        return client

    def act(client):
        if action == "revoke":
            site.store().delete(key_of(client))
        else:
            client.get(f"/{action}/")

    crashes = wrong = 0
    prepare = anonymous if action == "login" else signed_in
    for _, old, keys in every_crash(site, database, prepare, act):
        crashes += 1
        valid = keys_in_table(site, keys)
        wrong += len(valid) > 1 or (action == "login" and user_of(old) is not None)
    note("crash", site, f"{database}, {action}", f"{wrong} wrong of {crashes} crashes")
    assert crashes
    if site.is_ours:
        assert wrong == 0
