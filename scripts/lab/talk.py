"""Talking from the accept page in Chromium, and what the page hears: see lab.browser for its microphone.

async with chromium(*with_voice(VOICES["ben"], folder)) as browser:
    page = await begin(browser, link)
    …
    assert abs(await hertz_heard(page) - VOICES["ada"]) < 15
"""

from __future__ import annotations

from playwright.async_api import Browser, Page, WebSocket, expect

IN_THE_PAGE = """
const real = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
navigator.mediaDevices.getUserMedia = (wanted) => real({ audio: { ...wanted.audio, echoCancellation: false,
  noiseSuppression: false, autoGainControl: false } });
window.sockets = [];
window.WebSocket = class extends WebSocket { constructor(...words) { super(...words); window.sockets.push(this); } };
"""  # a tone is what noise suppression suppresses
_HEARD = """async () => {
  const context = new AudioContext(), analyser = context.createAnalyser();
  analyser.fftSize = 8192;
  context.createMediaStreamSource(document.getElementById("talk-far").srcObject).connect(analyser);
  await new Promise((done) => setTimeout(done, 500));
  const found = new Float32Array(analyser.frequencyBinCount);
  analyser.getFloatFrequencyData(found);
  const loudest = found.indexOf(Math.max(...found)), hertz = loudest * context.sampleRate / analyser.fftSize;
  context.close();
  return found[loudest] > -60 ? hertz : 0;
}"""


def watch(socket: WebSocket, frames: list[str]) -> None:
    frames.append(socket.url)
    socket.on("framereceived", lambda frame: frames.append(str(frame)))


async def visit(browser: Browser, link: str, frames: list[str] | None = None) -> Page:
    """The page; `frames` takes what comes over its WebSocket: address, then frames."""
    context = await browser.new_context(viewport={"width": 390, "height": 844}, locale="en-GB")
    await context.add_init_script(IN_THE_PAGE)
    page = await context.new_page()
    if frames is not None:
        page.on("websocket", lambda socket: watch(socket, frames))
    await page.goto(link)
    return page


async def press(page: Page) -> None:
    """The presses up to the call."""
    await page.get_by_role("button", name="Talk from this page").click()
    await expect(page.get_by_label("Microphone")).to_be_visible()
    await page.get_by_role("button", name="Call Ada Lovelace now").click()


async def begin(browser: Browser, link: str, frames: list[str] | None = None) -> Page:
    """The page, and on it the presses up to the call."""
    page = await visit(browser, link, frames)
    await press(page)
    return page


async def hertz_heard(page: Page) -> float:
    """The loudest frequency that the page plays, listened to for half a second; 0 where it is silent."""
    return float(await page.evaluate(_HEARD))
