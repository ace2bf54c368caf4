"""What a store does with requests that overlap, with its dump, and with an id from before a login.

All stores, those of Express through HTTP.
"""

import os
import re
from functools import partial

import pytest
import redis
from django.contrib.auth.models import User
from django.core.cache import caches
from django.db import connections

from sessionstore.cache import entries
from tests.faults.conftest import cache_settings
from tests.faults.express_sites import CONNECT_PG, EXPRESS_MYSQL, ExpressSite, signed
from tests.faults.figures import VARIABLE, note, share
from tests.faults.sites import CACHED, EVERY, OURS, QSESSIONS, compared
from tests.harness.cluster import wait_until
from tests.harness.process import private_folder
from tests.harness.redises import CacheServer
from tests.harness.threads import run_together

EXPRESS = [EXPRESS_MYSQL, CONNECT_PG]
each_store = pytest.mark.parametrize("site", [*EVERY, *compared(*EXPRESS)], indirect=True)
# The short form, which no figure is taken from, does it less often.
TIMES = 10 if os.environ.get(VARIABLE) else 2


@pytest.fixture
def served(request, database, site, tmp_path):
    """The site, answering; a store that is not for this database has nothing to do here."""
    if not isinstance(site, ExpressSite):
        User.objects.create_user("ann")
        yield site
    elif database in site.databases:
        with site.served(database, tmp_path / "express.log"):
            yield site
    else:
        yield None


def name_of(site, database: str) -> str:
    """Say where the sessions were."""
    return "Redis" if site.app is None else database.replace("default", "sqlite")


def signed_in(site):
    """Return a browser in which somebody is signed in."""
    client = site.browser()
    assert client.get("/login/").status_code == 200
    return client


@pytest.mark.parametrize(
    ("site", "requests"),
    [
        pytest.param(OURS, 50, id="ours"),
        pytest.param(QSESSIONS, 5, id="qsessions-short"),
        *(
            pytest.param(site, 50, id=site.name, marks=pytest.mark.soak)
            for site in [*(one.values[0] for one in EVERY[1:]), *EXPRESS]
        ),
    ],
    indirect=["site"],
)
def test_requests_at_once_keep_the_changes_of_all(database, served, requests):
    """Each has read the session before the first one stores its own key."""
    if served is None:
        return
    key = served.key_of(signed_in(served))
    address = f"/together/?meeting={database}-{served.name}-{requests}&of={requests}&value=x&key=k"
    ask = [partial(served.browser(key=key).get, f"{address}{n}") for n in range(requests)]
    statuses = [getattr(answer, "status_code", repr(answer)) for answer in run_together(ask)]
    kept = sum(served.holds(key, f"k{n}") for n in range(requests))
    errors = sum(status != 200 for status in statuses)
    figure = f"{share(kept, requests)} kept" + (f", {errors} errors" if errors else "")
    if requests == 50:
        note("updates", served, name_of(served, database), figure)
    if served.is_ours:
        assert (kept, errors) == (requests, 0)
    else:
        assert kept >= 1


@each_store
def test_a_sign_out_outlives_a_request_that_still_runs(database, served):
    """It has read the session before the sign-out, and stores its change after it."""
    if served is None:
        return
    back, statuses = 0, set()
    for number in range(TIMES):
        client = signed_in(served)
        key = served.key_of(client)
        address = f"?meeting={database}-{served.name}-late-{number}&of=2"
        late = partial(served.browser(key=key).get, f"/together/{address}&key=late")

        def sign_out(client=client, address=address):
            there = served.browser()
            wait_until(lambda: there.get(f"/waiting/{address}").json()["waiting"] == 1)
            assert client.get("/logout/").status_code == 200
            assert there.get(f"/arrive/{address}").status_code == 200

        answered, done = run_together([late, sign_out])
        assert done is None, done
        statuses.add(answered.status_code)
        back += served.user_of(key) is not None
    told = ", ".join(map(str, sorted(statuses)))
    figure = f"{share(back, TIMES)} came back; the late request is answered {told}"
    note("revival", served, name_of(served, database), figure)
    if served.is_ours:
        assert back == 0, figure


@each_store
def test_what_stands_in_the_store_opens_no_session(database, served):
    """Whoever reads the table, a backup or the cache tries each word in it as a cookie."""
    if served is None:
        return
    keys = {served.key_of(signed_in(served)) for _ in range(TIMES)}
    words = {
        word for text in contents(served, database) for word in re.findall(r"[\w.~-]{20,}", text)
    }
    words |= {word[-length:] for word in words for length in (32, 40)}
    opened = sum(served.user_of(word) is not None for word in words)
    known = sum(served.user_of(signed(word)) is not None for word in words if served in EXPRESS)
    assert words, "nothing was read"
    assert len(keys) == TIMES
    figure = f"{share(opened, TIMES)} opened"
    figure += f"; {known} by who knows the secret of the cookies, too" if served in EXPRESS else ""
    note("dump", served, name_of(served, database), figure)
    if served.is_ours:
        assert opened == 0


