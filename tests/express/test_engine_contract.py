"""The tests of the native engine, run on an Express table without the mark column."""

import pytest

from sessionstore.backends.express import SessionStore
from tests.engine.conftest import saved, signed_in  # noqa: F401 - fixtures
from tests.engine.test_concurrency import *  # noqa: F403 - the same tests on another table
from tests.engine.test_keys_and_ends import *  # noqa: F403 - the same tests on another table
from tests.engine.test_lifetimes import *  # noqa: F403 - the same tests on another table
from tests.engine.test_saving import *  # noqa: F403 - the same tests on another table

ROWS = "it looks into the native table"
SEALS = "nothing is sealed, for Express has to read it"
FORMER = "the table knows no former key"
SECRET = "it changes SECRET_KEY, and these cookies are signed with Express's secrets"
JSON_ALONE = "Express reads the columns, so it is JSON, whatever SESSION_SERIALIZER says"
SECOND = "Express counts the very second of the expiry as alive; test_lifetime.py has the rule"
LEFT_OUT = {
    "test_a_logout_among_fifty_writers_is_final": ROWS,
    "test_a_logout_that_races_with_a_new_key_is_final": FORMER,
    "test_a_logout_finds_the_row_whose_key_has_changed": FORMER,
    "test_a_logout_with_a_key_that_was_replaced_ends_the_row": FORMER,
    "test_the_handle_is_the_same_for_the_life_of_a_session": "a new key makes another id",
    "test_whoever_changes_the_table_signs_nobody_in": SEALS,
    "test_the_data_of_another_session_of_the_same_user_are_refused": SEALS,
    "test_a_row_given_to_another_key_opens_nothing": SEALS,
    "test_what_a_touch_or_a_clean_up_changes_damages_nothing": SEALS,
    "test_a_new_key_does_not_undo_a_revocation": ROWS,
    "test_an_anonymous_flush_makes_no_row": ROWS,
    "test_a_damaged_row_is_an_empty_session": ROWS,
    "test_a_touch_never_goes_back": ROWS,
    "test_setting_modified_to_true_is_a_touch": ROWS,
    "test_the_table_holds_no_usable_key": "Express looks rows up by the plain id",
    "test_only_a_taken_id_is_tried_again": "it fixes the native keys",
    "test_a_serializer_with_a_nonce_makes_no_read_a_write": JSON_ALONE,
    "test_a_page_that_reads_writes_nothing_with_a_nonce": JSON_ALONE,
    "test_a_change_inside_is_saved_with_a_nonce": JSON_ALONE,
    "test_what_is_declined_with_a_nonce_stays_declined": JSON_ALONE,
    "test_a_nonce_is_noticed_once": JSON_ALONE,
    "test_bytes_tell_of_a_change_where_they_can": JSON_ALONE,
    "test_rotating_the_secret_logs_nobody_out": SECRET,
    "test_dropping_the_secret_logs_everybody_out": SECRET,
    "test_reads_write_at_most_once_an_interval": "the column holds whole seconds",
    "test_a_session_ends_with_the_cookie_age": SECOND,
    "test_an_idle_session_ends": SECOND,
    "test_a_session_can_be_shorter_than_the_policy": SECOND,
    "test_a_request_that_does_not_slide": SECOND,
    "test_clock_changes_move_no_deadline": SECOND,
    "test_an_expired_session_leaves_a_fresh_one": SECOND,
}
for left_out in LEFT_OUT:
    del globals()[left_out]


@pytest.fixture
def store(shared_table, database) -> type[SessionStore]:
    """The Express engine on a table whose name the statement counts look for."""
    shared_table(table="sessionstore_session_shared")
    # A process looks once whether there is a mark column.
    SessionStore().table._sql(database)
    return SessionStore
