"""`make matrix`: each supported Django on each Python it runs on, on SQLite."""

import os
from pathlib import Path

import nox

MATRIX = {
    "5.2": ["3.11", "3.12", "3.13"],
    "6.0": ["3.12", "3.13"],
    "6.1": ["3.12", "3.13"],
}

# pyenv's shims exist for interpreters that are not switched on; its own folders do not lie.
PYENV = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
# What `make newest-python` brings, behind all others: it needs a loader of its own.
NEWEST = Path(__file__).parent / ".cache" / "python" / "root" / "usr" / "bin"
os.environ["PATH"] = os.pathsep.join(
    [*map(str, sorted(PYENV.glob("versions/3.1[1-9]*/bin"))), os.environ["PATH"], str(NEWEST)]
)
UV = Path(__file__).parent / ".venv" / "bin" / "uv"
EXTRAS = ("mysql", "postgres", "encryption", "oidc", "devices", "redis", "progress", "telemetry")
nox.options.error_on_missing_interpreters = False
nox.options.reuse_venv = "yes"
nox.options.sessions = ["tests"]


@nox.session
@nox.parametrize(
    "python,django",
    [(python, django) for django, pythons in MATRIX.items() for python in pythons],
)
def tests(session: nox.Session, django: str) -> None:
    """Run all but the neighbours of tests/ecosystem, which have a say in versions themselves.

    uv.lock holds each Django: the groups django52, django60 and django61 of pyproject.toml exclude
    each other, and the first is what is installed unless another is asked for.
    """
    session.run_install(
        *(UV, "sync", "--quiet", "--frozen", "--no-default-groups", "--group", "test"),
        *("--group", "demo", "--group", "bench", "--group", f"django{django.replace('.', '')}"),
        *(part for extra in EXTRAS for part in ("--extra", extra)),
        env={"UV_PROJECT_ENVIRONMENT": session.virtualenv.location, "UV_PYTHON_DOWNLOADS": "never"},
        external=True,
    )
    session.run(
        *(
            "python",
            "-m",
            "pytest",
            "-q",
            "-n",
            "2",
            "--dist",
            "loadscope",
            "-m",
            "not soak and not browser",
        ),
        *session.posargs,
        env={"SESSIONSTORE_TEST_DATABASES": "sqlite", "CI": ""},
    )
