"""JupyterLab on this machine in a real browser: just enough of it to open a lesson as a learner does."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

from selenium.webdriver import Chrome, ChromeOptions, Keys
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.wait import WebDriverWait

_Found = TypeVar("_Found")

START_S = 40.0
RUN_S = 60.0

# JupyterLab shows an exception as text on stderr.
_ERROR = '.jp-OutputArea [data-mime-type="application/vnd.jupyter.stderr"]'

_SETTINGS = {
    # Every cell stays in the page, so that what is looked for is there without scrolling.
    "@jupyterlab/notebook-extension:tracker": {"windowingMode": "none"},
    # A question about news would cover the page, and its answer would need the network.
    "@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False},
}


def missing_browser() -> str | None:
    """Return why no browser test can run here, or ``None`` if one can."""
    missing = [name for name in ("chromium", "chromedriver") if shutil.which(name) is None]
    return (
        f"{' and '.join(missing)} not found (on Debian: apt-get install chromium chromium-driver)" if missing else None
    )


@contextmanager
def jupyter_lab(folder: Path, state: Path) -> Iterator[str]:
    """Serve a folder with JupyterLab, all of whose own files stay under ``state``; yield its address with the token."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    token = secrets.token_hex(16)
    settings = state / "config" / "labconfig" / "default_setting_overrides.json"
    settings.parent.mkdir(parents=True)
    settings.write_text(json.dumps(_SETTINGS))
    environment = {key: value for key, value in os.environ.items() if key not in ("MPLBACKEND", "PYTHONWARNINGS")}
    environment |= {
        "JUPYTER_CONFIG_DIR": str(state / "config"),
        "JUPYTER_DATA_DIR": str(state / "data"),
        "JUPYTER_RUNTIME_DIR": str(state / "runtime"),
        "JUPYTERLAB_WORKSPACES_DIR": str(state / "workspaces"),
        "JUPYTERLAB_SETTINGS_DIR": str(state / "settings"),
        "IPYTHONDIR": str(state / "ipython"),
    }
    log_path = state / "jupyterlab.log"
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root"]
    options = {
        "ServerApp.ip": "127.0.0.1",
        "ServerApp.port": port,
        "ServerApp.port_retries": 0,
        "ServerApp.root_dir": folder,
        "IdentityProvider.token": token,
        "LabApp.extension_manager": "readonly",
        "LabApp.check_for_updates_class": "jupyterlab.NeverCheckForUpdate",
    }
    with log_path.open("w") as log:
        server = subprocess.Popen(
            [*command, *(f"--{key}={value}" for key, value in options.items())],
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        _wait_for_server(server, f"http://127.0.0.1:{port}/api/status?token={token}", log_path)
        yield f"http://127.0.0.1:{port}/lab/tree/{{path}}?token={token}"
    finally:
        # Asked politely the server stops its kernels too; if it does not listen, its process group is ended.
        server.terminate()
        try:
            server.wait(timeout=15)
        except subprocess.TimeoutExpired:
            os.killpg(server.pid, signal.SIGKILL)
            server.wait()


def _wait_for_server(server: subprocess.Popen[bytes], address: str, log_path: Path) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and server.poll() is None:
        with suppress(urllib.error.URLError, ConnectionError, TimeoutError), urllib.request.urlopen(address, timeout=5):
            return
        time.sleep(0.2)
    raise RuntimeError(f"JupyterLab did not start within {START_S:g} s:\n{log_path.read_text()[-2000:]}")


@contextmanager
def chromium(profile: Path) -> Iterator[Chrome]:
    """Start Debian's chromium without a window, with a profile of its own and without any way off this machine."""
    options = ChromeOptions()
    options.binary_location = str(shutil.which("chromium"))
    for argument in (
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--disable-dev-shm-usage",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--window-size=1280,1000",
        "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
        f"--user-data-dir={profile}",
    ):
        options.add_argument(argument)
    driver = Chrome(options=options, service=Service(shutil.which("chromedriver")))
    try:
        yield driver
    finally:
        driver.quit()


@contextmanager
def screenshot_on_failure(driver: Chrome, path: Path) -> Iterator[None]:
    """Keep what the page looked like when the block failed."""
    try:
        yield
    except BaseException:
        path.parent.mkdir(parents=True, exist_ok=True)
        driver.save_screenshot(str(path))
        raise


class LessonPage:
    """A notebook open in JupyterLab, used as a learner uses it: menus, the keyboard, and looking."""

    def __init__(self, driver: Chrome, address: str) -> None:
        self._driver = driver
        driver.get(address)
        self._wait(lambda: self._select(".jp-Notebook .jp-CodeCell"), "the notebook's cells", START_S)
        self._wait_until_idle()

    def run_all(self) -> None:
        """Choose Run → Run All Cells, and wait until the kernel has done all it will do."""
        with self._until_run(self._select(".jp-CodeCell")[0]):
            self._choose("Run", "runmenu:run-all")

    def cell_with(self, text: str) -> WebElement:
        """Return the only code cell whose source contains the text."""
        cells = [c for c in self._select(".jp-CodeCell") if text in self._content(c, ".jp-InputArea-editor")]
        assert len(cells) == 1, f"{len(cells)} cells contain {text!r}"
        return cells[0]

    def replace_source(self, cell: WebElement, source: str) -> None:
        """Type a new source over all that stands in a cell."""
        editor = cell.find_element(By.CSS_SELECTOR, ".cm-content")
        self._show(cell)
        editor.click()
        editor.send_keys(Keys.CONTROL, "a")
        # Inserted in one piece, because typed line by line the editor would add indentation of its own.
        self._driver.execute_cdp_cmd("Input.insertText", {"text": source})

    def run_cell(self, cell: WebElement) -> None:
        """Press Ctrl+Enter in a cell, and wait until the kernel is done."""
        self._show(cell)
        cell.find_element(By.CSS_SELECTOR, ".cm-content").click()
        with self._until_run(cell):
            cell.find_element(By.CSS_SELECTOR, ".cm-content").send_keys(Keys.CONTROL, Keys.ENTER)

    def output_of(self, cell: WebElement) -> str:
        """Return the text under a cell."""
        return self._content(cell, ".jp-OutputArea")

    def errors(self) -> list[str]:
        """Return the text of every error, and of every warning, in the notebook."""
        return [error.text for error in self._select(_ERROR)]

    def player_durations_s(self) -> list[float]:
        """Wait until each player has read its sound, and return the durations."""
        script = (
            "return [...document.querySelectorAll('.jp-OutputArea audio')]"
            ".map(a => a.readyState >= 1 ? a.duration : a.error ? -a.error.code : null)"
        )
        return self._wait(lambda: _if_complete(self._driver.execute_script(script)), "decoded players", 15)

    def figure_widths(self) -> list[int]:
        """Wait until the figures are decoded, and return their own widths in pixels."""
        script = (
            "return [...document.querySelectorAll('.jp-OutputArea .jp-RenderedImage img')]"
            ".map(i => i.complete ? i.naturalWidth : null)"
        )
        return self._wait(lambda: _if_complete(self._driver.execute_script(script)), "decoded figures", 15)

    @contextmanager
    def _until_run(self, cell: WebElement) -> Iterator[None]:
        """Wait after the block until the cell has a new number and nothing runs any more."""
        before = self._content(cell, ".jp-InputPrompt")
        yield
        self._wait(lambda: self._content(cell, ".jp-InputPrompt") not in (before, "[*]:"), "run of the cell", RUN_S)
        self._wait_until_idle()

    def _wait_until_idle(self) -> None:
        """Wait until no cell waits for its number and the status bar calls the kernel idle.

        The indicator in the toolbar says "idle" even before there is a kernel, and what is run then is lost.
        """
        script = (
            "return document.querySelector('#jp-main-statusbar')?.innerText.includes('| Idle') && "
            "![...document.querySelectorAll('.jp-InputPrompt')].some(p => p.textContent.includes('*'))"
        )
        self._wait(lambda: self._driver.execute_script(script), "an idle kernel", RUN_S)

    def _choose(self, menu: str, command: str) -> None:
        # Labels carry a shortcut letter in an element of their own, so the text is compared, not the markup.
        bar = self._wait(
            lambda: [i for i in self._select(".lm-MenuBar-item") if i.text.strip() == menu], f"the menu {menu}", 15
        )
        bar[0].click()
        item = self._wait(lambda: self._select(f'.lm-Menu-item[data-command="{command}"]'), command, 15)
        item[0].click()

    def _select(self, selector: str) -> list[WebElement]:
        return self._driver.find_elements(By.CSS_SELECTOR, selector)

    def _content(self, element: WebElement, selector: str) -> str:
        script = "return [...arguments[0].querySelectorAll(arguments[1])].map(e => e.innerText).join('\\n')"
        return str(self._driver.execute_script(script, element, selector))

    def _show(self, element: WebElement) -> None:
        self._driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", element)

    def _wait(self, look: Callable[[], _Found | None], what: str, limit_s: float) -> _Found:
        message = f"no {what} within {limit_s:g} s"
        found: Any = WebDriverWait(self._driver, limit_s, poll_frequency=0.25).until(lambda _: look() or False, message)
        return found  # type: ignore[no-any-return]


def _if_complete(values: list[Any]) -> list[Any] | None:
    """Return the values once there are some and none is still missing."""
    return values if values and None not in values else None
