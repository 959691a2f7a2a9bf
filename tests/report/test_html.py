"""The report says what the findings are, in a file that needs nothing else."""

import base64
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from fake_suite import Actor, evaluation
from hand_rows import many

from robo_maxent.errors import UsageError
from robo_maxent.report import formatting, html, plots
from robo_maxent.report.analysis import findings
from robo_maxent.report.rows import identity

WALKER = Actor("walker", "mean", 0.0)
NULLS = (Actor("zero action", "null", -0.3), Actor("hold pose", "null", -0.2))
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


def written(path: Path, rows: list[dict[str, Any]], suite: dict[str, Any], **more: Any) -> Page:
    html.write(rows, suite, path, **more)
    return Page(path.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def full() -> tuple[list[dict[str, Any]], dict[str, Any]]:
    return evaluation((WALKER, OTHER, *NULLS), each=16)


def test_the_same_rows_give_the_same_bytes(tmp_path: Path, full: Any) -> None:
    rows, suite = full
    html.write(rows, suite, tmp_path / "a.html")
    html.write([dict(reversed(row.items())) for row in rows], suite, tmp_path / "deep/b.html")
    assert (tmp_path / "a.html").read_bytes() == (tmp_path / "deep/b.html").read_bytes()
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["b.html"]


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


def test_numbers_of_the_page_are_those_of_the_findings(tmp_path: Path, full: Any) -> None:
    rows, suite = full
    page, found = written(tmp_path / "r.html", rows, suite), findings(rows, suite)
    for axis in found.axes.values():
        for curve in axis.success.values():
            for share in curve.shares if axis.is_scale else ():
                assert formatting.counted(share) in page.text
            if axis.is_scale:
                assert formatting.limit(axis, curve) in page.text
                assert formatting.area(curve.area) in page.text
    for times in found.recovery.values():
        assert formatting.median(times) in page.text
    for grid in (found.pushes["walker"], found.phases["walker"]):
        for cell in grid.cells.values():
            assert formatting.counted(cell) in page.text


def test_strings_of_users_are_text_not_markup(tmp_path: Path) -> None:
    rows, suite = evaluation((Actor(HOSTILE, "mean", 0.0),), each=8)
    for row in rows:
        if row["axis"] in ("terrain", "dead_joint", "push"):
            row["case"] = f"{row['case']}{HOSTILE}"
        row["unit"] = HOSTILE if row["axis"] == "payload" else row["unit"]
        row["draw"] = {HOSTILE: 1}
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
    failed = [row for row in rows if row["policy"] == "walker" and not row["success"]]
    (tmp_path / "b.mp4").write_bytes(b"another film")
    clips = {identity(failed[0]): b"a film", identity(failed[5]): tmp_path / "b.mp4"}
    page = written(tmp_path / "r.html", rows, suite, clips=clips)
    films = [str(a["src"]) for tag, a in page.tags if tag == "video"]
    assert [base64.b64decode(film.split(",")[1]) for film in films] == [b"a film", b"another film"]
    assert html.NO_CLIPS not in page.text


def test_clips_that_are_missing_are_said_so_at_the_top(tmp_path: Path, full: Any) -> None:
    rows, suite = full
    failed = next(row for row in rows if row["policy"] == "walker" and not row["success"])
    page = written(tmp_path / "r.html", rows, suite, why_no_clips="No OpenGL library here.")
    assert page.text.index("No OpenGL library here.") < page.text.index("Where it breaks")
    assert html.NO_CLIPS in written(tmp_path / "r.html", rows, suite, clips={}).text
    clips = {identity(failed): tmp_path / "absent.mp4", "nobody/mean": b"x"}
    page = written(tmp_path / "r.html", rows, suite, clips=clips)
    assert f"Clips that can't be read: {identity(failed)}." in page.text
    assert "Clips of rows that are not in this evaluation: nobody/mean." in page.text


def test_where_nothing_failed_nobody_is_told_of_missing_clips(tmp_path: Path, full: Any) -> None:
    rows, suite = full
    perfect = [row | {"success": True, "terminated": False, "outcome": "success"} for row in rows]
    page = written(tmp_path / "r.html", perfect, suite, clips={})
    assert "No episode failed." in page.text
    assert html.NO_CLIPS not in page.text


def test_each_failure_has_the_command_that_replays_it(tmp_path: Path, full: Any) -> None:
    rows, suite = full
    found = findings(rows, suite)
    page = written(tmp_path / "r.html", rows, suite | {"replay": "again --row {row}"})
    for row in found.failures:
        assert (
            f"again --row '{identity(row)}'" in page.text
            or f"again --row {identity(row)}" in page.text
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
    assert html.fingerprint([rows[0] | {"reward": 1e9}, *rows[1:]]) != before


def test_what_was_not_run_is_said_and_nothing_breaks(tmp_path: Path) -> None:
    bare = {"policy": "walker", "axis": "payload", "severity": 1.0, "survived": True}
    page = written(tmp_path / "r.html", [bare], {})
    assert page.text.count("Not run.") == 5
    assert "Not run: undisturbed, pushes, " in page.text
    assert "No episode failed." in page.text
    assert "date not recorded" in page.text


@pytest.mark.parametrize("axis", ["nominal", "push", "dead_joint", "terrain_heldout", "combined"])
def test_any_axis_alone_makes_a_report(tmp_path: Path, axis: str) -> None:
    rows, suite = evaluation((WALKER, *NULLS), each=12, axes=(axis,))
    page = written(tmp_path / "r.html", rows, suite)
    assert formatting.title(axis) in page.text


def test_robots_with_other_joints_get_a_table(tmp_path: Path) -> None:
    rows, suite = evaluation((WALKER,), each=24, axes=("dead_joint",))
    for row in rows:
        row["case"] = row["case"].replace("FR_hip", "elbow")
    page = written(tmp_path / "r.html", rows, suite)
    assert "some joints are in the table only" in page.text
    elbows = [row for row in rows if row["case"] == "elbow"]
    assert "success with it dead elbow " in written(tmp_path / "r.html", elbows, suite).text


def test_several_policies_are_compared_in_pairs(tmp_path: Path, full: Any) -> None:
    rows, suite = full
    page, found = written(tmp_path / "r.html", rows, suite), findings(rows, suite)
    assert "bold less walker" in page.text
    assert "← walker better bold better →" in page.text
    for axis in found.axes.values():
        each, p = axis.differences["bold"], found.adjusted["bold", axis.name]
        told = (
            formatting.points(each),
            formatting.better(each, p, "bold", "walker"),
            formatting.chance(p),
        )
        assert " ".join(told) in page.text
    words = {formatting.better(a.differences["bold"], 0.0, "b", "w") for a in found.axes.values()}
    assert words == {"b", "w"}
    alone = written(tmp_path / "r.html", [r for r in rows if r["policy"] != "bold"], suite)
    assert "Differences between policies" not in alone.text


def bars(picture: str) -> list[tuple[float, float]]:
    """Ends of the intervals of critical severities in a picture."""
    found = re.findall(
        r'<line x1="([\d.]+)" y1="[\d.]+" x2="([\d.]+)" [^>]*class="whisker', picture
    )
    return [(float(low), float(high)) for low, high in found]


@pytest.mark.parametrize("rising", [True, False])
def test_the_bar_of_a_critical_severity_ends_at_the_frame_where_it_is_open(rising: bool) -> None:
    """Of 20, 19 succeed at both ends, or 18 and none, or 400 of 400 and none."""
    order = (0.0, 1.0) if rising else (1.0, 0.0)
    suite = {"conditions": [{"axis": "payload", "severity": s} for s in order]}

    def drawn(mild: int, hard: int, count: int) -> list[tuple[float, float]]:
        rows = [
            r
            for s, n in zip(order, (mild, hard), strict=True)
            for r in many(n, count, axis="payload", severity=s)
        ]
        found = findings(rows, suite)
        figure = plots.curves(found.axes["payload"], found, "success")
        return [(min(ends), max(ends)) for ends in bars(str(figure.picture))]

    left, right = plots.LEFT, plots.RIGHT
    assert drawn(19, 19, 20) == [(left, right)]
    ((low, high),) = drawn(18, 0, 20)
    assert low == left
    assert left < high < right
    ((low, high),) = drawn(400, 0, 400)
    assert left < low < plots.LEFT + plots.INSET + 0.1 * (right - left) < right
    assert low < high
    assert drawn(0, 0, 400) == []


def test_an_interval_is_not_cut_by_the_end_of_a_line() -> None:
    assert html.unbroken("up to 1 kg [< 0, 2] or [1, 2]") == (
        "up to 1 kg [<\u00a00,\u00a02] or [1,\u00a02]"
    )


def test_a_suite_of_another_format_is_refused(tmp_path: Path, full: Any) -> None:
    rows, suite = full
    with pytest.raises(UsageError, match="the suite has format 2; this report reads 1"):
        html.write(rows, suite | {"format": 2}, tmp_path / "r.html")
    assert not (tmp_path / "r.html").exists()


def test_a_report_of_a_full_suite_is_small(tmp_path: Path) -> None:
    rows, suite = evaluation((WALKER,), each=110)
    assert len(rows) > 10_000
    html.write(rows, suite, tmp_path / "r.html")
    assert (tmp_path / "r.html").stat().st_size < 600_000
