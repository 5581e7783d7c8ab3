"""report.html: one page without network that draws everything it is given, on a phone and on a desk."""

from __future__ import annotations

import html.parser
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tools.society.page.render import PageData, render

SLOTS = 96
REASON = "It waits: the utility asks less <tonight>."

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="install chromium (Debian: apt install chromium) to test the page")
QUIET = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--virtual-time-budget=5000",
]


def page_data() -> PageData:
    """A small society over one day, with every series filled."""
    ramp = list(range(SLOTS))
    return {
        "title": "A day & a night",
        "partial": False,
        "t0_s": 1613343600,
        "slot_s": 900,
        "slots": SLOTS,
        "attribution": ["Prices: ENTSO-E Transparency Platform."],
        "figures": {
            "cost_eur": 30.1,
            "cost_no_market_eur": 45.2,
            "cost_netting_eur": 38.1,
            "captured": None,
            "self_sufficiency": 0.4,
            "self_consumption": 0.8,
            "grid_peak_kw": 38.2,
            "unmet_ev_kwh": 0.0,
            "late_washers": 0,
            "freezer_minutes_too_warm": 0,
            "messages_per_device_slot": 0.61,
            "conservation_error_ueur": 0,
            "proofs_verified": 1234,
            "transactions": 567,
        },
        "prices": {"ask": [120_000] * SLOTS, "bid": [40_000] * SLOTS, "call": [None, *([80_000] * (SLOTS - 1))]},
        "energy_wh": {
            "load": [900] * SLOTS,
            "solar": ramp,
            "battery_out": ramp,
            "battery_in": ramp,
            "grid_import": ramp,
            "grid_export": ramp,
        },
        "imbalance_wh": {"short": ramp, "long": ramp},
        "devices": [
            {
                "name": "battery",
                "kind": "battery",
                "party": "society",
                "power_w": [None, *([-400] * (SLOTS - 1))],
                "position_w": [-300] * SLOTS,
                "reasons": [[0, 0], [40, 1]],
                "offline": [[20, 30]],
            },
            {
                "name": "grid-meter",
                "kind": "grid_meter",
                "party": "society",
                "power_w": [700] * SLOTS,
                "position_w": None,
                "reasons": [],
                "offline": [],
            },
        ],
        "texts": [REASON, "It sells."],
        "battery": {"stored_wh": [30_000] * SLOTS, "capacity_wh": 60_000, "offline": [[20, 30]]},
        "freezers": [{"name": "home-01-freezer", "temperature_mc": [-18_000] * SLOTS}],
        "freezer_band_mc": [-20_000, -16_000],
        "ev_sessions": [{"device": "home-01-ev", "from_slot": 3, "to_slot": 40, "needed_wh": 9_000, "delivered_wh": 8_000}],
        "sales": {"names": ["society", "home-01"], "wh": [[0, 500], [0, 0]]},
        "bills": [{"party": "home-01", "with_eur": 1.5, "without_eur": 2.5}],
    }


class Loads(html.parser.HTMLParser):
    """Collects every address that the page would load."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href", "srcset", "action")]


def test_the_page_loads_nothing() -> None:
    page = render(page_data())
    loads = Loads()
    loads.feed(page)
    assert loads.addresses == ["data:,"]
    assert not re.search(r"https?://|@import|url\(|fetch\(|XMLHttpRequest|WebSocket", page)


def test_the_title_is_text_not_markup() -> None:
    data = page_data()
    data["title"] = "</title><script>alert(1)</script>"
    page = render(data)
    assert page.count("<script") == 2
    assert "alert(1)</script>" not in page


@pytest.fixture(scope="module", params=[(390, 844), (1400, 1000)], ids=["phone", "desk"])
def drawn(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The page's DOM after Chromium drew it, at a phone's and a desk's width."""
    folder = tmp_path_factory.mktemp("page")
    probe = (
        "<script>setTimeout(() => { document.body.dataset.overflow = document.documentElement.scrollWidth > innerWidth;"
        "const c = document.querySelector('#power canvas'), b = c.getBoundingClientRect();"
        "c.dispatchEvent(new MouseEvent('click', {clientX: b.left + b.width / 4, clientY: b.top + 20})); }, 1500)</script>"
    )
    page = folder / "report.html"
    page.write_text(render(page_data()).replace("</body>", probe + "</body>"), encoding="utf-8")
    width, height = request.param
    return dump_dom(page, folder, width, height)


def dump_dom(page: Path, folder: Path, width: int, height: int) -> str:
    assert CHROMIUM is not None
    command = [
        CHROMIUM,
        *QUIET,
        f"--user-data-dir={folder}/profile",
        f"--window-size={width},{height}",
        "--dump-dom",
        page.as_uri(),
    ]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout


@needs_chromium
def test_chromium_draws_every_chart(drawn: str) -> None:
    body = re.search(r"<body[^>]*>", drawn)
    assert body is not None
    assert 'data-ready="1"' in body[0]
    assert "data-failed" not in body[0]
    undrawn = [
        match for match in re.findall(r'<div class="(?:chart|scroll)" id="\w+"[^>]*>', drawn) if 'data-drawn="1"' not in match
    ]
    assert not undrawn
    assert len(re.findall(r'data-drawn="1"', drawn)) >= 10


@needs_chromium
def test_nothing_makes_the_page_scroll_sideways(drawn: str) -> None:
    assert 'data-overflow="false"' in drawn


@needs_chromium
def test_pointing_at_an_appliance_tells_why(drawn: str) -> None:
    tip = re.search(r'<div id="tip".*?</div></div>', drawn, re.DOTALL)
    assert tip is not None
    assert "It waits: the utility asks less &lt;tonight&gt;." in tip[0]
    assert "metered: -400 W" in tip[0]
