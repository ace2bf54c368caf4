"""What a test does without something that is not installed."""

import os
from typing import NoReturn

import pytest


def give_up(reason: str, *, whole_module: bool = False) -> NoReturn:
    """Skip, or under CI fail: what is missing must be named."""
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason, allow_module_level=whole_module)
