"""The browser that the page is tested in."""

import os
import shutil
from typing import Final, TypedDict

from playwright.sync_api import Browser, BrowserContext, Playwright, StorageState, ViewportSize

NAMES: Final = (
    "chromium-headless-shell",  # without a window of its own to draw
    "chromium",
    "chromium-browser",
    "google-chrome-stable",
    "google-chrome",
)
ARGUMENTS: Final = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)

DESKTOP: Final = ViewportSize(width=1280, height=800)
PHONE: Final = ViewportSize(width=390, height=844)


def find_browser() -> str | None:
    """Where a browser is: `CHROMIUM`, else the usual names."""
    named = os.environ.get("CHROMIUM")
    return named or next((path for name in NAMES if (path := shutil.which(name))), None)


def launch(playwright: Playwright, path: str) -> Browser:
    """Speaks to nobody but the pages it is sent to."""
    return playwright.chromium.launch(executable_path=path, args=list(ARGUMENTS))


class Look(TypedDict, total=False):
    """How a browser is looked at."""

    phone: bool
    dark: bool


def new_context(
    browser: Browser,
    session: StorageState | None = None,
    *,
    phone: bool = False,
    dark: bool = False,
) -> BrowserContext:
    """A browser of its own, signed in by `session`; it shares cookies and storage with none."""
    return browser.new_context(
        storage_state=session,
        viewport=PHONE if phone else DESKTOP,
        has_touch=phone,
        is_mobile=phone,
        color_scheme="dark" if dark else "light",
        permissions=["clipboard-read", "clipboard-write"],
        locale="en-GB",
    )
