"""`python -m tests.browser.serve PORT CLOCK`: the demo site in a process of its own.

The file CLOCK holds how many seconds its clock is ahead; a test writes it.
"""

import os
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import django
import time_machine
from django.core.management import call_command

CLOCK = "SESSIONSTORE_TEST_CLOCK"


def follow_the_clock(get_response: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Be as far ahead as the test says, at each request."""
    state: dict[str, Any] = {"ahead": 0.0, "travel": None}

    def middleware(request: Any) -> Any:
        ahead = float(Path(os.environ[CLOCK]).read_text() or 0)
        if ahead != state["ahead"]:
            if state["travel"] is not None:
                state["travel"].stop()
            there = datetime.now(UTC) + timedelta(seconds=ahead)
            state["travel"], state["ahead"] = time_machine.travel(there), ahead
            state["travel"].start()
        return get_response(request)

    return middleware


def main() -> None:
    """Prepare the database file and serve until the process is ended."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.browser.settings"
    os.environ[CLOCK] = sys.argv[2]
    django.setup()
    from demo_site.accounts import make_demo_users  # noqa: PLC0415 - needs the apps

    call_command("migrate", verbosity=0)
    make_demo_users()
    address = f"127.0.0.1:{sys.argv[1]}"
    call_command("runserver", address, "--noreload", "--insecure", "--skip-checks", verbosity=0)


if __name__ == "__main__":
    main()
