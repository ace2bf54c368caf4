"""A progress bar on a terminal, where tqdm is installed."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def progress(total: Callable[[], int], *, wanted: bool) -> Iterator[Callable[[int], object]]:
    """Return what to tell each step's size to; ``total`` is asked only when somebody looks."""
    if not wanted or not sys.stderr.isatty():
        yield lambda _: None
        return
    try:
        from tqdm import tqdm  # noqa: PLC0415 - optional
    except ImportError:
        yield lambda _: None
        return
    with tqdm(total=total(), unit=" sessions", unit_scale=True, file=sys.stderr) as bar:
        yield bar.update
