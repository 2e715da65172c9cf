"""A window of headless Chromium: pages in it, keys to it, and what it asked for and said."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from selenium.webdriver import Chrome
    from selenium.webdriver.remote.webelement import WebElement

FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-ipc-flooding-protection",
    "--host-resolver-rules=MAP * ~NOTFOUND",
)
HARMLESS = ("chrome:", "file:", "data:", "blob:", "about:")
"""Schemes of addresses that never leave the machine."""
PATIENCE = 5.0


def start(chromium: str, chromedriver: str, profile: Path) -> Chrome:
    """Start Chromium with the driver given, so that selenium has none to look for."""
    from selenium.webdriver import Chrome, ChromeOptions
    from selenium.webdriver.chrome.service import Service

    options = ChromeOptions()
    options.binary_location = chromium
    for flag in (*FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    return Chrome(options=options, service=Service(executable_path=chromedriver))


class Window:
    """The one window that all tests share; each opens its page anew."""

    def __init__(self, driver: Chrome, downloads: Path) -> None:
        self.driver = driver
        self.downloads = downloads
        self.cdp("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(downloads))

    def cdp(self, command: str, **arguments: Any) -> Any:
        """Send a command of the DevTools protocol."""
        return self.driver.execute_cdp_cmd(command, arguments)

    def open(
        self, page: Path, fragment: str = "", *, width: int = 1280, scripts: bool = True
    ) -> None:
        """Load the page, never from what is shown already."""
        self.size(width)
        self.cdp("Emulation.setScriptExecutionDisabled", value=not scripts)
        self.driver.get("about:blank")
        self.driver.get(page.as_uri() + fragment)

    def size(self, width: int, height: int = 900) -> None:
        """Give the window's inside this size."""
        self.cdp(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )

    def emulate(self, media: str = "", **features: str) -> None:
        """Emulate a medium and features such as `prefers_color_scheme="dark"`; none resets."""
        named = [{"name": n.replace("_", "-"), "value": v} for n, v in features.items()]
        self.cdp("Emulation.setEmulatedMedia", media=media, features=named)

    def run(self, script: str, *arguments: Any) -> Any:
        """What the body of a function returns in the page."""
        return self.driver.execute_script(script, *arguments)

    def find(self, selector: str) -> WebElement:
        """The first element that the selector matches."""
        return self.driver.find_element("css selector", selector)

    def text(self, selector: str) -> str:
        """The element's text, hidden or not, with its white space made plain."""
        script = "return document.querySelector(arguments[0]).textContent"
        return " ".join(self.run(script, selector).split())

    def press(self, *keys: str) -> None:
        """Press keys, one after the other, wherever the focus is."""
        from selenium.webdriver import ActionChains

        ActionChains(self.driver, duration=0).send_keys(*keys).perform()

    def wait(self, condition: Callable[[], Any], what: str) -> Any:
        """What the condition returns, once that is something."""
        end = time.monotonic() + PATIENCE
        while not (found := condition()):
            assert time.monotonic() < end, f"{what} did not come"
            time.sleep(0.02)
        return found

    def downloaded(self, name: str) -> str:
        """The text of a download, which is removed."""
        path = self.downloads / name
        self.wait(path.exists, name)
        text = path.read_text("utf-8")
        path.unlink()
        return text

    def requests(self) -> list[str]:
        """Addresses asked for since the last call, but for those that never leave the machine.

        What the policy stopped is not among them: the console tells of that.
        """
        found: dict[str, str] = {}
        for entry in self.driver.get_log("performance"):
            message = json.loads(entry["message"])["message"]
            params = message["params"]
            if message["method"] == "Network.requestWillBeSent":
                found[params["requestId"]] = params["request"]["url"]
            elif message["method"] == "Network.webSocketCreated":
                found[params["requestId"]] = params["url"]
            elif params.get("blockedReason") == "csp":
                found.pop(params["requestId"], None)
        return [url for url in found.values() if not url.startswith(HARMLESS)]

    def messages(self) -> list[str]:
        """What the console said since the last call."""
        return [f"{e['level']}: {e['message']}" for e in self.driver.get_log("browser")]
