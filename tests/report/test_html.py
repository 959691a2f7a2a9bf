"""The report says what the analysis is, in a file that needs nothing else."""

import base64
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from fake_suite import Actor, evaluation, label
from hand_rows import LABELS, axis_label, declared, many, row

from robo_maxent.errors import UsageError
from robo_maxent.report import curve_figures, formatting, html, verdict
from robo_maxent.report.analysis import analyse
from robo_maxent.report.row_table import RowTable
from robo_maxent.report.rows import OUTCOMES, StressEpisode, identity

WALKER = Actor("walker", "mean", 0.0)
BASELINES = (
    Actor("zero action", "baseline", -0.3),
    Actor("hold pose", "baseline", -0.2),
)
OTHER = Actor("bold", "mean", 0.1)
VOID = {"meta", "link", "input", "br", "img"}
HOSTILE = '<script>alert("x")</script> & \'"quoted"'


class Page(HTMLParser):
    """Checks that elements close in order, and gathers what matters."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert not self.open, f"not closed: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] != "style":
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def written(path: Path, rows: list[StressEpisode], suite: dict[str, Any], **more: Any) -> Page:
    html.write(rows, suite, path, **more)
    return Page(path.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def full() -> tuple[list[StressEpisode], dict[str, Any]]:
    return evaluation((WALKER, OTHER, *BASELINES), each=16)


def test_the_same_rows_give_the_same_bytes(tmp_path: Path, full: Any) -> None:
    rows, suite = full
    html.write(rows, suite, tmp_path / "a.html")
    html.write(rows, suite, tmp_path / "deep/b.html")
    assert (tmp_path / "a.html").read_bytes() == (tmp_path / "deep/b.html").read_bytes()
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["b.html"]


def test_a_table_of_rows_gives_the_same_bytes(tmp_path: Path, full: Any) -> None:
    rows, suite = full
    html.write(rows, suite, tmp_path / "rows.html")
    read = html.Read()
    html.write(RowTable(read.watched(rows)), suite, tmp_path / "table.html", read=read)
    assert (tmp_path / "table.html").read_bytes() == (tmp_path / "rows.html").read_bytes()


def test_the_file_needs_nothing_else(tmp_path: Path, full: Any) -> None:
    page = written(tmp_path / "r.html", *full)
    assert "script" not in {tag for tag, _ in page.tags}
    linked = [a[name] for _, a in page.tags for name in ("src", "href", "data") if name in a]
    assert linked
    assert all(link and link.startswith(("data:", "#")) for link in linked)
    style = (tmp_path / "r.html").read_text(encoding="utf-8").split("</style>")[0]
    assert not re.search(r"url\(|@import|https?:", style)


def test_links_of_the_contents_lead_somewhere(tmp_path: Path, full: Any) -> None:
    page = written(tmp_path / "r.html", *full)
    ids = [a["id"] for _, a in page.tags if "id" in a]
    assert len(ids) == len(set(ids))
    links = {str(a["href"])[1:] for tag, a in page.tags if tag == "a"}
    assert links <= set(ids)


def test_every_picture_is_told_in_words_and_has_its_numbers(tmp_path: Path, full: Any) -> None:
    page = written(tmp_path / "r.html", *full)
    pictures = [a for tag, a in page.tags if tag == "svg"]
    assert len(pictures) > 30
    assert all(a.get("aria-hidden") == "true" or a.get("aria-label") for a in pictures)
    figures = sum(tag == "figure" for tag, _ in page.tags)
    tables = sum(tag == "table" for tag, _ in page.tags)
    assert tables >= figures


def test_numbers_of_the_page_are_those_of_the_analysis(tmp_path: Path, full: Any) -> None:
    rows, suite = full
    page, found = written(tmp_path / "r.html", rows, suite), analyse(rows, suite)
    for axis in found.axes.values():
        for curve in axis.success.values():
            for share in curve.shares if axis.is_scale else ():
                assert formatting.counted(share) in page.text
            if axis.is_scale:
                assert formatting.limit(axis, curve) in page.text
                assert formatting.area(curve.area) in page.text
    for recovery in found.recovery:
        for times in recovery.times.values():
            assert formatting.median(times) in page.text
    for breakdown in found.breakdowns:
        for cell in breakdown.grids["walker"].cells.values():
            assert formatting.counted(cell) in page.text


def test_strings_of_users_are_text_not_markup(tmp_path: Path) -> None:
    rows, suite = evaluation((Actor(HOSTILE, "mean", 0.0),), each=8)
    rows = [
        replace(
            row,
            case=f"{row.case}{HOSTILE}"
            if row.axis in ("terrain", "dead_joint", "push")
            else row.case,
            params={HOSTILE: 1},
        )
        for row in rows
    ]
    suite["axes"] = [
        axis | ({"unit": HOSTILE, "title": HOSTILE} if axis["name"] == "payload" else {})
        for axis in suite["axes"]
    ]
    suite |= {name: HOSTILE for name in ("suite", "task", "command", "date", "replay")}
    suite |= {"task_options": {HOSTILE: HOSTILE}, "versions": {HOSTILE: HOSTILE}}
    suite["safe_set"] = {HOSTILE: HOSTILE}
    page = written(tmp_path / "r.html", rows, suite, why_no_clips=HOSTILE)
    assert "script" not in {tag for tag, _ in page.tags}
    assert page.text.count('<script>alert("x")</script>') > 20
    names = {name for _, attributes in page.tags for name in attributes}
    assert not {name for name in names if "quoted" in name or name.startswith("on")}


def test_clips_are_inside_the_file(tmp_path: Path, full: Any) -> None:
    rows, suite = full
    failed = [row for row in rows if row.policy == "walker" and not row.success]
    (tmp_path / "b.mp4").write_bytes(b"another film")
    clips = {identity(failed[0]): b"a film", identity(failed[5]): tmp_path / "b.mp4"}
    page = written(tmp_path / "r.html", rows, suite, clips=clips)
    films = [str(a["src"]) for tag, a in page.tags if tag == "video"]
    assert [base64.b64decode(film.split(",")[1]) for film in films] == [b"a film", b"another film"]
    assert html.NO_CLIPS not in page.text


def test_clips_that_are_missing_are_said_so_at_the_top(tmp_path: Path, full: Any) -> None:
    rows, suite = full
    failed = next(row for row in rows if row.policy == "walker" and not row.success)
    page = written(tmp_path / "r.html", rows, suite, why_no_clips="No OpenGL library here.")
    assert page.text.index("No OpenGL library here.") < page.text.index("Where it breaks")
    assert html.NO_CLIPS in written(tmp_path / "r.html", rows, suite, clips={}).text
    clips = {identity(failed): tmp_path / "absent.mp4", "nobody/mean": b"x"}
    page = written(tmp_path / "r.html", rows, suite, clips=clips)
    assert f"Clips that can't be read: {identity(failed)}." in page.text
    assert "Clips of rows that are not in this evaluation: nobody/mean." in page.text


def test_where_nothing_failed_nobody_is_told_of_missing_clips(tmp_path: Path, full: Any) -> None:
    rows, suite = full
    perfect = [replace(row, success=True, terminated=False, outcome="success") for row in rows]
    page = written(tmp_path / "r.html", perfect, suite, clips={})
    assert "No episode at the severities of the suite failed by" in page.text
    assert html.NO_CLIPS not in page.text


def test_each_failure_has_the_command_that_replays_it(tmp_path: Path, full: Any) -> None:
    rows, suite = full
    found = analyse(rows, suite)
    page = written(tmp_path / "r.html", rows, suite | {"replay": "again --row {row}"})
    for failure in found.failures:
        assert (
            f"again --row '{identity(failure)}'" in page.text
            or f"again --row {identity(failure)}" in page.text
        )
    assert len(found.failures) == 12


def test_what_reproduces_it_is_there(tmp_path: Path, full: Any) -> None:
    rows, suite = full
    page = written(tmp_path / "r.html", rows, suite)
    assert suite["command"] in page.text
    assert f"begun {suite['date']} command" in page.text
    assert html.fingerprint(rows) in page.text
    for policy in suite["policies"]:
        assert policy["sha256"] in page.text
    for name, version in suite["versions"].items():
        assert f"{name} {version}" in page.text
    assert "capture impulse 9.6 N·s sideways, 14.2 N·s lengthwise" in page.text


def test_the_fingerprint_is_of_the_rows_and_their_order(full: Any) -> None:
    rows, _ = full
    before = html.fingerprint(rows)
    assert html.fingerprint([*rows[1:], rows[0]]) != before
    assert html.fingerprint([replace(rows[0], reward=1e9), *rows[1:]]) != before


def test_what_was_not_run_is_said_and_nothing_breaks(tmp_path: Path) -> None:
    page = written(tmp_path / "r.html", many(1, 1), {"axes": [*LABELS.values()]})
    assert "Not run: sudden slip, payload, pushes, " in page.text
    ids = {a["id"] for _, a in page.tags if "id" in a}
    assert "recovery" not in ids
    assert "breakdowns" not in ids
    assert "No episode at the severities of the suite failed by" in page.text
    assert "date not recorded" in page.text


@pytest.mark.parametrize("axis", ["nominal", "push", "dead_joint", "terrain_heldout", "combined"])
def test_any_axis_alone_makes_a_report(tmp_path: Path, axis: str) -> None:
    rows, suite = evaluation((WALKER, *BASELINES), each=12, axes=(axis,))
    page = written(tmp_path / "r.html", rows, suite)
    assert label(axis)["title"] in page.text


def test_an_axis_is_explained_where_it_stands(tmp_path: Path) -> None:
    suite = declared(friction=(1.0, 0.5))
    suite["axes"][0] = suite["axes"][0] | {"summary": "how the feet hold"}
    assert "how the feet hold" in written(tmp_path / "r.html", many(1, 2), suite).text


def test_a_map_of_few_episodes_says_how_many(tmp_path: Path) -> None:
    suite = declared(dead_joint=(0.0, 1.0))

    def page(count: int) -> str:
        one = {"axis": "dead_joint", "severity": 1.0}
        rows = [*many(1, count, case="FL_hip", **one), *many(2, 30, case="FR_hip", **one)]
        return written(tmp_path / "r.html", rows, suite).text

    assert "only 3 to 30 episodes a field" in page(3).lower()
    assert "episodes a field" not in page(30)


def test_every_curve_stands_out_from_its_card() -> None:
    """A contrast of 3, which the Web Content Accessibility Guidelines ask of graphics."""
    css = (Path(html.__file__).parent / "report.css").read_text()
    light, dark = css.split("@media", 1)[0], css.split("@media", 2)[1]
    for text in (light, dark):
        colours = dict(re.findall(r"--(card|[pbv]\d): (#[0-9a-f]{6})", light))
        colours |= dict(re.findall(r"--(card|[pbv]\d): (#[0-9a-f]{6})", text))
        card = luminance(colours.pop("card"))
        for name, colour in colours.items():
            dim, bright = sorted((luminance(colour), card))
            assert (bright + 0.05) / (dim + 0.05) >= 3.0, name


def luminance(colour: str) -> float:
    """Relative luminance of #rrggbb."""
    parts = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    linear = (x / 12.92 if x <= 0.03928 else ((x + 0.055) / 1.055) ** 2.4 for x in parts)
    return sum(w * x for w, x in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def test_sections_without_data_are_left_out_and_so_are_their_links(tmp_path: Path) -> None:
    def shown(rows: list[StressEpisode], suite: dict[str, Any]) -> list[str]:
        page = written(tmp_path / "r.html", rows, suite)
        ids = [str(a["id"]) for tag, a in page.tags if tag == "section"]
        skip, *links = [str(a["href"])[1:] for tag, a in page.tags if tag == "a"]
        assert skip == "results"
        assert ids == links
        return ids

    always = ["axes", "outcomes", "failures", "reproduce"]
    assert shown(many(1, 1), {}) == always
    assert shown(many(1, 1, axis="nominal"), {}) == always[1:]
    both = [*many(1, 2), *many(1, 2, mode="sampled"), *many(2, 2, policy="other")]
    assert shown(both, {}) == ["axes", "differences", "outcomes", "sampled", *always[2:]]
    strangers = [*many(1, 2), *many(2, 2, policy="other", seed=2)]
    assert shown(strangers, {}) == always
    scale = [*many(2, 2, severity=1.0), *many(1, 2, severity=0.5)]
    assert shown(scale, declared(friction=(1.0, 0.5))) == ["axes", "curves", *always[1:]]


def test_an_axis_that_only_the_suite_knows_is_in_every_section(tmp_path: Path) -> None:
    by_side = {"title": "side", "by": "case", "picture": "grid"}
    wind = axis_label("wind", "Steady wind", "N", phrase="in the wind", breakdowns=[by_side])
    rows = [
        *many(8, 8, axis="wind", severity=0.0),
        *many(6, 8, axis="wind", severity=10.0, case="left"),
        *many(2, 8, axis="wind", severity=10.0, case="right", seed=2),
    ]
    page = written(tmp_path / "r.html", rows, {"axes": [wind]})
    assert "Weakest: steady wind (90 % lost between" in page.text
    assert "Succeeds in 50 % [28, 72] in the wind (worst: right, 25 %)." in page.text
    assert "Steady wind 0 → 10 N" in page.text  # the ranking
    assert "Steady wind: share [95 %] of episodes" in page.text  # the curve
    shown = "Success by side: walker N → 10 left 75 right 25 Only 8 episodes a field Numbers"
    assert shown in page.text
    assert "Percent of episodes that succeeded: by side, from easy to hard." in page.text


def test_an_axis_that_not_even_the_suite_knows_is_reported(tmp_path: Path) -> None:
    rows = [*many(4, 4, axis="full_moon", severity=0.0), *many(1, 4, axis="full_moon")]
    page = written(tmp_path / "r.html", rows, declared(friction=(1.0,)))
    assert "Weakest: full moon (90 % lost between" in page.text
    assert "Full moon: share [95 %] of episodes" in page.text
    assert "Not run: foot friction." in page.text


def test_the_report_says_the_same_whatever_the_names_of_axes_are(tmp_path: Path, full: Any) -> None:
    """But for that of undisturbed episodes; titles, units and phrases are what it goes by."""
    rows, suite = full
    names = {name: f"axis_{place:02}" for place, name in enumerate(LABELS) if name != "nominal"}

    def renamed(saved: dict[str, Any], key: str) -> dict[str, Any]:
        return saved | {key: names.get(saved[key], saved[key])}

    others = [replace(row, axis=names.get(row.axis, row.axis)) for row in rows]
    other_suite = suite | {
        "axes": [renamed(each, "name") for each in suite["axes"]],
        "conditions": [renamed(each, "axis") for each in suite["conditions"]],
    }
    one, other = analyse(rows, suite), analyse(others, other_suite)
    assert verdict.verdicts(one, suite) == verdict.verdicts(other, other_suite)
    pages = (written(tmp_path / "r.html", r, s) for r, s in ((rows, suite), (others, other_suite)))
    here, there = (page.text.split("Failures to watch")[0] for page in pages)
    assert here == there


def test_every_outcome_has_its_colour() -> None:
    style = (html.FOLDER / "report.css").read_text(encoding="utf-8")
    for outcome in OUTCOMES:
        assert f".{html.outcome_class(outcome)} {{" in style
    assert html.outcome_class("policy error") == "o-policy-error"


def test_robots_with_other_joints_get_a_table(tmp_path: Path) -> None:
    rows, suite = evaluation((WALKER,), each=24, axes=("dead_joint",))
    rows = [replace(row, case=row.case.replace("FR_hip", "elbow")) for row in rows]
    page = written(tmp_path / "r.html", rows, suite)
    assert "some joints are in the table only" in page.text
    elbows = [row for row in rows if row.case == "elbow"]
    page = written(tmp_path / "r.html", elbows, suite)
    assert "Success by joint: walker joints → 1 elbow " in page.text  # no leg to draw it on


def test_the_weakest_axis_is_the_first_of_the_ranking_and_the_one_of_the_tile(
    tmp_path: Path, full: Any
) -> None:
    """Where most episodes fail is another matter: it depends on how far an axis was tested."""
    rows = [row for row in full[0] if row.policy in ("walker", "zero action")]
    suite, found = full[1], analyse(rows, full[1])
    page = written(tmp_path / "r.html", rows, suite)
    weak = [axis.label.title for axis, _ in verdict.weakest(found, "walker")]
    ranked = [axis.label.title for axis in html._ranking(found)]
    assert ranked[: len(weak)] == weak
    assert f"Weakest {weak[0]} " in page.text
    rest = [found.axes[name].disturbed["walker"].share for name in ("dead_joint", "locked_joint")]
    faults = [title for title in ranked if "joint" in title]
    assert (faults[0] == "One dead joint") == (rest[0] <= rest[1])
    assert set(ranked[len(weak) :]) >= {"One dead joint", "One locked joint"}


def test_several_policies_are_compared_in_pairs(tmp_path: Path, full: Any) -> None:
    rows, suite = full
    page, found = written(tmp_path / "r.html", rows, suite), analyse(rows, suite)
    assert "bold less walker" in page.text
    assert "← walker better bold better →" in page.text
    assert "all by the safe set of walker" in page.text
    for axis in found.axes.values():
        each, p = axis.differences["bold"], found.adjusted["bold", axis.label.name]
        told = (
            formatting.points(each.difference),
            formatting.better(each, p, "bold", "walker"),
            formatting.chance(p),
        )
        assert " ".join(told) in page.text
    words = {formatting.better(a.differences["bold"], 0.0, "b", "w") for a in found.axes.values()}
    assert words == {"b", "w"}
    alone = written(tmp_path / "r.html", [r for r in rows if r.policy != "bold"], suite)
    assert "Differences between policies" not in alone.text


def bars(picture: str) -> list[tuple[float, float]]:
    """Ends of the intervals of falls in a picture."""
    found = re.findall(
        r'<line x1="([\d.]+)" y1="[\d.]+" x2="([\d.]+)" [^>]*class="whisker', picture
    )
    return [(float(low), float(high)) for low, high in found]


@pytest.mark.parametrize("rising", [True, False])
def test_the_bar_of_a_fall_ends_at_the_frame_where_it_is_open(rising: bool) -> None:
    """Of 20, 19 succeed at both ends, or 18 and none, or 400 of 400 and none."""
    order = (0.0, 1.0) if rising else (1.0, 0.0)
    suite = {"conditions": [{"axis": "payload", "severity": s} for s in order]}

    def drawn(mild: int, hard: int, count: int) -> list[tuple[float, float]]:
        rows = [
            r
            for s, n in zip(order, (mild, hard), strict=True)
            for r in many(n, count, axis="payload", severity=s)
        ]
        found = analyse(rows, suite)
        figure = curve_figures.curves(found.axes["payload"], found, "success")
        return [(min(ends), max(ends)) for ends in bars(str(figure.picture))]

    left, right = curve_figures.LEFT, curve_figures.RIGHT
    assert drawn(19, 19, 20) == [(left, right)]
    inset = curve_figures.INSET
    assert drawn(18, 0, 20) == [(left, right - inset)]
    assert drawn(400, 0, 400) == [(left + inset, right - inset)]
    assert drawn(0, 0, 400) == [(left, left + inset)]


def test_an_interval_is_not_cut_by_the_end_of_a_line() -> None:
    assert html.unbroken("up to 1 kg [< 0, 2] or [1, 2]") == (
        "up to 1 kg [<\u00a00,\u00a02] or [1,\u00a02]"
    )


def test_a_suite_of_another_format_is_refused(tmp_path: Path, full: Any) -> None:
    rows, suite = full
    with pytest.raises(UsageError, match="the suite has format 1; this report reads 3"):
        html.write(rows, suite | {"format": 1}, tmp_path / "r.html")
    assert not (tmp_path / "r.html").exists()


def test_a_report_of_a_full_suite_is_small(tmp_path: Path) -> None:
    rows, suite = evaluation((WALKER,), each=112)
    assert len(rows) > 10_000
    html.write(rows, suite, tmp_path / "r.html")
    assert (tmp_path / "r.html").stat().st_size < 600_000


def test_a_failure_of_an_undisturbed_episode_has_no_severity() -> None:
    rows = [
        row(axis="nominal", severity=0.0, success=False, outcome="stuck"),
        row(axis="payload", severity=3.0, success=False),
    ]
    cards, _ = html._cards(analyse(rows, {}), rows, {}, {})
    titles = {card.title for card in cards}
    assert "Stuck: nominal" in titles
    assert "Fell: payload, 3" in titles
