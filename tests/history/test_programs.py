"""Programs that a machine writes: logins, proofs, new keys and ends in blocks, kept or failing.

The rules stand in ``Model``; the machine writes the examples. Each request runs its steps in one
block, which is kept, or fails: with an error page, or quietly, and the page goes on.
"""

import random
from dataclasses import dataclass, field

import pytest
from django.test import Client

from sessionstore.models import Session, SessionEvent

SHORT, LONG = 40, 1_000
STEPS = {"login": 4, "save": 4, "renew": 3, "confirm": 3, "logout": 2}
ENDINGS = {"": 5, "!": 2, "!?fails=1": 3}


@dataclass
class Model:
    """What the history must hold, and what the table knows of the session."""

    stands: list[str] = field(default_factory=list)
    has_row: bool = False
    is_stored: bool = False  # with the user

    def request(self, steps, ending):
        """Go on by one request."""
        before, self.told, self.for_good = (self.has_row, self.is_stored), [], []
        self.is_in, self.has_login, self.has_proof = self.is_stored, False, False
        self.has_new_key = self.has_told = self.has_ended = False
        self.has_written_login = self.has_written_proof = self.has_promised = False
        for step in steps:
            getattr(self, step)()
        if ending:
            # An end is final; all else is taken back.
            self.has_row, self.is_stored = (one and not self.has_ended for one in before)
            self.told, self.has_told = [], False
        if ending == "!":
            # The page saves what it has in memory, and what was proved stands there too.
            self.has_login = self.has_login or self.has_written_login
            self.has_proof = self.has_proof or self.has_written_proof
        if (self.is_in or self.has_promised) and ending != "!?fails=1":
            self._write(new_key=ending == "!" and self.has_row and self.has_promised)
            self.has_row = True
        self.stands += self.told + self.for_good

    def save(self):
        """Write the row, and with it what has been proved; a new one has a key to keep."""
        self.has_promised = self.has_promised or not self.has_row
        self._write(new_key=False)
        self.has_row = True

    def login(self):
        """A login renews the key, of a row at once, if this request has not done so."""
        if not self.is_in:
            self.renew()
        self.is_in = self.has_login = True
        if not self.has_new_key:
            self.renew()
        self.has_proof = True

    def renew(self):
        self.has_new_key = self.has_promised = True
        if self.has_row:
            self._write(new_key=True)

    def confirm(self):
        self.has_proof = True

    def logout(self):
        """End the row; nobody is in, and nothing that was proved is written."""
        if self.is_stored:
            self.for_good.append("ended")
        self.has_ended = self.has_ended or self.has_row
        self.has_row = self.is_stored = self.is_in = self.has_login = self.has_proof = False
        self.has_new_key, self.has_told = True, False
        self.has_written_login = self.has_written_proof = self.has_promised = False

    def _write(self, *, new_key):
        if self.is_in and self.has_login:
            self.told.append("signed_in")
            self.has_told = True
        elif self.is_in and self.has_proof and not self.has_told:
            self.told.append("confirmed")
        elif self.is_in and new_key:
            self.told.append("new_key")
        self.is_stored = self.is_stored or self.is_in
        self.has_written_login = self.has_written_login or self.has_login
        self.has_written_proof = self.has_written_proof or self.has_proof
        self.has_login = self.has_proof = False


def draw(seed):
    """Return the requests of a seed, always the same: steps, and how the block ends."""
    chance = random.Random(seed)  # noqa: S311 - repeatable on purpose
    requests = []
    for _ in range(chance.randrange(1, 5)):
        steps = chance.choices(list(STEPS), list(STEPS.values()), k=chance.randrange(1, 5))
        requests.append((steps, *chance.choices(list(ENDINGS), list(ENDINGS.values()))))
    return requests


def difference(program, ann):
    """Run a program; return what the history and the table hold, and what the rules say."""
    SessionEvent.objects.forget(ann)
    browser, model = Client(raise_request_exception=False), Model()
    for steps, ending in program:
        path, _, fails = ending.partition("?")
        browser.get(f"/do/{'-'.join(steps)}{path}/?{fails}")
        model.request(steps, ending)
    events = SessionEvent.objects.of_user(ann).values_list("what", flat=True)
    found = sorted(events), Session.objects.for_user(ann).exists()
    Session.objects.all().delete()
    said = sorted(model.stands), model.is_stored
    return None if found == said else (program, found, said)


@pytest.mark.only_on("sqlite")
def test_no_program_tells_anything_but_what_stands(database, engine, ann):
    """Neither an event too many nor one too few."""
    failing = [difference(draw(seed), ann) for seed in range(SHORT)]
    assert "\n".join(str(one) for one in failing if one) == ""


@pytest.mark.soak
@pytest.mark.only_on("sqlite")
def test_no_program_of_thousands_does(database, engine, ann):
    """The same for long."""
    failing = [difference(draw(seed), ann) for seed in range(LONG)]
    assert "\n".join(str(one) for one in failing if one) == ""
