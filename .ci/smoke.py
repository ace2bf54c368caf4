"""Set up a tiny project as the README tells, on the installed package, and log in over HTTP.

Run by .ci/release.py with the interpreter of an environment that holds the package and Django.
"""

import http.cookiejar
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from pathlib import Path

SETTINGS = """
INSTALLED_APPS.insert(0, "sessionstore")
INSTALLED_APPS.remove("django.contrib.sessions")
SESSION_ENGINE = "sessionstore.backends.sql"
MIDDLEWARE[1] = "sessionstore.middleware.SessionMiddleware"
LOGIN_REDIRECT_URL = "/admin/"
"""
URLS = """
from django.urls import include
urlpatterns.append(path("accounts/", include("sessionstore.urls")))
"""


def manage(folder: Path, *words: str) -> None:
    """Run a management command of the tiny project."""
    subprocess.run([sys.executable, "manage.py", *words], cwd=folder, check=True)


def log_in(address: str) -> str:
    """Sign in as a browser would, and answer the page behind the login."""
    cookies = http.cookiejar.CookieJar()
    opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(cookies))
    page = opener.open(f"{address}/accounts/login/").read().decode()
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page)
    assert token, page
    form = {"username": "ann", "password": "a-long-passphrase", "csrfmiddlewaretoken": token[1]}
    request = urllib.request.Request(
        f"{address}/accounts/login/", urllib.parse.urlencode(form).encode()
    )
    page = opener.open(request).read().decode()
    keys = [cookie.value for cookie in cookies if cookie.name == "sessionid"]
    assert len(keys) == 1, keys
    assert re.fullmatch("[0-9a-v]{40}", keys[0] or ""), "not one of our keys"
    return page


def wait_for(port: int, server: subprocess.Popen[bytes]) -> None:
    """Wait until the server answers, for as long as it runs: a busy machine is no fault of it."""
    for _ in range(1200):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        assert server.poll() is None, "the server has ended; see above"
        time.sleep(0.1)


def main() -> None:
    """Make the project, migrate it, serve it, log in."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        subprocess.run([sys.executable, "-m", "django", "startproject", "tiny", name], check=True)
        for file, lines in (("settings.py", SETTINGS), ("urls.py", URLS)):
            with (folder / "tiny" / file).open("a") as source:
                source.write(lines)
        os.environ |= {
            "DJANGO_SUPERUSER_PASSWORD": "a-long-passphrase",
            "DJANGO_SUPERUSER_USERNAME": "ann",
            "DJANGO_SUPERUSER_EMAIL": "ann@example.org",
        }
        manage(folder, "check")
        manage(folder, "migrate", "--verbosity=0")
        manage(folder, "createsuperuser", "--no-input")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        server = subprocess.Popen(
            [sys.executable, "manage.py", "runserver", "--noreload", f"127.0.0.1:{port}"],
            cwd=folder,
        )
        try:
            wait_for(port, server)
            page = log_in(f"http://127.0.0.1:{port}")
        finally:
            server.terminate()
            server.wait(10)
        assert "Site administration" in page, page
        sys.stdout.write("What is installed serves a login.\n")


if __name__ == "__main__":
    main()
