"""Whatever happens in whatever order: nobody is signed out whose browser has the key.

Random programs of requests, refreshes, logins, restarts and faults, run by a browser that does with
each answer what Chromium does. What may sign out is named, and nothing else may.
"""

import random
from collections import Counter
from unittest.mock import patch

import pytest
from django.contrib.auth import get_user_model
from django.http import HttpResponse
from django.test import override_settings

from sessionstore.core.binding import dbsc
from sessionstore.models import Session
from tests.binding.client import Browser
from tests.harness.databases import ENGINES
from tests.web.conftest import PASSWORD

pytestmark = pytest.mark.only_on("sqlite")
STEPS = 25


class Program:
    """One browser of one user, and what happens to it."""

    def __init__(self, seed, clock, user):
        self.seed = seed
        self.random = random.Random(seed)  # noqa: S311 - programs are no secrets
        self.clock, self.user = clock, user
        self.off = override_settings(SESSIONSTORE_BIND_DEVICE=False)
        self.is_off = False
        self.browser = Browser(clock)
        self.faults: list[str] = []
        self.browser.fault = self._meet
        self.done: list[str] = []
        # The site has bound the session by now, and the browser has not heard of it.
        self.is_unheard = False

    # --- the network

    def _meet(self, what, send):
        """Let one of the faults that wait happen to a request of the binding's own."""
        fault = self.faults.pop() if self.faults else None
        if fault in (None, "answered"):
            response = send()
        elif fault == "dropped":
            response = None
        elif fault == "no library":
            with patch.object(dbsc, "_library", lambda: None):
                response = send()
        elif fault == "503":
            response = HttpResponse(status=503)
        else:
            served = send()
            response = None if fault == "answer dropped" else HttpResponse(status=502)
            if what == "register" and served.status_code == 200:
                self.is_unheard = True
                return response
        if what == "register" and fault in (None, "answered"):
            self.is_unheard = False  # Also where it was the second try.
        return response

    # --- steps

    def read(self):
        self.browser.reads()

    def write(self):
        self.browser.open("/remember/")

    def link(self):
        self.browser.open("/plain/", link=True)

    def wait(self):
        self.clock.advance(seconds=self.random.choice([1, 20, 61, 130, 400, 590, 640, 2000]))

    def sign_in(self):
        self.is_unheard = False
        self.browser.sign_in(self.user)

    def confirm(self):
        self.browser.open("/account/confirm/", "post", data={"password": PASSWORD})

    def confirm_beside(self):
        """The key changes while the browser proves itself with the former one."""
        late = self.browser.copied("sessionid")
        self.confirm()
        late.bindings = self.browser.bindings
        for bound in list(late.bindings):
            late.refresh(bound)
        self.browser.ends += late.ends

    def restart(self):
        self.browser.restart()

    def lose_cookie(self):
        self.browser.client.cookies.pop("sessionid_device", None)

    def fail(self):
        kinds = ["dropped", "answer dropped", "503", "502 after", "no library", "answered"]
        self.faults = self.random.choices(kinds, k=self.random.randint(1, 4))

    def turn(self):
        (self.off.disable if self.is_off else self.off.enable)()
        self.is_off = not self.is_off

    def race(self):
        """Two pages at once, of which one was sent before a refresh has ended."""
        late = self.browser.copied("sessionid", "sessionid_device")
        self.browser.reads()
        late.open("/remember/")

    weights = {
        "read": 6,
        "write": 4,
        "link": 2,
        "wait": 8,
        "sign_in": 1,
        "confirm": 1,
        "confirm_beside": 1,
        "restart": 1,
        "lose_cookie": 2,
        "fail": 3,
        "turn": 1,
        "race": 2,
    }

    def run(self):
        """Run the steps; return how often a sign-out was one that is named."""
        named = 0
        self.sign_in()
        for name in self.random.choices(list(self.weights), list(self.weights.values()), k=STEPS):
            self.done.append(name)
            getattr(self, name)()
            if self.faults:
                continue
            if self.browser.is_in():
                continue
            told = f"program {self.seed}, after {self.done}: {self.browser.log}"
            assert self.is_unheard, told
            named += 1
            self.sign_in()
            assert self.browser.is_in(), told
        if self.is_off:
            self.turn()
        assert set(self.browser.ends) <= {"continue false"}
        return named


def run_all(seeds, clock):
    told = Counter()
    user = get_user_model().objects.create_user("ann", password=PASSWORD)
    for seed in seeds:
        program = Program(seed, clock, user)
        with override_settings(SESSION_ENGINE=ENGINES[seed % 2]):
            told["named"] += program.run()
        told["own requests"] += len(program.browser.log)
        told["programs"] += 1
        Session.objects.all().delete()
    return told


def test_nobody_is_signed_out_by_a_binding(database, clock):
    """A hundred programs; the long run has a thousand."""
    told = run_all(range(100), clock)
    assert told["own requests"] > 300


@pytest.mark.soak
def test_nobody_is_signed_out_by_a_binding_for_long(database, clock):
    """Others than those above."""
    told = run_all(range(1000, 2000), clock)
    print(told)  # noqa: T201 - the figure of the long run
    assert told["own requests"] > 3000
