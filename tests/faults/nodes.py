"""Several nodes that all take writes: each thread chooses one, and they fight for sessions."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

from django.db import connections

from tests.faults.sites import OURS, STOCK
from tests.harness.threads import run_together

ROUTER = "tests.faults.nodes.NodeRouter"
_here = threading.local()


class NodeRouter:
    """Sends the sessions of each thread to the node that the thread has chosen."""

    def db_for_read(self, model, **_):
        """As it is written."""
        return self.db_for_write(model)

    def db_for_write(self, model, **_):
        """The node that the thread has chosen, for the table of either engine."""
        labels = {"sessions", "sessionstore"}
        return getattr(_here, "alias", None) if model._meta.app_label in labels else None


@contextmanager
def at(alias: str) -> Iterator[None]:
    """Let this thread use a node."""
    before = getattr(_here, "alias", None)
    _here.alias = alias
    try:
        yield
    finally:
        _here.alias = before


def empty_tables(alias: str) -> None:
    """Make the tables of both engines where they are not there, and empty them."""
    connection = connections[alias]
    present = connection.introspection.table_names()
    for one in (OURS, STOCK):
        if one.table not in present:
            with connection.schema_editor() as editor:
                editor.create_model(one.model)
        one.rows().using(alias).delete()


def saves(site, alias, keys, rounds, name):
    """Save again and again, each time another key; return what was acknowledged, and errors."""
    stored, errors = [], []
    with at(alias):
        for number in range(rounds):
            key = keys[number % len(keys)]
            mark = f"{name}-{number}"
            try:
                session = site.store(key)
                session[mark] = number
                session.save()
                stored.append((key, mark))
            except Exception as error:  # noqa: BLE001 - counted
                errors.append(type(error).__name__)
                connections[alias].close_if_unusable_or_obsolete()
    return stored, errors


def fight(site, sessions, rounds):
    """Let 8 threads on each of two nodes write; return saves, errors, lost changes, kinds."""
    keys = []
    for _ in range(sessions):
        session = site.store()
        session["owner"] = 1
        session.create()
        keys.append(session.session_key)
    runs = [
        partial(saves, site, f"node{node}", keys[number % 3 :] + keys[: number % 3], rounds, name)
        for number, name in enumerate("abcdefgh")
        for node in (1, 2)
        for name in [f"{name}{node}"]
    ]
    outcomes = run_together(runs, seconds=300)
    stored = [pair for outcome in outcomes for pair in outcome[0]]
    errors = [error for outcome in outcomes for error in outcome[1]]
    found = {key: site.store(key) for key in keys}
    lost = sum(mark not in found[key] for key, mark in stored)
    return len(stored), len(errors), lost, sorted(set(errors))
