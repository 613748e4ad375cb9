"""A real Chromium without a window, driven over its own debugging protocol (CDP): what a person would see, click and type."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import shutil
import signal
import subprocess
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, Self

from aiohttp import ClientSession, WSMsgType

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

PATIENCE_S = 240.0
"""How long anything may take before a test gives up; nothing is measured with it."""
SCALE = 0.5
"""Pixels of the screen for each of the page's: without a graphics card every pixel costs."""
MISSING = "Chromium is not installed (Debian: apt-get install chromium), so the page cannot be looked at"

_FLAGS = (
    "--headless=new",
    "--no-sandbox",  # as root there is none
    "--disable-dev-shm-usage",
    "--disable-extensions",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-features=Translate,OptimizationHints,MediaRouter,DialMediaRouteProvider",
    "--no-first-run",
    "--no-default-browser-check",
    "--no-proxy-server",
    "--mute-audio",
    "--hide-scrollbars",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--remote-debugging-port=0",
)


def program() -> str | None:
    """Return where Chromium is."""
    return next((found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None)


class PageError(Exception):
    """A script in the page has failed."""


class Tab:
    """One page."""

    def __init__(self, browser: _Browser, session: str) -> None:
        self.complaints: list[str] = []
        """What the page has written to its console as a warning or error, and what failed in it."""
        self._browser = browser
        self._session = session
        browser.listeners[session] = self._on_event

    async def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call a method of the protocol."""
        return await self._browser.call(method, session=self._session, **parameters)

    async def open(self, url: str) -> None:
        """Go to an address and wait until it has loaded."""
        for domain in ("Page", "Runtime", "Log", "Network"):
            await self.call(f"{domain}.enable")
        await self.call("Page.navigate", url=url)
        await self.until("document.readyState === 'complete' && location.href !== 'about:blank'")

    async def evaluate(self, expression: str) -> Any:
        """Return what an expression gives; a promise is awaited.

        Raises:
            PageError: It throws.
        """
        answer = await self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise PageError(json.dumps(answer["exceptionDetails"])[:2000])
        return answer["result"].get("value")

    async def until(self, expression: str, *, within_s: float = PATIENCE_S) -> Any:
        """Evaluate an expression again and again until it is true, and return it."""
        loop = asyncio.get_running_loop()
        deadline_s = loop.time() + within_s
        while True:
            with suppress(PageError):
                found = await self.evaluate(expression)
                if found:
                    return found
            assert loop.time() < deadline_s, f"not within {within_s:g} s: {expression}; {self.complaints}"
            await asyncio.sleep(0.05)

    async def resize(self, width: int, height: int, *, scale: float = 1.0, phone: bool = False) -> None:
        """Give the page another size [CSS pixels]."""
        await self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=scale, mobile=phone)
        await self.call("Emulation.setTouchEmulationEnabled", enabled=phone)

    async def prefer(self, **media: str) -> None:
        """Emulate what the user prefers, such as `color_scheme="dark"`."""
        features = [{"name": f"prefers-{name.replace('_', '-')}", "value": value} for name, value in media.items()]
        await self.call("Emulation.setEmulatedMedia", features=features)

    async def click(self, x: float, y: float) -> None:
        """Click at a place [CSS pixels]."""
        await self.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)
        for kind in ("mousePressed", "mouseReleased"):
            await self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    async def press(self, key: str, *, text: str = "", shift: bool = False) -> None:
        """Press a key by its DOM name."""
        code = {"Tab": 9, "Enter": 13, "Escape": 27, " ": 32, "ArrowUp": 38, "ArrowDown": 40, "ArrowLeft": 37, "ArrowRight": 39}
        text = text or {"Enter": "\r", " ": " "}.get(key, "")
        common = {"key": key, "windowsVirtualKeyCode": code.get(key, 0), "modifiers": 8 if shift else 0}
        await self.call("Input.dispatchKeyEvent", type="keyDown", **common, **({"text": text} if text else {}))
        await self.call("Input.dispatchKeyEvent", type="keyUp", **common)

    async def type(self, text: str) -> None:
        """Insert text where the focus is."""
        await self.call("Input.insertText", text=text)

    async def screenshot(self, file: Path | None = None) -> bytes:
        """Return what is shown, as PNG."""
        data = base64.b64decode((await self.call("Page.captureScreenshot", format="png"))["data"])
        if file is not None:
            file.write_bytes(data)
        return data

    def _on_event(self, method: str, event: dict[str, Any]) -> None:
        if method == "Runtime.exceptionThrown":
            details = event["exceptionDetails"]
            self.complaints.append(f"{details['text']} {details.get('exception', {}).get('description', '')}")
        elif method == "Runtime.consoleAPICalled" and event["type"] in {"error", "warning", "assert"}:
            words = (str(one.get("value", one.get("description", ""))) for one in event["args"])
            self.complaints.append(f"{event['type']}: {' '.join(words)}")
        elif method == "Log.entryAdded" and event["entry"]["level"] in {"error", "warning"}:
            self.complaints.append(f"{event['entry']['text']} {event['entry'].get('url', '')}")


class _Browser:
    def __init__(self, socket: Any) -> None:
        self.listeners: dict[str, Any] = {}
        self._socket = socket
        self._number = 0
        self._answers: dict[int, asyncio.Future[dict[str, Any]]] = {}

    async def call(self, method: str, *, session: str | None = None, **parameters: Any) -> dict[str, Any]:
        self._number += 1
        number = self._number
        self._answers[number] = asyncio.get_running_loop().create_future()
        message = {"id": number, "method": method, "params": parameters}
        await self._socket.send_json(message | ({"sessionId": session} if session else {}))
        async with asyncio.timeout(PATIENCE_S):
            return await self._answers[number]

    async def listen(self) -> None:
        async for message in self._socket:
            if message.type is not WSMsgType.TEXT:
                break
            said = json.loads(message.data)
            if "id" in said:
                answer = self._answers.pop(said["id"])
                if answer.done():
                    continue
                if "error" in said:
                    answer.set_exception(PageError(said["error"]["message"]))
                else:
                    answer.set_result(said["result"])
            elif (listener := self.listeners.get(said.get("sessionId", ""))) is not None:
                listener(said["method"], said["params"])

    async def tab(self, context: str) -> Tab:
        target = (await self.call("Target.createTarget", url="about:blank", browserContextId=context))["targetId"]
        session = (await self.call("Target.attachToTarget", targetId=target, flatten=True))["sessionId"]
        return Tab(self, session)


class Chromium:
    """A browser of its own, with nothing in it. Ends with the block; each tab knows nothing of another."""

    def __init__(self, folder: Path, *flags: str, width: int = 800, height: int = 480) -> None:
        found = program()
        assert found is not None, MISSING
        self._size = width, height
        self._port = folder / "DevToolsActivePort"
        self._process = subprocess.Popen(
            [found, *_FLAGS, *flags, f"--window-size={width},{height}", f"--user-data-dir={folder}", "about:blank"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # so that its children end with it
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    @asynccontextmanager
    async def tab(self) -> AsyncIterator[Tab]:
        """Give a tab, which is closed with the block."""
        async with ClientSession() as client, client.ws_connect(await self._address(), max_msg_size=0) as socket:
            browser = _Browser(socket)
            listening = asyncio.create_task(browser.listen(), name="hear Chromium")
            try:
                context = (await browser.call("Target.createBrowserContext", disposeOnDetach=True))["browserContextId"]
                tab = await browser.tab(context)
                await tab.resize(*self._size, scale=SCALE)
                yield tab
                await browser.call("Target.disposeBrowserContext", browserContextId=context)
            finally:
                listening.cancel()
                await asyncio.gather(listening, return_exceptions=True)

    async def _address(self) -> str:
        """Return the WebSocket of the protocol, once Chromium has written which port it took."""
        loop = asyncio.get_running_loop()
        deadline_s = loop.time() + PATIENCE_S
        while True:
            with suppress(OSError, ValueError):
                port, path = self._port.read_text(encoding="utf-8").splitlines()[:2]
                return f"ws://127.0.0.1:{int(port)}{path}"
            assert self._process.poll() is None, "Chromium ended at once"
            assert loop.time() < deadline_s, "Chromium has not opened its debugging port"
            await asyncio.sleep(0.02)
