"""Checks of SESSIONSTORE_ENCRYPT."""

from typing import Any

from django.core.checks import CheckMessage, Error

from sessionstore.conf import conf
from sessionstore.core import encryption


def check_library(**_: Any) -> list[CheckMessage]:
    """E060: sessions should be encrypted and the library for it is missing."""
    if not conf.encrypt or encryption.is_available():
        return []
    return [
        Error(
            "SESSIONSTORE_ENCRYPT is True, and the library for it is not installed.",
            hint="pip install 'django-sessionstore[encryption]', on every server.",
            id="sessionstore.E060",
        )
    ]


CHECKS = [check_library]
