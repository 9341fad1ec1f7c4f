# SPDX-License-Identifier: Apache-2.0
"""The page in a real browser (Debian's Chromium through Playwright), on two servers: the mock with
made-up data for how the page behaves, and ours for the whole way."""
import os
import pathlib
import re
import shutil
import subprocess

import pytest
from playwright.sync_api import sync_playwright
from weir_server import free_port

ROOT = pathlib.Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def browser():
    executable = os.environ.get("WEIR_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    assert executable, "no Chromium: run tools/setup"
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox", "--disable-quic"])
        yield chromium
        chromium.close()


class Faults(list):
    """What a page must not do: throw, break its own content policy, ask another host."""

    def watch(self, page):
        page.on("pageerror", lambda error: self.append(f"exception: {error}"))
        page.on("console", self.on_console)
        page.on("request", self.on_request)

    def on_console(self, message):
        if message.type == "error" and "status of 4" not in message.text:
            self.append(f"console: {message.text}")

    def on_request(self, request):
        if not re.match(r"(https?|wss?)://127\.0\.0\.1[:/]|data:|blob:", request.url):
            self.append(f"foreign host: {request.url}")


@pytest.fixture
def page(browser):
    """A page of 1440 × 900; the test fails if it threw or broke its policy."""
    context = browser.new_context(viewport={"width": 1440, "height": 900}, permissions=["clipboard-read", "clipboard-write"])
    context.set_default_timeout(15000)
    page = context.new_page()
    faults = Faults()
    faults.watch(page)
    yield page
    context.close()
    assert not faults, "\n".join(faults)


def start_mock(build_dir, *extra):
    port = free_port()
    dist = build_dir / "ui" / "dist"
    process = subprocess.Popen(["node", str(ROOT / "ui/dev/mock.mjs"), "--port", str(port), "--ui", str(dist), *extra],
                               stdout=subprocess.PIPE, text=True)
    url = process.stdout.readline().strip()
    assert url.endswith("/ui/"), "the mock did not start"
    return process, url.rstrip("/")


@pytest.fixture(scope="session")
def mock(build_dir):
    """Address of the page on the mock's data."""
    process, url = start_mock(build_dir)
    yield url
    process.terminate()
    process.wait()


@pytest.fixture(scope="session")
def mock_empty(build_dir):
    """Address of the page on a server that holds nothing."""
    process, url = start_mock(build_dir, "--empty")
    yield url
    process.terminate()
    process.wait()
