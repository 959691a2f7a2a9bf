"""The report in a browser: nothing missing, nothing wider than the window, light and dark."""

import io
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import imageio.v3 as iio
import numpy as np
import pytest
from fake_suite import Actor, evaluation
from matplotlib.image import imread

from robo_maxent.report import html
from robo_maxent.report.analysis import analyse
from robo_maxent.report.rows import identity

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
CHROME = next(filter(None, map(shutil.which, BROWSERS)), None)
pytestmark = pytest.mark.skipif(CHROME is None, reason="needs Chromium or Chrome, and finds none")

CHECK = """<script>
addEventListener("load", async () => {
  const videos = [...document.querySelectorAll("video")];
  const ready = v => v.readyState > 0 || new Promise(d => {
    v.onloadedmetadata = v.onerror = d; setTimeout(d, 5000);
  });
  await Promise.all(videos.map(ready));
  const pictures = [...document.querySelectorAll("svg")];
  const shown = pictures.filter(p => p.getBoundingClientRect().width > 0);
  const cut = pictures.filter(p => !p.closest("figure") && !p.closest(".legend"));
  document.title = JSON.stringify({
    videos: videos.length,
    loaded: videos.filter(v => v.videoWidth === 64 && v.duration > 0.3).length,
    pictures: pictures.length,
    shown: shown.length,
    wider: document.documentElement.scrollWidth - innerWidth,
    paper: getComputedStyle(document.body).backgroundColor,
    ink: getComputedStyle(document.body).color,
    unstyled: [...document.querySelectorAll(".line")]
      .filter(e => getComputedStyle(e).stroke === "none").length,
  });
});
</script>"""


def film(path: Path) -> None:
    """Ten frames of a moving square."""
    frames = np.full((10, 64, 64, 3), 40, np.uint8)
    for step, frame in enumerate(frames):
        frame[20:40, 4 * step : 4 * step + 20] = 220
    iio.imwrite(path, frames, plugin="FFMPEG", fps=20)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    actors = (
        Actor("walker", "mean", 0.0),
        Actor("bold", "mean", 0.1),
        Actor("zero action", "baseline", -0.3),
    )
    rows, suite = evaluation((*actors, Actor("walker", "sampled", -0.1)), each=16)
    folder = tmp_path_factory.mktemp("report")
    film(folder / "a.mp4")
    failed = analyse(rows, suite).failures[:3]
    html.write(rows, suite, folder / "r.html", {identity(row): folder / "a.mp4" for row in failed})
    return folder / "r.html"


def browse(page: Path, *options: str) -> tuple[str, list[str]]:
    """The document after loading, and what the console said."""
    assert CHROME
    common = ("--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--v=0")
    profile = f"--user-data-dir={page.parent / 'profile'}"
    ran = subprocess.run(
        [CHROME, *common, profile, "--virtual-time-budget=8000", *options, page.as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return ran.stdout, [line for line in ran.stderr.splitlines() if "CONSOLE" in line]


def measured(page: Path, *options: str) -> dict[str, Any]:
    """What an added script finds; the policy of the page would refuse it, so that goes."""
    import json

    text = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", page.read_text())
    probe = page.with_name("probe.html")
    probe.write_text(text.replace("</head>", f"{CHECK}</head>"))
    document, console = browse(probe, "--dump-dom", *options)
    assert console == []
    title = re.search(r"<title>(.*?)</title>", document, re.DOTALL)
    assert title
    return json.loads(title[1])


def test_the_console_stays_silent_and_everything_loads(page: Path) -> None:
    _, console = browse(page, "--dump-dom")
    assert console == []
    found = measured(page, "--window-size=1280,900")
    assert found["videos"] == found["loaded"] == 3
    assert found["pictures"] > 40
    assert found["shown"] > 0.5 * found["pictures"]
    assert found["unstyled"] == 0


@pytest.mark.parametrize("width", [500, 1280])
def test_nothing_is_wider_than_the_window(page: Path, width: int) -> None:
    assert measured(page, f"--window-size={width},900")["wider"] <= 0


def test_light_and_dark_are_both_readable(page: Path) -> None:
    dark = "--blink-settings=preferredColorScheme=0"
    contrasts = []
    for options in ((), (dark,)):
        found = measured(page, *options)
        ink, paper = (luminance(found[name]) for name in ("ink", "paper"))
        contrasts.append((max(ink, paper) + 0.05) / (min(ink, paper) + 0.05))
        assert (ink > paper) == bool(options)
    assert min(contrasts) > 7  # AAA of the Web Content Accessibility Guidelines


def test_a_screenshot_is_not_empty(page: Path, tmp_path: Path) -> None:
    shot = tmp_path / "shot.png"
    browse(page, f"--screenshot={shot}", "--window-size=1280,2000", "--hide-scrollbars")
    image = imread(io.BytesIO(shot.read_bytes()))
    assert image.shape[:2] == (2000, 1280)
    assert len(np.unique((image[::4, ::4, :3] * 255).astype(int).reshape(-1, 3), axis=0)) > 30


def luminance(colour: str) -> float:
    """Relative luminance of ``rgb(r, g, b)`` after WCAG 2."""
    parts = [int(n) / 255 for n in re.findall(r"\d+", colour)[:3]]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
