"""A browser to test pages in: chromium, spoken to by its DevTools protocol over two pipes."""

from __future__ import annotations

import base64
import json
import os
import select
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

OPTIONS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-extensions",
    "--disable-background-networking", "--disable-component-update", "--hide-scrollbars",
    "--disable-dev-shm-usage", "--remote-debugging-pipe",
)  # fmt: skip
WITHIN = 60.0
"""Seconds after which the browser has not answered."""


class Browser:
    """A running browser with one tab. Remembers what the console said, and what was fetched."""

    def __init__(self, program: Path, folder: Path) -> None:
        to_browser, self._out = os.pipe()
        self._in, from_browser = os.pipe()
        options = [*OPTIONS, f"--user-data-dir={folder}"]
        # By their names: not every shell can copy pipes of numbers above 9.
        shell = f'exec "$0" "$@" 3</dev/fd/{to_browser} 4>/dev/fd/{from_browser}'
        self._process = subprocess.Popen(
            ["sh", "-c", shell, str(program), *options],
            pass_fds=(to_browser, from_browser), stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(to_browser)
        os.close(from_browser)
        self._number, self._rest, self._session = 0, b"", ""
        self.said: list[str] = []
        """Errors and warnings of the console, and exceptions that nobody caught."""
        self.fetched: list[str] = []
        """Addresses that pages asked for, their own among them."""
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        attached = self.send("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.send(f"{domain}.enable")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        self._process.kill()
        self._process.wait()
        os.close(self._in)
        os.close(self._out)

    def send(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call a method of the protocol and return its result."""
        self._number += 1
        call: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            call["sessionId"] = self._session
        data = json.dumps(call).encode() + b"\0"
        while data:
            data = data[os.write(self._out, data) :]
        while True:
            message = self._receive()
            if message.get("id") == self._number:
                assert "error" not in message, f"{method}: {message['error']}"
                result: dict[str, Any] = message["result"]
                return result

    def open(self, page: Path, fragment: str = "") -> None:
        """Open a page, and return when it has loaded; what was said before is forgotten."""
        # Of a page that differs by its fragment alone nothing would be loaded anew.
        for address in ("about:blank", page.as_uri() + fragment):
            self.said.clear()
            self.fetched.clear()
            self.send("Page.navigate", url=address)
            self.wait(f"document.readyState === 'complete' && location.href === '{address}'")

    def run(self, script: str) -> Any:
        """Return the value of an expression in the page; promises are awaited."""
        answer = self.send(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def wait(self, condition: str) -> None:
        """Wait until an expression in the page is true."""
        end = time.monotonic() + WITHIN
        while not self.run(condition):
            assert time.monotonic() < end, f"never came true: {condition}; {self.said}"
            time.sleep(0.02)

    def press(self, key: str, code: int, text: str = "") -> None:
        """Press a key and let it go."""
        whole = {"key": key, "code": key, "windowsVirtualKeyCode": code}
        more = {"text": text} if text else {}
        self.send("Input.dispatchKeyEvent", type="keyDown", **whole, **more)
        self.send("Input.dispatchKeyEvent", type="keyUp", **whole)

    def screen(self, width: int, height: int = 900, *, phone: bool = False) -> None:
        """Lay pages out on a screen of so many pixels."""
        self.send(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=height, deviceScaleFactor=1, mobile=phone,
        )  # fmt: skip

    @contextmanager
    def media(self, kind: str = "", **features: str) -> Iterator[None]:
        """Show pages in another medium (`print`), or to a user of other wishes, for a while."""
        found = [
            {"name": name.replace("_", "-"), "value": value} for name, value in features.items()
        ]
        self.send("Emulation.setEmulatedMedia", media=kind, features=found)
        try:
            yield
        finally:
            self.send("Emulation.setEmulatedMedia", media="", features=[])

    def shot(self, path: Path, *, whole: bool = True) -> None:
        """Save a picture of the page."""
        answer = self.send("Page.captureScreenshot", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(answer["data"]))

    def pdf(self) -> bytes:
        """Return the page as it is printed."""
        return base64.b64decode(self.send("Page.printToPDF", printBackground=True)["data"])

    def _receive(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            ready, _, _ = select.select([self._in], [], [], WITHIN)
            data = os.read(self._in, 1 << 20) if ready else b""
            assert data, "the browser is gone" if ready else "the browser does not answer"
            self._rest += data
        first, _, self._rest = self._rest.partition(b"\0")
        message: dict[str, Any] = json.loads(first)
        self._note(message.get("method", ""), message.get("params", {}))
        return message

    def _note(self, method: str, event: dict[str, Any]) -> None:
        if method == "Runtime.consoleAPICalled" and event["type"] in ("error", "warning", "assert"):
            self.said.append(str([each.get("value") for each in event["args"]]))
        elif method == "Runtime.exceptionThrown":
            self.said.append(str(event["exceptionDetails"]))
        elif method == "Log.entryAdded" and event["entry"]["level"] in ("error", "warning"):
            self.said.append(str(event["entry"]["text"]))
        elif method == "Network.requestWillBeSent":
            self.fetched.append(event["request"]["url"])
