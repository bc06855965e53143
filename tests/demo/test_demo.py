"""scripts/demo for real: Postfix, mailgate, Asterisk, telephones, and Chromium before the page.

Each run is a process of its own; afterwards nothing that it has started may be left.
"""

from __future__ import annotations

import contextlib
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from lab.browser import with_voice
from lab.talk import IN_THE_PAGE
from lab.world import VOICES
from playwright.sync_api import Page, expect, sync_playwright

PROGRAM = Path(__file__).parents[2] / "scripts" / "demo_main.py"
CHROMIUM = "/usr/bin/chromium"

pytestmark = pytest.mark.timeout(240)


def command(*words: str) -> list[str]:
    return [sys.executable, str(PROGRAM), "--keep", *words]


def folder_in(output: str) -> Path:
    found = re.search(r"^Kept: (\S+)$", output, re.MULTILINE)
    assert found, output
    return Path(found[1])


def still_running(folder: Path) -> list[str]:
    """Command lines of processes that name the folder."""
    lines = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            lines.append(path.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
        except OSError:
            continue
    return [line for line in lines if str(folder) in line]


def ended(output: str) -> None:
    """Nothing of the run is left but its folder, which goes now."""
    folder = folder_in(output)
    assert (folder / "g" / "mailgate.toml").exists()
    assert still_running(folder) == []
    shutil.rmtree(folder)


@pytest.mark.claim("C11", "T1", "T5", "T7", "T9")
@pytest.mark.claim("C1", "C2", "C4", "C12", "C13", "C15", "C23", "C30")
def test_once_runs_from_letter_to_bridged_call_and_from_busy_line_to_page() -> None:
    done = subprocess.run(command("--once"), capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "✗" not in done.stdout
    first, second = re.split(r"(?m)^2  A call that fails", done.stdout)
    assert first.count("✓") == 17, first
    assert second.count("✓") == 11, second
    assert re.search(r"Ada’s very call is joined  the same Call-ID", second)
    ended(done.stdout)


def test_once_names_the_step_that_fails_shows_logs_and_stops_everything() -> None:
    abroad = command("--once", "--number", "+12125550100")  # only calls within the gateway's own country are allowed
    done = subprocess.run(abroad, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "Failed Ben gives his number and presses the button: the page answered 422" in done.stdout
    for name in ("mailgate", "Postfix", "Asterisk"):
        assert f"the end of what {name} wrote" in done.stdout
    ended(done.stdout)


@contextmanager
def demo(*words: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """The demo with its page; address and process. Ctrl-C ends it."""
    with subprocess.Popen(command("--no-browser", *words), stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            head = []
            for line in process.stdout:
                head.append(line)
                if found := re.search(r"http://\S+/", line):
                    yield found[0], process
                    break
            else:
                pytest.fail("".join(head))
        finally:
            process.send_signal(signal.SIGINT)
            output = process.stdout.read()
            status = process.wait(90)
    assert (status, "Everything is stopped." in output) == (128 + signal.SIGINT, True)
    ended(output)


def stroll(page: Page) -> None:
    """What a newcomer does: send, read, click, type, answer, press, talk, hang up."""
    page.get_by_role("button", name="Send").click()
    message = page.frame_locator("#message")
    offer = message.get_by_role("link", name="Ada Lovelace")
    expect(offer).to_be_visible(timeout=20_000)
    expect(message.locator("body")).not_to_contain_text(re.compile(r"99\W*00\W*12\W*34"))
    page.get_by_role("tab", name="What mailgate changed").click()
    gone = page.locator("#view-changes .gone mark")
    expect(gone.filter(has_text="+33 1 99 00 12 34").first).to_be_visible()
    page.get_by_role("tab", name="Message").click()

    offer.locator("img").click()
    accept = page.frame_locator("#page")
    accept.locator("#number").fill("01 99 00 00 02")
    accept.locator("#call button").click()

    ben, ada = page.locator("#phone-ben"), page.locator("#phone-ada")
    expect(ben).to_have_attribute("data-state", "ringing", timeout=20_000)
    expect(ben.locator(".caller")).to_have_text("shows +33 1 99 00 00 00")
    ben.get_by_role("button", name="Listen").click()
    ben.get_by_role("button", name="Answer").click()
    ben.get_by_role("button", name="Press 1").click()
    expect(ben.locator(".hears")).to_have_text("hears Ada", timeout=20_000)  # who answers by herself
    expect(ada.locator(".hears")).to_have_text("hears Ben")
    expect(page.locator("#bridge .says")).to_have_text("Ada and Ben are talking")
    expect(accept.locator("h1")).to_have_text("You are connected")
    ben.get_by_role("button", name="Hang up").click()
    expect(accept.locator("h1")).to_have_text("The call has ended")
    expect(ada.locator(".caller")).to_have_text("the other side hung up")


def two_ports() -> int:
    """The first of two ports that are free just now, below those that the demo takes for itself."""
    while True:
        port = random.randrange(8_000, 9_998)
        with socket.socket() as first, socket.socket() as second, contextlib.suppress(OSError):
            first.bind(("127.0.0.1", port))
            second.bind(("127.0.0.1", port + 1))
            return port


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """The demo's page in a Chromium whose microphone hears Ben; no script may fail on it."""
    voice = with_voice(VOICES["ben"], tmp_path_factory.mktemp("voice"))
    port = two_ports()
    with demo("--port", str(port)) as (url, _), sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", *voice])
        try:
            context = browser.new_context(viewport={"width": 1280, "height": 620}, locale="en")
            context.add_init_script(IN_THE_PAGE)
            page = context.new_page()
            errors: list[str] = []
            page.on("pageerror", lambda error: errors.append(str(error)))
            page.on("console", lambda said: errors.append(said.text) if said.type == "error" else None)
            assert url == f"http://127.0.0.1:{port}/"
            page.goto(url)
            assert page.locator("body").get_attribute("data-gateway") == f"http://127.0.0.1:{port + 1}"
            yield page
            assert errors == [], "the page's scripts complained"
        finally:
            browser.close()


def fits(page: Page) -> bool:
    """Nothing of it has to be scrolled to on a small laptop."""
    return bool(page.evaluate("document.documentElement.scrollHeight <= innerHeight"))


@pytest.mark.claim("T2", "T3", "T4")
def test_a_newcomer_sees_an_email_become_a_call(page: Page) -> None:
    stroll(page)
    assert fits(page)


@pytest.mark.claim("C2", "C4", "C23", "C30")
def test_a_newcomer_sees_a_busy_line_become_a_call(page: Page) -> None:
    page.get_by_role("link", name="A call that fails").click()
    ben, ada = page.locator("#phone-ben"), page.locator("#phone-ada")
    expect(ben.locator(".state")).to_have_text("Busy")
    page.get_by_role("button", name="Ada calls Ben").click()
    offer = page.get_by_role("log").get_by_role("listitem").filter(has_text="Ada Lovelace tried to call you")
    expect(ada.locator(".state")).to_have_text("In a call", timeout=20_000)
    call = page.locator("#held dd").first
    call_id = re.match(r"dial\w+", call.inner_text())
    offer.get_by_role("link").click()
    accept = page.frame_locator("#page")
    expect(accept.locator("h1")).to_have_text("Ada Lovelace is on the line now")
    accept.get_by_role("button", name="Talk from this page").click()
    accept.get_by_role("button", name="Call Ada Lovelace now").click()
    expect(page.locator("#bridge .says")).to_have_text("Ada and Ben are talking", timeout=20_000)
    expect(ada.locator(".hears")).to_have_text("hears Ben", timeout=20_000)
    assert call_id is not None
    assert call.inner_text().startswith(call_id[0]), "Ada is in another call than the one she began"
    assert fits(page)
    accept.get_by_role("button", name="Hang up").click()
    expect(accept.locator("h1")).to_have_text("The call has ended")
    expect(ada.locator(".caller")).to_have_text("the other side hung up")


@pytest.mark.claim("C6", "C7", "C18")
def test_what_ben_types_is_spoken_to_ada(page: Page) -> None:
    page.get_by_role("link", name="A call that fails").click()
    ada = page.locator("#phone-ada")
    cards = page.get_by_role("log").get_by_role("link")
    before = cards.count()
    page.get_by_role("button", name="Ada calls Ben").click()
    expect(cards).to_have_count(before + 1, timeout=20_000)
    number = page.locator("#screen .offer code").last.inner_text().removeprefix("offer ")
    expect(ada.locator(".state")).to_have_text("In a call", timeout=20_000)
    page.get_by_label("Ben types").fill(f"decline {number} In a meeting, back at four")
    page.get_by_role("button", name="Enter").click()
    expect(page.locator("#bridge .says")).to_have_text("Ada hears Ben’s words")
    expect(ada.locator(".hears")).to_have_text("hears a voice")
    expect(ada.locator(".caller")).to_have_text("the other side hung up", timeout=20_000)
