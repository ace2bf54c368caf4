"""In which zone Express writes: what a row's column and its `cookie` tell of each other."""

import json

import pytest

from sessionstore.core.express_format import iso_date
from sessionstore.express.fitness.zones import shift_of

NOW = 1_700_000_000
HOUR, DAY = 3600, 86_400


def row(*, stored: int, touched: int | None = None, shift: int = 0, age: int = DAY, **data):
    """Return a session that Express stored so many seconds ago, and perhaps touched since."""
    cookie = {"originalMaxAge": age * 1000, "expires": iso_date((NOW - stored + age) * 1000)}
    moved = stored if touched is None else touched
    return NOW - moved + age + shift, json.dumps({"cookie": cookie, **data})


def browser_session(**_):
    return NOW + DAY, '{"cookie":{"originalMaxAge":null,"expires":null}}'


OURS = {"_sessionstore": {"nonce": "x"}}


@pytest.mark.parametrize(
    ("rows", "shift"),
    [
        ([], None),
        ([browser_session()], None),
        ([(NOW, "null"), (NOW, "no JSON"), (NOW, '{"cookie":{"expires":1}}')], None),
        ([(NOW, '{"cookie":{"expires":"2099-01-01T00:00:00","originalMaxAge":9}}')], None),
        # As they were stored.
        ([row(stored=2 * HOUR)], 0),
        ([row(stored=10, shift=9 * HOUR)], 9 * HOUR),
        ([row(stored=2 * DAY, shift=-5 * HOUR, age=9 * DAY)], -5 * HOUR),
        # Touched since.
        ([row(stored=3 * HOUR, touched=30)], None),
        ([row(stored=60, touched=30), row(stored=9 * HOUR, touched=2 * HOUR)], 0),
        ([row(stored=9 * HOUR, touched=30, shift=2 * HOUR)], 2 * HOUR),
        ([row(stored=3 * HOUR, touched=HOUR, shift=-5 * HOUR)], -3 * HOUR),
        ([row(stored=9 * HOUR, touched=3 * HOUR, shift=2 * HOUR)], None),
        # Whoever lengthens or shortens the life of a session changes the column alone.
        ([row(stored=10), row(stored=HOUR, touched=10, shift=30 * DAY)], 0),
        ([row(stored=10), row(stored=HOUR, touched=10, shift=-20 * HOUR)], 0),
        ([row(stored=10), row(stored=10), row(stored=HOUR, touched=10, shift=2 * HOUR)], 0),
        # Django's own are in the zone that Django takes for the right one.
        ([row(stored=10, **OURS)], None),
        ([row(stored=10, **OURS)] * 9 + [row(stored=10, shift=-HOUR)], -HOUR),
    ],
)
def test_the_column_lies_between_the_end_of_the_cookie_and_that_of_a_touch(rows, shift):
    """What is before the one or beyond the other was written in another zone."""
    assert shift_of(rows, NOW * 1000) == shift
