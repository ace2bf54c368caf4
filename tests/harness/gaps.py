"""What happens between two statements: others act, or the process dies."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

from django.db import connections
from django.db.backends.utils import CursorWrapper

# Who waits for a lock of the sleeper would wait for ever.
_SLEEP_S = 0.3


@contextmanager
def in_gap(gap: int, happens: Callable[[], None], *, tables: Sequence[str]) -> Iterator[None]:
    """Call `happens` once, in a gap between this thread's statements on these tables.

    Gap 2n lies before statement n and gap 2n + 1 after it, so that a COMMIT lies between an odd one
    and the next. Fails when there was no such gap.
    """
    ours, execute = threading.get_ident(), CursorWrapper.execute
    passed = 0

    def pass_gap() -> None:
        nonlocal passed
        passed += 1
        if passed == gap + 1:
            happens()

    def run(self: CursorWrapper, sql: Any, params: Any = None) -> Any:
        if threading.get_ident() != ours or not any(table in str(sql) for table in tables):
            return execute(self, sql, params)
        pass_gap()
        answer = execute(self, sql, params)
        pass_gap()
        return answer

    with patch.object(CursorWrapper, "execute", run):
        yield
    assert passed > gap, f"there are {passed} gaps only"


@contextmanager
def asleep_in_gap(gap: int, others: Callable[[], Any], *, tables: Sequence[str]) -> Iterator[None]:
    """Sleep in a gap while `others` run in a thread, as far as our locks let them.

    They have ended when the block has; what they raise is raised.
    """
    outcomes: list[Exception] = []

    def run() -> None:
        try:
            others()
        except Exception as error:  # noqa: BLE001 - raised below
            outcomes.append(error)
        finally:
            connections.close_all()

    thread = threading.Thread(target=run, daemon=True)

    def sleep() -> None:
        thread.start()
        thread.join(_SLEEP_S)

    with in_gap(gap, sleep, tables=tables):
        yield
    thread.join(60)
    assert not thread.is_alive()
    if outcomes:
        raise outcomes[0]
