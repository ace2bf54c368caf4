"""`python -m tests.browser.serve PORT FOLDER [CERTIFICATE]`: the demo site in a process of its own.

The file FOLDER/clock holds how many seconds its clock is ahead, FOLDER/faults what the server
answers without looking; a test writes them. FOLDER/requests is what has arrived, one JSON a line.
"""

import json
import os
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import django
import time_machine
from django.core.management import call_command
from django.http import HttpResponse

FOLDER = "SESSIONSTORE_TEST_FOLDER"


def folder() -> Path:
    """Where the test and the server leave each other word."""
    return Path(os.environ[FOLDER])


def note_requests(get_response: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Write down what arrived and what was answered; answer a fault that the test asks for."""

    def middleware(request: Any) -> Any:
        faults = folder() / "faults"
        status = json.loads(faults.read_text()).get(request.path) if faults.exists() else None
        response = HttpResponse(status=status) if status else get_response(request)
        seen = {
            "method": request.method,
            "path": request.path,
            "status": response.status_code,
            "cookies": sorted(request.COOKIES),
            "headers": dict(request.headers),
        }
        with (folder() / "requests").open("a") as file:
            file.write(f"{json.dumps(seen)}\n")
        return response

    return middleware


def follow_the_clock(get_response: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Be as far ahead as the test says, at each request."""
    state: dict[str, Any] = {"ahead": 0.0, "travel": None}

    def middleware(request: Any) -> Any:
        ahead = float((folder() / "clock").read_text() or 0)
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
    os.environ[FOLDER] = sys.argv[2]
    django.setup()
    from demo_site.accounts import make_demo_users  # noqa: PLC0415 - needs the apps

    call_command("migrate", verbosity=0)
    make_demo_users()
    if len(sys.argv) > 3:
        from demo_site import https  # noqa: PLC0415 - needs cryptography

        https.serve(int(sys.argv[1]), Path(sys.argv[3])).serve_forever()
    address = f"127.0.0.1:{sys.argv[1]}"
    call_command("runserver", address, "--noreload", "--insecure", "--skip-checks", verbosity=0)


if __name__ == "__main__":
    main()
