"""A site with types under mypy, in strict mode."""

import os
import re
import subprocess
import sys

import pytest

from tests.ecosystem import typed

WITH_STUBS = """
[mypy]
strict = True
plugins = mypy_django_plugin.main

[mypy.plugins.django-stubs]
django_settings_module = settings
"""


@pytest.mark.parametrize("stubs", [True, False], ids=["django-stubs", "plain"])
def test_a_typed_site_has_no_errors_but_its_mistakes(tmp_path, stubs):
    """Each mistake is found, and nothing else is said."""
    typed.write_site(tmp_path)
    (tmp_path / "stubbed.ini").write_text(WITH_STUBS)
    python = typed.interpreter(tmp_path, stubs=stubs)
    ran = subprocess.run(
        [
            *(sys.executable, "-m", "mypy", "--python-executable", python),
            *("--config-file", "stubbed.ini" if stubs else "plain.ini"),
            *typed.checked(stubs=stubs),
        ],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path), "MYPYPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    found = re.findall(r"^(.+?):(\d+): error:", ran.stdout, re.MULTILINE)
    places = {(file, int(line)) for file, line in found}
    assert typed.mistakes(places, stubs=stubs) == ([], []), ran.stdout + ran.stderr
