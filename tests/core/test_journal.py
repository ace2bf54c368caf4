"""What one request notes of its sessions, for the end of the request."""

import gc

import pytest

from sessionstore.core import journal


class Request:
    """A request, as far as the journal looks at it."""


class Session:
    """A session, of which only the identity counts."""


@pytest.fixture(autouse=True)
def nothing_at_work():
    """Each test begins, and leaves, outside a request."""
    journal.end()
    journal.forget_loaded()
    yield
    journal.end()
    journal.forget_loaded()


def test_outside_a_request_there_is_no_journal():
    """Commands and the shell end sessions too."""
    assert journal.current() is None
    assert journal.session_at_work() is None


def test_a_request_has_its_journal_from_beginning_to_end():
    """It is found by the request, and by whoever works for it."""
    request = Request()
    journal.begin(request)
    assert journal.current() is journal.of(request)
    journal.end()
    assert journal.current() is None
    assert isinstance(journal.of(request), journal.Journal)


def test_each_request_has_a_journal_of_its_own():
    """What one has to repeat is none of the next one's."""
    first, second = Request(), Request()
    journal.begin(first)
    journal.current().add(print)
    journal.begin(second)
    assert (journal.of(first).deletions, journal.of(second).deletions) == ([print], [])


def test_a_deletion_that_was_committed_is_forgotten():
    """Only what a rollback has taken back is repeated; to forget twice is no error."""
    notes = journal.Journal()
    for deletion in (print, repr):
        notes.add(deletion)
    notes.forget(print)
    notes.forget(print)
    assert notes.deletions == [repr]


def test_the_session_at_work_is_the_one_that_the_request_has_now():
    """Other apps replace it in mid-request; what was loaded first does not count there."""
    request, request_before = Request(), Session()
    journal.note_loaded(request_before)
    journal.begin(request)
    assert journal.session_at_work() is None
    request.session = Session()
    assert journal.session_at_work() is request.session
    request.session = replaced = Session()
    assert journal.session_at_work() is replaced


def test_without_our_middleware_it_is_the_first_that_was_loaded():
    """Until the next request begins."""
    first, second = Session(), Session()
    journal.note_loaded(first)
    journal.note_loaded(second)
    assert journal.session_at_work() is first
    journal.forget_loaded(sender=None, environ={})
    assert journal.session_at_work() is None
    journal.note_loaded(second)
    assert journal.session_at_work() is second


def test_a_journal_that_no_request_began_falls_back_to_what_was_loaded():
    """The faults of a background thread have a journal too."""
    session = Session()
    journal.note_loaded(session)
    journal._current.set(journal.Journal())
    assert journal.session_at_work() is session


def test_neither_a_request_nor_a_session_is_kept_alive():
    """Both hold the journal, or are long; a reference back would keep them in memory."""
    request, session = Request(), Session()
    journal.begin(request)
    journal.note_loaded(session)
    del request, session
    gc.collect()
    assert journal.session_at_work() is None
    journal.end()
    assert journal.session_at_work() is None
