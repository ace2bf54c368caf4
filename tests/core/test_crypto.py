"""Tags are HMAC-SHA256, whichever way they are computed."""

import hmac

from hypothesis import given
from hypothesis import strategies as st

from sessionstore.core.crypto import derive, is_tag, tag


@given(secret=st.binary(max_size=100), message=st.binary(max_size=2000))
def test_a_tag_is_what_the_standard_library_answers(secret, message):
    """The hashes that are kept between calls are not changed by them."""
    key = derive(secret, "test")
    expected = hmac.digest(key, message, "sha256")
    assert tag(key, message, length=32) == expected == tag(key, message, length=32)
    assert is_tag(expected[:16], key, message)


@given(message=st.binary(max_size=200), other=st.binary(max_size=200))
def test_a_tag_is_good_for_one_message_and_purpose(message, other):
    """Another message or another purpose has another tag."""
    seal = tag(derive("secret", "test"), message, length=16)
    assert is_tag(seal, derive("secret", "test"), other) == (message == other)
    assert not is_tag(seal, derive("secret", "other"), message)
