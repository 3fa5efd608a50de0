"""What browser it is, in words that a person recognises in a list; no fingerprint, nothing else is kept."""

import re
from typing import Final

MAX_READ: Final = 500
"""Characters of a User-Agent that are looked at; it is untrusted."""

# The first that fits: most browsers also call themselves those further down.
_BROWSERS = (
    ("Edge", r"\bEdg(e|A|iOS)?/"),
    ("Opera", r"\bOPR/"),
    ("Samsung Internet", r"\bSamsungBrowser/"),
    ("Firefox", r"\b(Firefox|FxiOS)/"),
    ("Chrome", r"\b(Chrome|Chromium|CriOS|HeadlessChrome)/"),
    ("Safari", r"\bSafari/"),
    ("technician", r"^adhoc-technician\b"),
)
_SYSTEMS = (
    ("iPhone", r"\biPhone\b"),
    ("iPad", r"\biPad\b"),
    ("Android", r"\bAndroid\b"),
    ("Windows", r"\bWindows\b"),
    ("macOS", r"\bMac OS X\b|\bMacintosh\b"),
    ("ChromeOS", r"\bCrOS\b"),
    ("Linux", r"\bLinux\b|\bX11\b"),
)


def describe_agent(user_agent: str) -> str:
    """``Chrome on Windows``, ``Firefox``, or nothing where it is neither known nor likely to help."""
    text = user_agent[:MAX_READ]
    browser = next((name for name, pattern in _BROWSERS if re.search(pattern, text)), "")
    system = next((name for name, pattern in _SYSTEMS if re.search(pattern, text)), "")
    return " on ".join(part for part in (browser, system) if part)
