"""Ten thousand cookies that nobody was given."""

import random
from collections.abc import Iterator

import pytest

from tests.faults.figures import note
from tests.faults.injection import TABLES
from tests.faults.sites import WITH_TABLE, browser, key_of, user_of
from tests.harness.statements import record_statements

each_store = pytest.mark.parametrize("site", WITH_TABLE, indirect=True)
LETTERS = "0123456789abcdefghijklmnopqrstuvwxyz"


def variants(key: str, luck: random.Random) -> Iterator[str]:
    """Yield cookies that look like `key`, or like nothing, without end."""
    strange = ["\0", "\U0001f36a", "\ud800", "\x7f", "%00", "é", "\u0131", "\u212a", "\\000"]
    sql = ["' OR '1'='1", '" OR 1=1 --', "'; DROP TABLE sessionstore_session; --", "%", "_", "\\"]
    while True:
        place = luck.randrange(len(key))
        yield from (
            key.upper() if key.upper() != key else "",
            key.title() if key.title() != key else "",
            f'"{key} "',
            f'" {key}"',
            f'"{key}\\000"',
            key + luck.choice(strange),
            luck.choice(strange) + key,
            key[:place] + luck.choice(strange) + key[place:],
            key[:place] + luck.choice(sql) + key[place:],
            luck.choice(sql),
            key[:place],
            key + key[: place + 1],
            key[:place] + flipped(key[place], luck) + key[place + 1 :],
            "".join(luck.choices(LETTERS, k=luck.choice([1, 8, 31, 32, 33, 39, 40, 41]))),
            "".join(luck.choices(LETTERS[:32], k=40)),
            "".join(chr(luck.randrange(1, 0x2FFF)) for _ in range(luck.randrange(60))),
            luck.choice(["x", "\U0001f36a", "0"]) * luck.choice([100, 10_000]),
            f"{flipped(key[0], luck)}{key[1:]}; sessionid={''.join(luck.choices(LETTERS, k=40))}",
            f"{flipped(key[0], luck)}{key[1:]}; sessionid=",
            '"\\000aaaaaaaa"',
            "",
        )


def flipped(letter: str, luck: random.Random) -> str:
    """Return another letter."""
    return luck.choice(LETTERS[:32].replace(letter, ""))


@each_store
@pytest.mark.parametrize("times", [400, pytest.param(10_000, marks=pytest.mark.soak)])
def test_made_up_cookies_open_nothing(database, site, signed_in, times):
    """No error page, nobody signed in, no SQL, and the real key still works."""
    luck = random.Random(3)  # noqa: S311 - the same cookies each time
    client = signed_in()
    key = key_of(client)
    logins = errors = asked = 0
    for number, value in enumerate(variants(key, luck)):
        if number == times:
            break
        header = f"sessionid={value}".encode("utf-8", "surrogatepass").decode("latin-1")
        with record_statements() as seen:
            response = browser().get("/read/", HTTP_COOKIE=header)
        if response.status_code >= 500:
            errors += 1
        elif response.json()["user"] is not None:
            logins += 1
        asked += any(seen.about(table) for table in TABLES)
    note(
        "cookies",
        site,
        database,
        f"{errors} error pages, {logins} logins, SQL for {asked} of {times}",
    )
    assert user_of(key) is not None
    if site.is_ours:
        assert (errors, logins, asked) == (0, 0, 0)


def test_saving_every_request_makes_no_row_for_a_made_up_cookie(database, site, settings):
    """A flood of forged cookies fills no table (D17)."""
    settings.SESSION_SAVE_EVERY_REQUEST = True
    for cookie in ("x" * 32, "v" * 40, "0" * 40, "\U0001f36a"):
        header = f"sessionid={cookie}".encode().decode("latin-1")
        assert browser().get("/read/", HTTP_COOKIE=header).status_code == 200
    assert site.rows().count() == 0
