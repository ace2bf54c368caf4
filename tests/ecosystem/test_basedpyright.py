"""A site with types under pyright, in the edition that brings its own Node."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.ecosystem import typed


@pytest.mark.parametrize("stubs", [True, False], ids=["django-stubs", "plain"])
def test_a_typed_site_has_no_errors_but_its_mistakes(tmp_path, stubs):
    """Strict with django-stubs; without them pyright guesses Django's types, in standard mode."""
    typed.write_site(tmp_path)
    config = {"typeCheckingMode": "strict" if stubs else "standard", "include": ["shop"]}
    (tmp_path / "pyrightconfig.json").write_text(json.dumps(config))
    python = typed.interpreter(tmp_path, stubs=stubs)
    ran = subprocess.run(
        [
            *(sys.executable, "-m", "basedpyright", "--outputjson", "--pythonpath", python),
            *typed.checked(stubs=stubs),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.stdout, ran
    found = {
        (f"shop/{Path(one['file']).name}", one["range"]["start"]["line"] + 1)
        for one in json.loads(ran.stdout)["generalDiagnostics"]
        if one["severity"] == "error"
    }
    assert typed.mistakes(found, stubs=stubs) == ([], []), ran.stdout
