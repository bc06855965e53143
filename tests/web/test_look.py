"""The organisation's look; and what goes with the number: checked as typed, contact card, QR code, ways around."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from playwright.async_api import Browser, expect
from web_gateway import GATEWAY, Gateway, MakeGateway

from mailgate import config
from mailgate.colours import LEAST, checked, contrast, parse, stylesheet
from mailgate.configured import web_settings
from mailgate.errors import ConfigError
from mailgate.keyfiles import new_ring, write_secret
from mailgate.offers.service import Rules
from mailgate.web.brand import MOST_LOGO_OCTETS, Logo, contact_card, logo_of
from mailgate.web.settings import TalkSettings

SVG = b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 4 2"><path fill="#07c" d="M0 0h4v2H0z"/></svg>'
ENGLISH = {"Accept-Language": "en"}
COLOURS = ("#0b6b4f", "#0066cc", "#b00020", "#000", "#5b2a86", "#876c00")


@pytest.mark.parametrize("colour", COLOURS)
def test_every_use_of_the_colour_can_be_read(colour: str) -> None:
    light, dark = (
        dict(re.findall(r"--([a-z-]+):(#\w+)", part)) for part in stylesheet(checked(colour)).split("@media")
    )
    for shown, grounds, least in ((light, ("#ffffff", "#f4f6f4"), LEAST), (dark, ("#181f1c", "#0f1412"), 7)):
        accent = parse(shown["accent"])
        for ground in (*grounds, shown["tint"]):
            assert contrast(accent, parse(ground)) >= least, (ground, shown)
        for button in ("accent", "accent-strong"):
            assert contrast(parse(shown[button]), parse(shown["on-accent"])) >= LEAST, (button, shown)


@pytest.mark.parametrize(("colour", "ratio"), [("#ffcc00", "1.4"), ("#fff", "1.0"), ("#8ab4f8", "1.9")])
def test_a_colour_that_cannot_be_read_is_refused_with_one_that_can(colour: str, ratio: str) -> None:
    with pytest.raises(ValueError, match=rf"contrast of {ratio} : 1 .* such as (#\w+)") as caught:
        checked(colour)
    assert checked(str(caught.value)[-7:])


@pytest.mark.parametrize("text", ["green", "#12", "#1234567", "0b6b4f", "#gggggg", "rgb(1,2,3)"])
def test_what_is_no_colour(text: str) -> None:
    with pytest.raises(ValueError, match="of the form #0b6b4f"):
        checked(text)


def configured(tmp_path: Path, web: str) -> config.Config:
    (tmp_path / "keys").mkdir(exist_ok=True)
    if not (tmp_path / "keys" / "token.keys").exists():
        write_secret(tmp_path / "keys" / "token.keys", new_ring("k1"))
    path = tmp_path / "mailgate.toml"
    path.write_text(
        '[gateway]\nname = "Example"\npublic_url = "https://call.example.org"\nnumber = "+33199000000"\nregion = "FR"\n'
        f"[web]\nbrowser_calls = false\n{web}\n"
    )
    return config.load(path)


def test_it_comes_from_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "logo.svg").write_bytes(SVG)
    settings = web_settings(configured(tmp_path, 'accent_color = "#06C"\nlogo_file = "logo.svg"'))
    assert (settings.accent, settings.logo) == ("#0066cc", Logo(suffix="svg", content=SVG))
    assert web_settings(configured(tmp_path, "")).logo is None
    with pytest.raises(ConfigError, match=r"mailgate.toml: web.accent_color: has a contrast of 1.4 : 1"):
        configured(tmp_path, 'accent_color = "#fc0"')
    with pytest.raises(ConfigError, match=r"web.logo_file: .*none.svg cannot be read: No such file"):
        web_settings(configured(tmp_path, 'logo_file = "none.svg"'))
    (tmp_path / "logo.png").write_bytes(SVG)
    with pytest.raises(ConfigError, match=r"web.logo_file: .*logo.png is not an image of a kind"):
        web_settings(configured(tmp_path, 'logo_file = "logo.png"'))


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("logo.svg", b"<html>", "not an image"),
        ("logo", SVG, "not an image"),
        ("logo.exe", SVG, "not an image"),
        ("logo.svg", SVG + b" " * MOST_LOGO_OCTETS, "are the most"),
    ],
)
def test_what_is_no_logo(name: str, content: bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        logo_of(name, content)


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_the_page_wears_it(make_gateway: MakeGateway, chromium: Browser, axe: str, scheme: str) -> None:
    gateway = await make_gateway(accent=checked("#5b2a86"), logo=Logo(suffix="svg", content=SVG))
    context = await chromium.new_context(locale="en-GB", color_scheme=scheme)  # type: ignore[arg-type]
    page = await context.new_page()
    await page.goto(f"{gateway.url}/a/{await gateway.open()}")
    assert await page.locator(".logo").evaluate("image => image.naturalWidth > 0 && image.complete")
    button = page.get_by_role("button", name="Call me now")
    shown = await button.evaluate("e => [getComputedStyle(e).backgroundColor, getComputedStyle(e).color]")
    assert shown[0] == ("rgb(91, 42, 134)" if scheme == "light" else shown[0]) != shown[1]
    await page.evaluate(axe)
    assert await page.evaluate("async () => (await axe.run()).violations.map(v => v.id)") == []
    await context.close()


def test_the_contact_card_is_a_vcard() -> None:
    card = contact_card("Lovelace; Byron, \\ Söhne\r\nX " + "ü" * 60, GATEWAY)
    lines = card.split(b"\r\n")
    assert lines[0] == b"BEGIN:VCARD" and lines[-2:] == [b"END:VCARD", b""]
    assert all(len(line) <= 75 for line in lines)
    assert all(line.decode() for line in lines[:-1])
    unfolded = card.decode().replace("\r\n ", "")
    assert "FN:Lovelace\\; Byron\\, \\\\ Söhne" in unfolded and "ü" * 60 in unfolded
    assert f"TEL;TYPE=WORK,VOICE:{GATEWAY}\r\n" in unfolded


async def test_the_number_can_be_saved(gateway: Gateway) -> None:
    page = (await gateway.client.get(f"/a/{await gateway.open()}", headers=ENGLISH)).text
    [path] = re.findall(r'href="([^"]+\.vcf)"', page)
    answer = await gateway.client.get(path)
    assert answer.headers["content-type"] == "text/vcard; charset=utf-8"
    assert answer.content == contact_card("Analytical Engines", GATEWAY)


async def test_the_qr_code_leads_to_the_page(make_gateway: MakeGateway, chromium: Browser) -> None:
    """Read by a browser's own drawing of it: every module is where another encoder's table says it is."""
    gateway = await make_gateway(public_url="https://call.example.org/x")
    token = await gateway.open()
    answer = await gateway.client.get(f"/a/{token}/qr.svg")
    assert answer.headers["content-type"] == "image/svg+xml" and answer.headers["cache-control"].startswith("private")
    segno = pytest.importorskip("segno")
    expected = io.StringIO()
    segno.make(f"https://call.example.org/x/a/{token}", micro=False, error="m").save(expected, kind="txt", border=4)
    modules = expected.getvalue().split()
    context = await chromium.new_context()
    page = await context.new_page()
    drawn = await page.evaluate(
        """async ([svg, size]) => {
          const image = new Image();
          const sized = svg.replace("<svg ", `<svg width="${size * 4}" height="${size * 4}" `);
          image.src = "data:image/svg+xml," + encodeURIComponent(sized);
          await image.decode();
          const canvas = new OffscreenCanvas(size * 4, size * 4), context = canvas.getContext("2d");
          context.drawImage(image, 0, 0);
          const { data } = context.getImageData(0, 0, size * 4, size * 4);
          return [...Array(size).keys()].map(y => [...Array(size).keys()].map(
            x => data[((y * 4 + 2) * size * 4 + x * 4 + 2) * 4] < 128 ? "1" : "0").join(""));
        }""",
        [answer.text, len(modules)],
    )
    assert drawn == modules
    assert (await gateway.client.get("/a/x/qr.svg")).status_code == 404
    await context.close()


async def test_the_qr_code_is_for_desks(gateway: Gateway, chromium: Browser) -> None:
    token = await gateway.open()
    for options, shown in (
        ({"viewport": {"width": 1280, "height": 900}}, True),
        ({"has_touch": True, "is_mobile": True, "viewport": {"width": 390, "height": 844}}, False),
    ):
        asked: list[str] = []
        context = await chromium.new_context(locale="en-GB", **options)
        page = await context.new_page()
        page.on("request", lambda request, asked=asked: asked.append(request.url))  # type: ignore[misc]
        await page.goto(f"{gateway.url}/a/{token}")
        image = page.get_by_role("img", name="QR code")
        await expect(image).to_be_visible(visible=shown)
        if shown:
            await image.scroll_into_view_if_needed()
            await expect(image).to_have_js_property("complete", True)
        assert any(url.endswith("/qr.svg") for url in asked) == shown
        assert {url.split("/")[2] for url in asked} == {gateway.url.removeprefix("http://")}, "no third party"
        await context.close()


@pytest.mark.parametrize(
    ("region", "typed", "said"),
    [
        ("FR", "01 99 00 56 78", "The number is complete."),
        ("FR", "199005678", "The number is complete."),
        ("FR", "+33 1 99 00 56 78", "The number is complete."),
        ("FR", "0049 30 123456", "The number is complete."),
        ("DE", "+33 1 99 00 56", "There are digits missing."),
        ("FR", "01 99", "There are digits missing."),
        ("FR", "01 99 00 56 78 9", "There are too many digits."),
        ("US", "1 (202) 555-0123", "The number is complete."),
        ("FR", "+999 1", ""),
        ("FR", "?", ""),
    ],
)
async def test_the_number_is_checked_as_it_is_typed(
    gateway: Gateway, chromium: Browser, region: str, typed: str, said: str
) -> None:
    context = await chromium.new_context(locale="en-GB")
    page = await context.new_page()
    await page.goto(f"{gateway.url}/a/{await gateway.open()}")
    await page.get_by_label("Country").select_option(region)
    await page.get_by_label("Your telephone number").press_sequentially(typed)
    check = page.locator("#number-check")
    if said != "There are digits missing.":
        await expect(check).to_have_text(said)
    else:
        await expect(check).to_have_text("")  # nobody is told so while typing
    await page.get_by_label("Your telephone number").press("Tab")
    await expect(check).to_have_text(said)
    await context.close()


async def test_numbers_that_cannot_be_called_have_other_ways(make_gateway: MakeGateway, chromium: Browser) -> None:
    gateway = await make_gateway(
        rules=Rules(uses=3, pin_digits=6), talk=TalkSettings(asterisk="127.0.0.1:9"), public_url="http://127.0.0.1"
    )
    context = await chromium.new_context(locale="en-GB")
    page = await context.new_page()
    await page.goto(f"{gateway.url}/a/{await gateway.open()}")
    await page.get_by_label("Your telephone number").fill("+55 11 96123-4567")
    await page.get_by_role("button", name="Call me now").click()
    await expect(page.locator("#number-error")).to_contain_text("cannot call numbers of that country")
    await expect(page.locator("#call")).to_contain_text("You can talk from this page instead")
    await expect(page.locator("#call")).to_contain_text("You can call +33 1 99 00 00 01 yourself instead")
    await expect(page.get_by_role("button", name="Talk from this page")).to_be_visible()
    await expect(page.locator(".pin")).to_have_text(re.compile(r"\d{3} \d{3}"))
    await context.close()


async def test_dialling_in_is_one_press_on_a_telephone(make_gateway: MakeGateway, chromium: Browser) -> None:
    gateway = await make_gateway(rules=Rules(uses=3, pin_digits=6))
    for touch in (True, False):
        context = await chromium.new_context(locale="en-GB", has_touch=touch, is_mobile=touch)
        page = await context.new_page()
        await page.goto(f"{gateway.url}/a/{await gateway.open()}")
        link = page.get_by_role("link", name="Dial with this telephone")
        await expect(link).to_be_visible(visible=touch)
        if touch:
            pin = (await page.locator(".pin").inner_text()).replace(" ", "")
            assert await link.get_attribute("href") == f"tel:{GATEWAY},,{pin}%23"
        await context.close()
