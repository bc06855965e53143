"""Pictures of every page in every state, as sheets in docs/pictures/: page-phone-light.png and its like.

    .venv/bin/python scripts/pictures.py [page|listening] [FOLDER]

Runs the walks (WALKS), or only that one, which put a picture of each state into FOLDER (otherwise build/pages) where
they are not there yet, and lays them side by side. Needs Debian's chromium, for the page that listens all that the
end-to-end tests do; pngquant, where it is there, makes the sheets a third of their size.
"""

from __future__ import annotations

import base64
import os
import shutil
import subprocess
import sys
from html import escape
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

ROOT = Path(__file__).parents[1]
TARGET = ROOT / "docs" / "pictures"
WALKS = {"page": "tests/web/test_states.py", "listening": "tests/end_to_end/test_e2e_listen_states.py"}
SHEETS = {  # columns, width and height of a tile
    "page-phone-light": (9, 195, 470),
    "page-phone-dark": (9, 195, 470),
    "page-phone-rtl": (9, 195, 470),
    "page-desk-light": (6, 320, 225),
    "page-desk-dark": (6, 320, 225),
    "listening-phone-light": (7, 195, 780),
    "listening-phone-dark": (7, 195, 780),
    "listening-phone-rtl": (7, 195, 780),
    "listening-desk-light": (4, 320, 225),
    "listening-desk-dark": (4, 320, 225),
}
STYLE = """
body { margin: 0; padding: 16px; display: grid; gap: 16px; justify-content: center; background: #8b9590 }
figure { margin: 0 } figcaption { font: 600 12px sans-serif; padding-block: 4px; color: #fff }
div { overflow: hidden; border-radius: 8px } img { width: 100%; display: block }
"""


def tile(picture: Path, width: int, height: int) -> str:
    name = picture.stem.partition(" ")[2]
    data = base64.b64encode(picture.read_bytes()).decode()
    return (
        f'<figure style="width:{width}px"><figcaption>{escape(name)}</figcaption>'
        f'<div style="height:{height}px"><img src="data:image/png;base64,{data}"></div></figure>'
    )


def sheet(browser: Browser, folder: Path, columns: int, width: int, height: int) -> Path:
    pictures = sorted(folder.glob("*.png"))
    page = browser.new_page(viewport={"width": columns * (width + 16) + 16, "height": 400})
    page.set_content(
        f"<style>{STYLE}body{{grid-template-columns:repeat({columns},{width}px)}}</style>"
        + "".join(tile(each, width, height) for each in pictures)
    )
    target = TARGET / f"{folder.name}.png"
    page.screenshot(path=target, full_page=True)
    page.close()
    return target


def main() -> None:
    wished = sys.argv[1:]
    walks = [wished.pop(0)] if wished and wished[0] in WALKS else list(WALKS)
    folder = Path(wished[0] if wished else ROOT / "build" / "pages").resolve()
    for walk in walks:
        if not any(folder.glob(f"{walk}-*")):
            test = [sys.executable, "-m", "pytest", "-q", WALKS[walk], "-k", "pictures"]
            subprocess.run(test, cwd=ROOT, env={**os.environ, "MAILGATE_PICTURES": str(folder)}, check=True)
    TARGET.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=["--no-sandbox", "--headless=new", "--disable-gpu"]
        )
        wanted = {name: sizes for name, sizes in SHEETS.items() if name.partition("-")[0] in walks}
        made = [sheet(browser, folder / name, *sizes) for name, sizes in wanted.items()]
        browser.close()
    if shutil.which("pngquant"):
        subprocess.run(["pngquant", "--force", "--ext", ".png", "--speed", "1", "--strip", "64", *made], check=True)
    for each in made:
        print(f"{each.relative_to(ROOT)}: {each.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
