"""Runs a management command as a shell would."""

from io import StringIO

from django.core.management import call_command


def run(command: str, *arguments: str) -> str:
    """Return what the command prints. Raises CommandError with its exit code."""
    out = StringIO()
    call_command(command, *arguments, stdout=out, stderr=StringIO())
    return out.getvalue()
