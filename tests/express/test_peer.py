"""A Node process that dies: who asks it is told how, and the next test has a new one."""

import pytest

from tests.express.peer import Peer, Peers
from tests.harness.process import ServerEndedError

pytestmark = pytest.mark.only_on("mariadb")
KILLED = r"express \(process \d+\) ended by SIGKILL; it wrote:\nExpress listens on"


@pytest.fixture
def own(database, tmp_path):
    """Node processes that no other test asks."""
    made = Peers(tmp_path)
    yield made
    made.stop()


@pytest.fixture
def peer(own, database, shared_table) -> Peer:
    """One of them, that answers."""
    shared_table()
    peer = own.get(database)
    assert peer.store("length") == 0
    return peer


def test_who_asks_a_process_that_died_is_told_how(peer):
    """By its signal and its last lines, in place of a refused connection."""
    peer.node.kill()
    with pytest.raises(ServerEndedError, match=KILLED):
        peer.store("length")


def test_who_waits_for_a_process_that_dies_is_told_how(peer):
    """The connection was there, and broke."""
    waiting = peer.send("/control/held/nobody", None, cookie=None)
    peer.node.kill()
    with pytest.raises(ServerEndedError, match=KILLED):
        peer.receive(waiting)


def test_a_process_that_lives_is_not_called_dead(peer):
    """A connection that breaks for another reason keeps its error, with what Node wrote."""
    port, peer.port = peer.port, 1
    with pytest.raises(ConnectionRefusedError) as refused:
        peer.store("length")
    assert refused.value.__notes__ == [
        f"express still runs; it wrote:\nExpress listens on http://127.0.0.1:{port}"
    ]


def test_a_process_that_died_fails_its_test_and_is_started_again(own, peer, database):
    """Even where nobody asked it any more; the next test gets an answer, and no failure."""
    with pytest.raises(ServerEndedError, match=KILLED), own.watched():
        peer.node.kill()
    with own.watched():
        again = own.get(database)
        assert again.store("length") == 0
    assert again.port != peer.port


def test_a_process_that_died_between_tests_is_told_of_too(own, peer, database):
    """The new one does not hide it."""
    peer.node.kill()
    with pytest.raises(ServerEndedError, match=KILLED), own.watched():
        assert own.get(database).store("length") == 0
