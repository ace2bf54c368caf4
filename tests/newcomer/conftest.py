"""The browser of tests/browser; and nothing is collected unless .ci/newcomer.py drives it."""

from tests.browser.conftest import chromium, chromium_path, playwright  # noqa: F401
from tests.browser.test_newcomer import begun  # noqa: F401
from tests.harness.projects import INSTALLED

if not INSTALLED:
    collect_ignore_glob = ["test_*.py"]  # these need an environment with the package and allauth
