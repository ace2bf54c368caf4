"""Payloads around each limit: stored exactly, or refused before anything is sent."""

import base64
import random

import pytest

from sessionstore.exceptions import SessionTooLarge
from tests.faults.conftest import another_alias
from tests.faults.figures import note, share
from tests.faults.sites import BOTH, OURS, browser

both_sites = pytest.mark.parametrize("site", BOTH, indirect=True)
KIB = 1024
# Where compression begins, the types of MySQL's columns end, and the limit of the settings.
SIZES = [255, KIB, 64 * KIB, 256 * KIB, 1024 * KIB]
LIMIT = 1024 * KIB


def payload(size: int, *, dense: bool) -> str:
    """Return text so long that the serialised session has `size` bytes."""
    length = size - len('{"a":""}')
    if not dense:
        return "x" * length
    noise = random.Random(size).randbytes(length)  # noqa: S311 - only has to be incompressible
    return base64.b85encode(noise).decode()[:length].replace('"', "-").replace("\\", "-")


@both_sites
def test_sizes_round_trip_exactly_or_are_refused(database, site):
    """Nothing is ever cut."""
    round_trips(site, f"{database}, strict")


@both_sites
@pytest.mark.only_on("mariadb", "mysql")
def test_sizes_round_trip_also_without_strict_mode(database, site, settings):
    """There MySQL would cut what is too long, and say nothing (D15)."""
    mode = {"init_command": "SET SESSION sql_mode=''"}
    with another_alias(database, f"lax_{database}", OPTIONS=mode) as alias:
        settings.SESSIONSTORE_DATABASE = alias
        round_trips(site, f"{database}, not strict")


def round_trips(site, where: str) -> None:
    """Try each size, and the ones beside it, both compressible and not."""
    good = trials = 0
    for size in SIZES:
        for near in (size - 1, size, size + 1):
            for dense in (False, True):
                trials += 1
                good += round_trip(site, payload(near, dense=dense), near)
    note("sizes", site, where, share(good, trials))
    if site is OURS:
        assert good == trials


def round_trip(site, text: str, size: int) -> bool:
    """Store a session and read it back, or see it refused; return whether that is right."""
    session = site.store()
    session["a"] = text
    try:
        session.create()
    except SessionTooLarge:
        return size > LIMIT and session.session_key is None
    return (site is not OURS or size <= LIMIT) and site.store(session.session_key)["a"] == text


@pytest.mark.only_on("mariadb", "mysql")
def test_a_long_browser_name_is_cut_by_us_in_every_mode(database, site, user, settings):
    """The column takes 512 characters, also of four bytes each."""
    mode = {"init_command": "SET SESSION sql_mode=''"}
    with another_alias(database, f"lax_{database}", OPTIONS=mode) as alias:
        settings.SESSIONSTORE_DATABASE = alias
        client = browser()
        agent = "\U0001f36a" * 600
        assert client.get("/login/", HTTP_USER_AGENT=agent).status_code == 200
        assert client.get("/read/").json()["user"] == str(user.pk)
        assert len(site.rows().get().user_agent) == 512
