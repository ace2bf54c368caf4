"""A page as people see it: whether it fits each width, and what axe-core says of it."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

SCREENSHOTS = Path(__file__).parents[2] / "screenshots"
SCHEMES = ("light", "dark")
WIDTHS = (360, 800, 1280)
# Optimization: pictures are for eyes, and taken for those who ask; they cost as much as the rest.
# With them axe-core judges all six views, without them either scheme at either end of the widths.
PICTURES = os.environ.get("SESSIONSTORE_TEST_PICTURES") == "1"
JUDGED = {("light", 360), ("dark", 1280)}
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
# A colour that is on its way (Django's buttons take their time) is none to judge.
AUDIT = """async ([notOurs, rules]) => {
  for (const one of document.getAnimations())
    if (one.effect.getComputedTiming().endTime < Infinity) one.finish();
  const found = await axe.run({exclude: notOurs}, {runOnly: rules, preload: false});
  return found.violations
    .map((one) => `${one.id}: ${one.nodes.map((node) => node.html).join(" | ")}`);
}"""
TOO_WIDE = "document.scrollingElement.scrollWidth - innerWidth"


def judge(page: Any, axe: str, *, not_ours: Sequence[str] = ()) -> None:
    """Raise AssertionError for anything that axe-core objects to in what is shown now."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(axe)
    found = page.evaluate(AUDIT, [list(not_ours), RULES])
    assert not found, f"{page.url}: {'; '.join(found)}"


def look_at(page: Any, axe: str, name: str, *, not_ours: Sequence[str] = ()) -> None:
    """Look at the page that is open: nothing to scroll sideways, nothing that axe-core minds."""
    for scheme in SCHEMES:
        page.emulate_media(color_scheme=scheme)
        for width in WIDTHS:
            page.set_viewport_size({"width": width, "height": 800})
            wide = page.evaluate(TOO_WIDE)
            assert wide <= 0, f"{name} is {wide} pixels too wide at {width}"
            if PICTURES:
                SCREENSHOTS.mkdir(exist_ok=True)
                picture = SCREENSHOTS / f"{name}-{scheme}-{width}.png"
                page.screenshot(path=picture, full_page=True, animations="disabled")
            if PICTURES or (scheme, width) in JUDGED:
                judge(page, axe, not_ours=not_ours)
