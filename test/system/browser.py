"""A headless Chromium, driven by chromedriver over the WebDriver protocol (W3C), with nothing but the standard library.

Elements are found by CSS selectors in the page itself; keys and clicks go the way a person's do.  Chromium's own
protocol (cdp) emulates dark mode and narrow screens and takes pictures of the whole page.
"""

import base64
import json
import os
import re
import shutil
import signal
import subprocess
import urllib.error
import urllib.request
from pathlib import Path

from helpers import SLOW, end_with_us, make_dir, remove_dir, wait_until

DRIVER, CHROMIUM = shutil.which("chromedriver"), shutil.which("chromium") or shutil.which("google-chrome")
MISSING = None if DRIVER and CHROMIUM else "a browser is missing (Debian: apt install chromium chromium-driver)"

ELEMENT = "element-6066-11e4-a52e-4f735466cecf"  # the protocol's name for "this is an element"
KEYS = {"Tab": "\ue004", "Enter": "\ue007", "Space": " ", "Shift": "\ue008", "Escape": "\ue00c", "Home": "\ue011",
        "ArrowDown": "\ue015", "ArrowRight": "\ue014"}

# Containers have no user namespaces for its sandbox, and root must not use it; it sees our own pages only.
ARGUMENTS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
             "--disable-background-networking", "--disable-component-update", "--disable-sync",
             "--disable-default-apps", "--disable-extensions", "--disable-features=Translate,OptimizationHints",
             "--no-proxy-server", "--hide-scrollbars", "--window-size=1280,1600"]


class BrowserError(Exception):
    pass


class Browser:
    def __init__(self):
        self.dir = make_dir("pgu-web-")
        self.log_path = self.dir / "log"
        self.session = None
        self.process = self.spawn()
        try:
            self.address = f"http://127.0.0.1:{wait_until(self.port, 20, 'chromedriver listens')}"
            self.open()
        except BaseException:
            self.close()
            raise

    # ---- life ----

    def spawn(self):
        env = {**os.environ, "HOME": str(self.dir), "TMPDIR": str(self.dir), "TZ": "UTC", "LANG": "C.UTF-8"}
        with open(self.log_path, "wb") as log:
            return subprocess.Popen([DRIVER, "--port=0"], cwd=self.dir, env=env, stdin=subprocess.DEVNULL, stdout=log,
                                    stderr=log, start_new_session=True, preexec_fn=end_with_us(signal.SIGTERM))

    def port(self):
        if self.process.poll() is not None:
            raise BrowserError(f"chromedriver ended:\n{self.log_path.read_text(errors='replace')}")
        found = re.search(r"started successfully on port (\d+)", self.log_path.read_text(errors="replace"))
        return found and int(found[1])

    def open(self):
        options = {"binary": CHROMIUM, "args": [*ARGUMENTS, f"--user-data-dir={self.dir}/profile"]}
        made = self.call("POST", "/session", {"capabilities": {"alwaysMatch": {
            "goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"}}}})
        self.session = f"/session/{made['sessionId']}"

    def close(self):
        try:
            if self.session:
                self.call("DELETE", self.session)
        except (BrowserError, OSError):
            pass
        finally:
            try:
                os.killpg(self.process.pid, signal.SIGKILL)  # a session of its own: Chromium is in it
            except ProcessLookupError:
                pass
            self.process.wait()
            remove_dir(self.dir)

    def call(self, method, path, body=None):
        data = None if method in ("GET", "DELETE") else json.dumps(body or {}).encode()
        request = urllib.request.Request(self.address + path, data, {"Content-Type": "application/json"}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60 * SLOW) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as e:
            value = json.load(e)["value"]
            raise BrowserError(f"{value['error']}: {value['message']}") from None

    def do(self, path, **body):
        return self.call("POST", f"{self.session}/{path}", body)

    def cdp(self, command, **parameters):
        return self.do("goog/cdp/execute", cmd=command, params=parameters)

    # ---- pages ----

    def get(self, url):
        self.do("url", url=url)

    def js(self, body, *args):
        """Run the body of a function with these arguments; what it returns."""
        return self.do("execute/sync", script=body, args=args)

    def wait(self, body, *args, seconds=15, what=None):
        """Until such a function returns something true."""
        return wait_until(lambda: self.js(body, *args), seconds, what or body)

    def text(self, selector):
        return self.js("const e = document.querySelector(arguments[0]); return e && e.innerText", selector)

    def texts(self, selector):
        return self.js("return [...document.querySelectorAll(arguments[0])].map((e) => e.innerText)", selector)

    def element(self, selector):
        return self.do("element", using="css selector", value=selector)[ELEMENT]

    def click(self, selector):
        self.do(f"element/{self.element(selector)}/click")

    def type(self, selector, text):
        self.do(f"element/{self.element(selector)}/value", text=text)

    def press(self, *keys):
        """One after the other; "Shift+Tab" holds Shift."""
        steps = []
        for key in keys:
            names = [KEYS.get(k, k) for k in key.split("+")]
            steps += [{"type": "keyDown", "value": k} for k in names]
            steps += [{"type": "keyUp", "value": k} for k in reversed(names)]
        self.do("actions", actions=[{"type": "key", "id": "keyboard", "actions": steps}])

    # ---- looks ----

    def scheme(self, name, motion="no-preference"):
        """light or dark"""
        self.cdp("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": name},
                                                         {"name": "prefers-reduced-motion", "value": motion}])

    def size(self, width, height=1600):
        self.cdp("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)

    def picture(self, path, whole=True):
        """A PNG of the page, to its end or as much as the window shows."""
        taken = self.cdp("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        Path(path).write_bytes(base64.b64decode(taken["data"]))

    # ---- what it complained of, and where it went, since the last time ----

    def complaints(self):
        """Of the console: errors, and violations of the Content-Security-Policy."""
        return [entry["message"] for entry in self.do("se/log", type="browser") if entry["level"] in ("SEVERE", "WARNING")]

    def requests(self):
        """Addresses of all requests."""
        entries = [json.loads(e["message"])["message"] for e in self.do("se/log", type="performance")]
        return [e["params"]["request"]["url"] for e in entries if e["method"] == "Network.requestWillBeSent"]
