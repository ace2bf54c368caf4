"""SESSIONSTORE_ENCRYPT: what the table reveals, switching it on a live site, rotating secrets."""

import hashlib
import string

import pytest
from django.conf import settings as django_settings

from sessionstore.backends.sql import SessionStore
from sessionstore.conf import conf
from sessionstore.core import encryption
from sessionstore.core.codec import HEAD_BYTES, Codec
from sessionstore.core.encryption import CIPHER
from sessionstore.core.keys import Key
from sessionstore.core.record import Record
from sessionstore.exceptions import EncryptionUnavailable
from sessionstore.models import Session
from tests.harness.statements import record_statements

pytestmark = pytest.mark.django_db
SECRET = "the alarm code is 4711"


@pytest.fixture
def encrypted(settings):
    """Sessions are written encrypted."""
    settings.SESSIONSTORE_ENCRYPT = True


def stored(**data) -> SessionStore:
    """Return a session that is in the table."""
    session = SessionStore()
    session.update(data)
    session.create()
    return session


def row_of(session: SessionStore) -> Session:
    return Session.objects.by_key(session.session_key).get()


def header_of(session: SessionStore) -> int:
    return bytes(row_of(session).data)[0] & 0x3F


@pytest.mark.parametrize("size", [1, 5000])
def test_an_encrypted_session_reads_back(encrypted, size):
    """What was stored comes back, short or long; it is never compressed."""
    session = stored(note=SECRET * size)
    assert SessionStore(session.session_key)["note"] == SECRET * size
    assert header_of(session) == 2


def test_a_dump_with_the_secret_key_reads_nothing(encrypted):
    """Whoever has every column and SECRET_KEY lacks the bytes that only the cookie holds."""
    row = row_of(stored(note=SECRET))
    blob, digest = bytes(row.data), bytes(row.digest)
    assert SECRET.encode() not in blob
    assert row.get_decoded() == {}
    bound = row._bound
    assert conf.codec.decode(blob, bound) is None
    # Everything in the row of the right length in place of the cookie's bytes.
    guesses = [digest[:17], digest[-17:], hashlib.sha256(digest).digest()[:17], b"\0" * 17, digest]
    for guess in guesses:
        key = Key(text="", digest=digest, material=guess)
        assert conf.codec.decode(blob, bound, key) is None
        secret, associated = django_settings.SECRET_KEY, bound + blob[:HEAD_BYTES]
        assert CIPHER.open(secret, key, associated, blob[HEAD_BYTES:]) is None


def test_a_blob_moved_to_another_row_is_refused(encrypted):
    """Each session has a key of its own, and the row's id is authenticated with the data."""
    mine, theirs = stored(note=SECRET), stored(note="other")
    Session.objects.filter(pk=row_of(theirs).pk).update(data=row_of(mine).data)
    assert dict(SessionStore(theirs.session_key).items()) == {}


@pytest.mark.parametrize("position", [0, 5, 20, -1])
def test_a_changed_bit_is_refused(encrypted, position):
    """A forged, cut or relabelled blob counts as empty, never as an error."""
    session = stored(note=SECRET)
    blob = bytearray(row_of(session).data)
    blob[position] ^= 0x80
    for forged in (bytes(blob), bytes(blob[:4]), bytes(blob[:1])):
        Session.objects.filter(pk=row_of(session).pk).update(data=forged)
        assert dict(SessionStore(session.session_key).items()) == {}


@pytest.mark.parametrize(("before", "after", "header"), [(False, True, 2), (True, False, 1)])
def test_switching_rewrites_each_row_on_use(settings, client, before, after, header):
    """On and off again on a live table: old rows are readable and rewritten by the next request."""
    settings.SESSIONSTORE_ENCRYPT = before
    session = stored(note=SECRET)
    settings.SESSIONSTORE_ENCRYPT = after
    again = SessionStore(session.session_key)
    assert again["note"] == SECRET
    assert again.modified
    with record_statements() as seen:
        again.save()
    assert len(seen.about("sessionstore_session")) == 1
    assert header_of(session) == header
    once_more = SessionStore(session.session_key)
    assert once_more["note"] == SECRET
    assert not once_more.modified


