"""Puts the screenshots of the end-to-end browser test side by side, as docs/pictures/overview.png.

    scripts/test tests/end_to_end/test_e2e_browser.py && .venv/bin/python scripts/overview.py

Reads build/screenshots; needs Debian's chromium and the package playwright.
"""

from __future__ import annotations

import base64
from pathlib import Path

from playwright.sync_api import sync_playwright

ROOT = Path(__file__).parents[1]
SHOTS = ROOT / "build" / "screenshots"
TARGET = ROOT / "docs" / "pictures" / "overview.png"
STEPS = (("message", "The mail, with the number gone"), ("page", "The page"), ("connected", "The call"))


def figure(name: str, caption: str) -> str:
    image = base64.b64encode((SHOTS / f"{name}.png").read_bytes()).decode()
    return f'<figure><div><img src="data:image/png;base64,{image}"></div><figcaption>{caption}</figcaption></figure>'


def main() -> None:
    page_text = (
        "<style>body{margin:0;padding:28px;display:flex;gap:28px;background:#e7ece9;font:600 15px sans-serif;"
        "color:#2b3a34}figure{margin:0}div{width:390px;height:720px;overflow:hidden;border-radius:22px;background:#fff;"
        "box-shadow:0 6px 24px #0003}figcaption{text-align:center;padding-top:14px}</style>"
        + "".join(figure(name, caption) for name, caption in STEPS)
    )
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=["--no-sandbox", "--headless=new", "--disable-gpu"]
        )
        page = browser.new_page(viewport={"width": 1282, "height": 810})
        page.set_content(page_text)
        page.screenshot(path=TARGET)
        browser.close()


if __name__ == "__main__":
    main()