def contents(site, database: str) -> list[str]:
    """Return everything that stands in a store, as text."""
    found = []
    if site.app is not None:
        table = site.table if site.app == "" else f'"{site.table}"'
        if connections[database].vendor == "mysql":
            table = table.replace('"', "`")
        with connections[database].cursor() as cursor:
            cursor.execute(f"SELECT * FROM {table}")  # noqa: S608 - a name of these modules
            found += [value for row in cursor.fetchall() for value in row]
    if site.cache:
        with redis.Redis.from_url(caches["default"]._servers[0]) as client:
            for name in client.scan_iter():
                # A dump is compressed, and would hide what it holds.
                found += [name, client.get(name)]
    return [form for value in found for form in forms(value)]


def forms(value) -> list[str]:
    """Return a value as text, bytes also as hexadecimal digits."""
    if isinstance(value, (bytes, memoryview)):
        return [bytes(value).decode("latin-1"), bytes(value).hex()]
    return [str(value)]


@each_store
def test_signing_in_gives_a_new_id(database, served):
    """Whoever has planted an id in a browser is not signed in with it afterwards."""
    if served is None:
        return
    inside = 0
    for _ in range(TIMES):
        client = served.browser()
        assert client.get("/write/?value=mine").status_code == 200
        planted = served.key_of(client)
        assert client.get("/login/").status_code == 200
        inside += served.user_of(planted) is not None
    note("fixation", served, name_of(served, database), f"{share(inside, TIMES)} let in")
    if served.is_ours:
        assert inside == 0


@pytest.fixture
def own_cache(request, settings, site):
    """A Redis of this test alone."""
    server = CacheServer("redis", private_folder(in_memory=True))
    try:
        server.start()
        settings.CACHES = cache_settings(site, f"redis://127.0.0.1:{server.port}/0")
        yield server
    finally:
        caches.close_all()
        server.stop()


SIGNED_IN = 20
each_cached = pytest.mark.parametrize("site", CACHED, indirect=True)


@each_cached
@pytest.mark.only_on("sqlite")
def test_a_cache_that_loses_everything_signs_nobody_out(database, site, user, own_cache):
    """It is killed, and started again with nothing in it."""
    clients = [signed_in(site) for _ in range(SIGNED_IN)]
    own_cache.kill()
    down = sorted({client.get("/read/").status_code for client in clients})
    own_cache.start()
    assert own_cache.ask("DBSIZE") == 0
    kept = sum(site.user_of(site.key_of(client)) is not None for client in clients)
    told = ", ".join(map(str, down))
    figure = f"{share(kept, SIGNED_IN)} still signed in; answered {told} while it is down"
    note("cache-lost", site, "Redis killed and started again", figure)
    if site.is_ours:
        assert (kept, down) == (SIGNED_IN, [200])


@each_cached
@pytest.mark.only_on("sqlite")
@pytest.mark.parametrize("when", ["before the crash", "while it is down"])
def test_a_cache_that_comes_back_with_old_content(database, site, user, own_cache, when):
    """Twenty sign out after its last snapshot was taken; it is killed, and starts from that."""
    clients = [signed_in(site) for _ in range(SIGNED_IN)]
    keys = [site.key_of(client) for client in clients]
    assert all(site.user_of(key) for key in keys)
    own_cache.ask("SAVE")
    if when == "while it is down":
        own_cache.kill()
    statuses = sorted({client.get("/logout/").status_code for client in clients})
    if when == "before the crash":
        own_cache.kill()
    own_cache.start()
    with redis.Redis(port=own_cache.port) as client:
        assert client.dbsize() > 0, "it came back with nothing"
        lives = max((client.ttl(name) for name in client.scan_iter()), default=0)
    # Of ours the longest lives are fences, which let nobody in.
    lives = min(lives, entries.ENTRY_S) if site.is_ours else lives
    let_in = sum(site.user_of(key) is not None for key in keys)
    told = ", ".join(map(str, statuses))
    figure = f"{share(let_in, SIGNED_IN)} let in" + (
        f", for up to {duration(lives)}" if let_in else ""
    )
    note("cache-back", site, f"signed out {when}", f"{figure}; the sign-outs are answered {told}")
    if site.is_ours:
        assert let_in == 0 or when == "before the crash"


def duration(seconds: int) -> str:
    """Return so many seconds in words."""
    return f"{seconds} s" if seconds < 7200 else f"{round(seconds / 86400)} days"
