"""What the system checks say of the cache in front of ``cached_sql``."""

from pathlib import Path

import pytest

from sessionstore.checks import caching
from tests.checks.messages import found

DJANGO_REDIS = "django_redis.cache.RedisCache"
PYMEMCACHE = caching.PYMEMCACHE
BACKENDS = "django.core.cache.backends"
TIMEOUTS = {"socket_timeout": 0.2, "socket_connect_timeout": 0.2}


@pytest.mark.parametrize(
    ("cache", "expected"),
    [
        ({"BACKEND": f"{BACKENDS}.locmem.LocMemCache"}, {"sessionstore.W063"}),
        ({"BACKEND": f"{BACKENDS}.db.DatabaseCache"}, {"sessionstore.E062"}),
        (
            {"BACKEND": f"{BACKENDS}.redis.RedisCache", "LOCATION": ["redis://a", "redis://b"]},
            {"sessionstore.E062"},
        ),
        (
            {"BACKEND": f"{BACKENDS}.redis.RedisCache", "LOCATION": "redis://a"},
            {"sessionstore.W062"},
        ),
        (
            {
                "BACKEND": f"{BACKENDS}.redis.RedisCache",
                "LOCATION": "redis://a",
                "OPTIONS": TIMEOUTS,
            },
            set(),
        ),
        ({"BACKEND": PYMEMCACHE, "LOCATION": "a:11211;b:11211"}, {"sessionstore.E062"}),
        ({"BACKEND": PYMEMCACHE, "LOCATION": "a:11211"}, {"sessionstore.W062"}),
        (
            {"BACKEND": PYMEMCACHE, "LOCATION": "a:11211", "OPTIONS": caching.WANTED[PYMEMCACHE]},
            set(),
        ),
        ({"BACKEND": PYMEMCACHE, "OPTIONS": {"ignore_exc": True}}, {"sessionstore.E062"}),
        ({"BACKEND": DJANGO_REDIS, "OPTIONS": {"IGNORE_EXCEPTIONS": True}}, {"sessionstore.E062"}),
        ({"BACKEND": DJANGO_REDIS}, set()),
    ],
)
def test_a_cache_that_cannot_tell_of_a_logout_is_an_error(settings, cache, expected):
    """Only a shared, atomic cache will do, and one that hangs must not hold up the site."""
    settings.SESSION_ENGINE = "sessionstore.backends.cached_sql"
    settings.CACHES = {"default": cache}
    assert {one for one in found() if one[-3:] in ("062", "063")} == expected


@pytest.mark.parametrize(
    ("options", "expected"), [({}, True), ({"IGNORE_EXCEPTIONS": False}, False)]
)
def test_all_caches_of_django_redis_can_be_told_to_hide_failures(settings, options, expected):
    """By a setting of its own, which the options of a cache overrule."""
    settings.SESSION_ENGINE = "sessionstore.backends.cached_sql"
    settings.CACHES = {"default": {"BACKEND": DJANGO_REDIS, "OPTIONS": options}}
    settings.DJANGO_REDIS_IGNORE_EXCEPTIONS = True
    assert ("sessionstore.E062" in found()) == expected


def test_the_page_shows_the_options_that_are_asked_for():
    """For each backend that is offered."""
    page = (Path(__file__).parents[2] / "docs" / "caching.md").read_text().replace('"', "'")
    assert [str(wanted) in page for wanted in caching.WANTED.values()] == [True] * 3


def test_a_cache_that_is_not_there_is_an_error(settings):
    """The engine would run without one and say so in the log only."""
    settings.SESSION_ENGINE = "sessionstore.backends.cached_sql"
    settings.SESSION_CACHE_ALIAS = "missing"
    assert "sessionstore.E062" in found()
