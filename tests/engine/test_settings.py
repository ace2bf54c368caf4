"""The settings: what is derived from them."""

from sessionstore.conf import conf


def test_settings_follow_a_change(settings):
    """What was derived is derived again."""
    settings.SESSIONSTORE_MAX_BYTES = 77
    assert (conf.max_bytes, conf.codec.max_bytes) == (77, 77)
    settings.SESSIONSTORE_MAX_BYTES = 78
    assert (conf.max_bytes, conf.codec.max_bytes) == (78, 78)


def test_own_timeouts_win_over_the_preset(settings):
    """A preset fills in what is not set."""
    settings.SESSIONSTORE_PRESET = "AAL3"
    settings.SESSIONSTORE_IDLE_TIMEOUT = 60
    assert conf.timeouts_ms == (60_000, 12 * 3_600_000)
