"""Looks at pages as people see them: no serious barrier by axe-core, nothing wider than the screen, pictures.

Screenshots go to ``var/screenshots``, for a person; nothing is compared with them.
"""

from pathlib import Path
from typing import Any, Final

from playwright.sync_api import Page

AXE: Final = Path("web/node_modules/axe-core/axe.min.js")
SCREENSHOTS: Final = Path("var/screenshots")
SIZES: Final = ((1366, 768), (390, 844))
SCHEMES: Final = ("light", "dark")
BARRIERS: Final = ("serious", "critical")

_RUN_AXE = """async () => {
    const { violations } = await axe.run(document, { resultTypes: ["violations"] });
    return violations.flatMap(({ id, impact, help, nodes }) =>
        nodes.map((node) => ({ id, impact, help, target: node.target.join(" "), why: node.failureSummary })));
}"""


class Inspector:
    """Looks at pages in both sizes and both colour schemes, and collects what is wrong with them."""

    def __init__(self) -> None:
        self.faults: list[str] = []
        self._axe = AXE.read_text()
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)

    def look_at(self, page: Page, name: str) -> None:
        """Look at a page as it is now; `name` is of the screenshots."""
        for scheme in SCHEMES:
            for width, height in SIZES:
                page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
                page.set_viewport_size({"width": width, "height": height})
                where = f"{name}-{width}x{height}-{scheme}"
                page.screenshot(path=SCREENSHOTS / f"{where}.png", full_page=True, animations="disabled")
                page.evaluate(self._axe)
                found: list[dict[str, Any]] = page.evaluate(_RUN_AXE)
                self.faults += [
                    f"{where}: {fault['id']} ({fault['help']}) at {fault['target']}: {fault['why']}"
                    for fault in found
                    if fault["impact"] in BARRIERS
                ]
                if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
                    self.faults.append(f"{where}: wider than the screen")
        page.set_viewport_size({"width": SIZES[0][0], "height": SIZES[0][1]})