def test_secrets_rotate_under_encryption(encrypted, settings):
    """Nobody is signed out while the old secret is a fallback, and everybody when it is dropped."""
    session = stored(note=SECRET)
    old = settings.SECRET_KEY
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "n" * 50, [old]
    rotated = SessionStore(session.session_key)
    assert rotated["note"] == SECRET
    rotated.save()
    settings.SECRET_KEY_FALLBACKS = []
    assert SessionStore(rotated.session_key)["note"] == SECRET
    assert dict(SessionStore(session.session_key).items()) == {}


def test_cycling_the_key_encrypts_under_the_new_one(encrypted):
    """The row stays and gets another key; its data open with the new cookie, not with the old."""
    session = stored(note=SECRET)
    old = conf.keyring.open(session.session_key)
    session.cycle_key()
    assert SessionStore(session.session_key)["note"] == SECRET
    row = row_of(session)
    blob, bound = bytes(row.data), row._bound
    assert conf.codec.decode(blob, bound, old) is None
    assert conf.codec.decode(blob, bound, conf.keyring.open(session.session_key)) is not None


def test_concurrent_changes_merge_under_encryption(encrypted):
    """A conflict reads the other's blob with the same key."""
    first = stored(a=1)
    second = SessionStore(first.session_key)
    second["b"] = 2
    first["c"] = 3
    second.save()
    first.save()
    assert dict(SessionStore(first.session_key).items()) == {"a": 1, "b": 2, "c": 3}


def test_without_the_library_nothing_is_written_in_the_clear(encrypted, monkeypatch):
    """A server that lacks the extra fails loudly: no weaker format, no empty session over it."""
    session = stored(note=SECRET)
    monkeypatch.setattr(encryption, "_library", lambda: None)
    with pytest.raises(EncryptionUnavailable) as caught:
        stored(note=SECRET)
    assert str(caught.value) == (
        "A session is encrypted, or should be (SESSIONSTORE_ENCRYPT), and the library for it is "
        "missing. Install django-sessionstore[encryption]."
    )
    with pytest.raises(EncryptionUnavailable):
        SessionStore(session.session_key).load()


def test_what_was_stored_once_opens_for_ever():
    """The format is fixed: how the key of a session is made can never change."""
    material = bytes(range(17))
    key = Key(text="", digest=hashlib.sha256(material).digest(), material=material)
    row = Record(bytes(range(16)), key.digest, b"", 1, "7", 1000, 2000, 3000, 4000)
    blob = bytes.fromhex(
        "02000000000000000000000000cdd7570971d16a0fb38987c1fdb888701cdeb8e76fa5cdd9fb619d"
        "1275c132ec91565206ce46835f5c2e46f38884cb405db026c0e918b0663d5760d94e3e73cfcd4473"
        "1a776315799ce501fee17e47989c318d173ff032fbea32808dffcea3e5645dc891086e2959894953"
        "1c17b098969f66e9007697cce00ca8b2477e97e7e93b9f9bdfb4fec20ddaf650316f53c6a294609d"
        "02f5942d357be9286c3068e2d7c7d7caea67642f75b2862f08f54b8e4e498b7059e0ec50113bbaf7"
        "48e11100c80bb8cdb91295128b19eb9cda4a97be153745a0c96e72373d04f6cd745df9b94d3b8fbe"
        "9d8021f235a428eec47244314348463501f1cf5dc29d6c854179fa6d9f7597a7e26db75114773f5d"
        "009ed77883"
    )
    codec = Codec(["a secret"], 1024, cipher=CIPHER)
    assert codec.decode(blob, row.bound, key).payload == b'{"a":1}'


def test_each_write_has_a_nonce_of_its_own(encrypted):
    """The same data under the same key never make the same blob."""
    codec = conf.codec
    key = conf.keyring.mint()
    assert len({codec.encode(b"{}", b"bound", key) for _ in range(100)}) == 100


def test_the_size_of_the_data_tells_little(encrypted):
    """Whether somebody is signed in does not show, nor what would compress well."""
    visitor, user = stored(a=1), stored(a=1, _auth_user_id="7", _auth_user_hash="h" * 64)
    assert len(bytes(row_of(visitor).data)) == len(bytes(row_of(user).data))
    uniform, mixed = stored(note="a" * 5200), stored(note=string.ascii_letters * 100)
    assert len(bytes(row_of(uniform).data)) == len(bytes(row_of(mixed).data)) > 5000
