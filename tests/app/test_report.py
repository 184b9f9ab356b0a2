"""The report: whole and alone, whatever there is to show; in a browser without errors, sorted, on a phone too."""

import base64
import dataclasses
import hashlib
import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser

import matplotlib
import numpy as np
import pytest

from gm_multimodal.app.evaluate.command import evaluate
from gm_multimodal.app.evaluate.figure_table import Table
from gm_multimodal.app.evaluate.inputs import Rejected
from gm_multimodal.app.evaluate.report.page import page as page_of
from gm_multimodal.printable import printable
from gm_multimodal.protein.metrics import ramachandran
from gm_multimodal.protein.metrics.figures import Definition
from gm_multimodal.protein.output import write_trajectory
from gm_multimodal.protein.structure import read_backbone
from tests.app.evaluations import config

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
LENGTHS = {"2zig_B_218": 78, "3c4s_A_1": 57, "3op9_A_6": 69, "3w0e_A_1": 68, "4kmf_A_1": 62}


@pytest.fixture(scope="module")
def folder(tmp_path_factory, data_folder, small_dataset):
    """A run folder with five designs, a trajectory, a configuration and a broken file, evaluated."""
    run = tmp_path_factory.mktemp("run")
    for name in LENGTHS:
        shutil.copy(data_folder / f"{name}.pdb", run)
    (run / "broken.pdb").write_text("</script><b>no structure")
    (run / "config.yaml").write_text("length: 69\nmade_with: {checkpoint_digest: 0123456789abcdef}\n")
    (run / "trajectories").mkdir()
    [chain] = read_backbone(data_folder / "3op9_A_6.pdb")
    frames = np.stack([chain.coordinates * scale for scale in (0.2, 0.6, 1.0)])
    write_trajectory(run / "trajectories" / "3op9_A_6.pdb", [dataclasses.replace(chain, coordinates=x) for x in frames])
    evaluate(config(run, run / "evaluation", reference=str(small_dataset), most_candidates=4))
    return run / "evaluation"


@pytest.fixture(scope="module")
def page(folder) -> str:
    return (folder / "report.html").read_text(encoding="utf-8")


def data_of(page: str) -> dict:
    return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.S)[1])


def digest_of(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


class Parsed(HTMLParser):
    """Tags with the names of their attributes, the texts of styles and scripts, the policy."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags, self.texts, self.policy, self._raw = set(), {"style": [], "script": []}, "", None
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        self.tags.add((tag, tuple(sorted(attributes))))
        if attributes.get("http-equiv") == "Content-Security-Policy":
            self.policy = attributes["content"]
        self._raw = tag if tag in self.texts and "type" not in attributes else None

    def handle_endtag(self, tag):
        self._raw = None

    def handle_data(self, data):
        if self._raw:
            self.texts[self._raw].append(data)


def test_the_policy_allows_the_page_its_own_style_and_scripts_alone(page):
    parsed = Parsed(page)
    rules = dict(rule.strip().split(" ", 1) for rule in parsed.policy.split(";"))
    assert rules["default-src"] == "'none'"
    assert rules["img-src"] == "data:"
    assert rules["style-src"].split() == [digest_of(text) for text in parsed.texts["style"]]
    assert rules["script-src"].split() == [digest_of(text) for text in parsed.texts["script"]]
    assert len(parsed.texts["script"]) == 2
    assert not any("style" in names for _, names in parsed.tags)


PAYLOADS = (
    "<img src=x onerror=alert(1)>",
    "\"><svg onload='alert(1)'>",
    "</script><script>alert(1)</script>",
    "<!--\u2028\x00&lt;",
    "\u202egpj\x1b[31m",
)


def spoilt(value, payload):
    """The same value with a payload at the end of every string in it, keys left alone."""
    if isinstance(value, str):
        return value + payload
    if isinstance(value, dict):
        return {name: spoilt(item, payload) for name, item in value.items()}
    return value


@pytest.fixture(scope="module")
def found(tmp_path_factory, data_folder, small_dataset):
    """What an evaluation gives to the report."""
    run, calls = tmp_path_factory.mktemp("found"), []
    for name in LENGTHS:
        shutil.copy(data_folder / f"{name}.pdb", run)
    (run / "broken.pdb").write_text("no structure")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("gm_multimodal.app.evaluate.command.write_report", lambda *given: calls.append(given[1:]))
        evaluate(config(run, run / "evaluation", reference=str(small_dataset), most_candidates=4))
    return run, *calls[0]


def spoilt_page(found, payload: str) -> str:
    """The page with a payload in every string of the results and of the configuration."""
    run, results, rejected = found
    (run / "config.yaml").write_text(json.dumps({"made_with": {"checkpoint": f"base{payload}"}}), encoding="utf-8")
    table = results.table
    structures = [
        replace(s, name=s.name + payload, file=str(run / (f"{k}{payload}".replace("/", "_") + ".pdb")))
        for k, s in enumerate(table.structures)
    ]
    definitions = {
        name: Definition(**spoilt(vars(definition), payload)) for name, definition in table.definitions.items()
    }
    rows = [{name: spoilt(value, payload) for name, value in row.items()} for row in table.rows]
    changed = replace(
        results,
        table=Table(structures, definitions, rows, [spoilt(dict(reasons), payload) for reasons in table.reasons]),
        across={
            kind: {name: spoilt(dict(entry), payload) for name, entry in entries.items()}
            for kind, entries in results.across.items()
        },
        reference=results.reference + payload,
    )
    return page_of(changed, [Rejected(item.file + payload, item.reason + payload) for item in rejected])


@pytest.mark.parametrize("payload", PAYLOADS)
def test_text_from_files_adds_no_tag_and_no_attribute(found, payload):
    harmless, harmful = Parsed(spoilt_page(found, "")), Parsed(spoilt_page(found, payload))
    assert harmful.tags == harmless.tags
    assert harmful.texts == harmless.texts
    assert harmful.policy == harmless.policy


def test_the_data_hold_every_string_as_it_is_shown(found):
    text = "".join(PAYLOADS)
    page = spoilt_page(found, text)
    raw = re.search(r'id="data">(.*?)</script>', page, re.S)[1]
    assert not re.search("[<>&\u2028\u2029]", raw)
    content = json.loads(raw)
    assert all(entry["name"].endswith(printable(text)) for entry in content["structures"])
    assert not set(strings_of(content)) - set(map(printable, strings_of(content)))


def strings_of(content) -> list[str]:
    if isinstance(content, dict):
        return [*content, *(text for value in content.values() for text in strings_of(value))]
    if isinstance(content, list):
        return [text for value in content for text in strings_of(value)]
    return [content] if isinstance(content, str) else []


def test_the_page_needs_nothing_else(page):
    assert not re.findall(r'(?:src|href)="(?!data:|#)', page)  # of itself alone
    assert "http://" not in page
    assert "https://" not in page
    assert len(page) < 150_000


def test_the_page_holds_every_structure_and_why_cells_are_empty(page):
    content = data_of(page)
    assert [entry["name"] for entry in content["structures"]] == [*LENGTHS]
    first = content["structures"][0]
    assert len(first["values"]) == len(content["columns"])
    assert len(first["ss"]) == len(first["rama"]) == len(first["sequence"]) == 78
    assert "no designs.csv" in first["reasons"]["confidence"]
    assert sorted(content["tm"]["order"]) == [0, 1, 2, 3, 4]


def test_the_page_plays_trajectories_and_shows_the_configuration(page):
    assert {name: len(frames) for name, frames in data_of(page)["trajectories"].items()} == {"3op9_A_6": 3}
    assert "0123456789abcdef" in page


def test_names_and_reasons_cannot_break_the_page(page):
    assert "broken.pdb" in page
    assert "</script><b>" not in page


def test_plots_hold_numbers_only(page):
    svgs = re.findall(r"<svg.*?</svg>", page, re.S)
    assert len(svgs) == 10
    assert not any(re.search(r"\bnan\b|\binf\b", svg) for svg in svgs)


def test_names_of_points_are_those_of_the_structures(page):
    size, structure, *others = re.findall(r"<svg.*?</svg>", page, re.S)
    for svg in (size, structure):
        assert re.findall("<title>(.*?)</title>", svg) == [*LENGTHS]
    assert not any("<title>" in svg for svg in others)


def test_plots_refer_to_their_own_parts_alone(page):
    everything = re.findall(r' id="([^"]*)"', page)
    assert len(set(everything)) == len(everything)
    for svg in re.findall(r"<svg.*?</svg>", page, re.S):
        referred = re.findall(r'(?:href="|url\()#([^")]*)', svg)
        assert set(referred) == set(re.findall(r' id="([^"]*)"', svg))


def test_plots_have_the_colours_of_the_page(page):
    """Every colour is a variable that the style gives a value for light and for dark, and each has its use."""
    [style], svgs = Parsed(page).texts["style"], re.findall(r"<svg.*?</svg>", page, re.S)
    used = {colour for svg in svgs for colour in re.findall(r'(?:fill|stroke)="([^"]*)"', svg)} - {"none"}
    assert used == {
        f"var({name})" for name in ("--design", "--reference", "--allowed", "--favoured", "--soft", "--line")
    }
    light, dark = style.split("@media (prefers-color-scheme: dark)")
    for colour in used:
        assert f"{colour[4:-1]}: #" in light
        assert f"{colour[4:-1]}: #" in dark.split("}")[0]


def area(svg: str, colour: str) -> float:
    """The area (square pixels) of the rectangles in a colour."""
    paths = re.findall(rf"<path d=\"([^\"]*)\" fill=\"var\(--{colour}\)\"", svg)
    corners = [re.findall(r"[ML]([-\d.]+) ([-\d.]+)", part) for path in paths for part in path.split("z") if part]
    boxes = np.array(corners, dtype=float)
    return float(np.prod(boxes.max(axis=1) - boxes.min(axis=1), axis=-1).sum())


def test_ramachandran_plots_show_every_region_and_every_occupied_square(found, page):
    _, results, _ = found
    angles = np.concatenate([structure.torsions for structure in results.table.structures])
    classes = np.concatenate([ramachandran.residue_classes(s.backbone.tokens) for s in results.table.structures])
    for number, svg in enumerate(re.findall(r"<svg.*?</svg>", page, re.S)[6:]):
        x, y = (sorted(map(float, set(re.findall(rf"[ML]{a}", svg)))) for a in (r"([\d.]+) [\d.]+", r"[\d.]+ ([\d.]+)"))
        whole = (x[-1] - x[0]) * (y[-1] - y[0])  # the axes reach as far as anything drawn
        for colour, code in (("allowed", ramachandran.ALLOWED), ("favoured", ramachandran.FAVOURED)):
            share = np.mean(ramachandran.reference_regions()[number] == code)
            assert area(svg, colour) / whole == pytest.approx(share, rel=0.02)
        some = angles[(classes == number) & np.isfinite(angles).all(axis=1)]
        occupied = np.unique(np.floor((some + 180) / 5), axis=0)
        # an edge is rounded to a tenth of the three pixels of a square
        assert area(svg, "design") / whole == pytest.approx(len(occupied) / 72**2, rel=0.05)


def test_a_report_is_the_same_bytes_again_whatever_matplotlib_is_set_to(found):
    _, results, rejected = found
    first = page_of(results, rejected)
    with matplotlib.rc_context({"svg.fonttype": "path", "font.size": 30, "lines.marker": "s", "axes.grid": True}):
        assert page_of(results, rejected) == first
    assert matplotlib.rcParams["svg.fonttype"] == matplotlib.rcParamsDefault["svg.fonttype"]


def test_the_drawing_waits_for_the_report():
    """What draws is imported late. (That biotite imports parts of matplotlib by itself is its affair.)"""
    script = "import sys, gm_multimodal.app.evaluate.command; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.split()
    assert "gm_multimodal.app.evaluate.report.page" in loaded
    assert not {"gm_multimodal.app.evaluate.report.plots", "gm_multimodal.app.evaluate.report.svg"} & set(loaded)


@pytest.mark.parametrize("names", [["4kmf_A_1"], ["4kmf_A_1", "4kmf_A_1"]], ids=["one", "two identical"])
def test_the_smallest_sets_have_a_report(tmp_path, data_folder, names):
    for k, name in enumerate(names):
        shutil.copy(data_folder / f"{name}.pdb", tmp_path / f"{k}.pdb")
    evaluate(config(tmp_path, tmp_path / "e", most_candidates=4))
    page = (tmp_path / "e" / "report.html").read_text(encoding="utf-8")
    assert len(data_of(page)["structures"]) == len(names)
    assert ('id="heat"' in page) == (len(names) > 1)


def browse(file, profile, *, width: int = 1366, fragment: str = "all") -> tuple[str, str]:
    """The document after its scripts have run, and what was said on the console."""
    command = [CHROMIUM, "--headless=new", "--no-sandbox", "--disable-gpu", f"--user-data-dir={profile}"]
    command += [f"--window-size={width},900", "--virtual-time-budget=3000", "--enable-logging=stderr", "--v=0"]
    result = subprocess.run(
        [*command, "--dump-dom", f"{file.as_uri()}#{fragment}"], capture_output=True, text=True, timeout=120
    )
    assert 'data-ready="yes"' in result.stdout, result.stderr[-2000:]
    return result.stdout, "\n".join(line for line in result.stderr.splitlines() if "CONSOLE" in line)


needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")


@needs_browser
def test_a_browser_sorts_the_gallery_without_a_word_on_the_console(folder, tmp_path):
    names = sorted(LENGTHS, key=LENGTHS.__getitem__)
    for fragment, expected in (("sort=length", names), ("sort=-length", names[::-1])):
        document, console = browse(folder / "report.html", tmp_path, fragment=fragment)
        assert console == ""
        assert re.findall(r'class="card" data-name="([^"]*)"', document) == expected


@needs_browser
def test_a_browser_opens_turns_and_plays_a_structure_on_a_phone(folder, page, tmp_path):
    # what a user would do, done by a script at the end of a copy of the page
    script = """<script>
    (async () => {
      const $ = (id) => document.getElementById(id), said = document.body.dataset;
      const until = async (claim) => { while (!claim()) await new Promise((go) => setTimeout(go, 20)); };
      $("sort").value = "dssp_helix"; $("sort").dispatchEvent(new Event("change"));
      await until(() => location.hash.includes("dssp_helix"));
      document.querySelector('[data-name="3op9_A_6"]').click();
      await until(() => $("detail").open);
      const pixels = () => $("view").toDataURL(), box = $("view").getBoundingClientRect();
      const at = (x) => ({ clientX: box.left + x, clientY: box.top + 50, pointerId: 1, bubbles: true });
      let before = pixels();
      $("view").setPointerCapture = () => {};
      for (const [kind, x] of [["down", 50], ["move", 90], ["up", 90]]) {
        $("view").dispatchEvent(new PointerEvent(`pointer${kind}`, at(x)));
      }
      said.turned = before !== pixels();
      before = pixels();
      $("frame").value = 0; $("frame").oninput();
      said.played = $("play").hidden === false && before !== pixels();
      said.title = $("title").textContent;
      $("close").click();
      await until(() => !$("detail").open);
      said.overflow = document.documentElement.scrollWidth - innerWidth;
      said.address = location.hash;
    })();</script></body>"""
    copy = tmp_path / "copy.html"
    digest = digest_of(re.search(r"<script>(.*)</script>", script, re.S)[1])
    allowed = page.replace("script-src ", f"script-src {digest} ", 1)
    copy.write_text(allowed.replace("</body>", script), encoding="utf-8")
    document, console = browse(copy, tmp_path / "profile", width=390)
    assert console == ""
    found = dict(re.findall(r'data-(\w+)="([^"]*)"', re.search(r"<body[^>]*>", document)[0]))
    assert found["title"] == "3op9_A_6"
    assert found["turned"] == found["played"] == "true"
    assert int(found["overflow"]) <= 0
    assert found["address"] == "#sort=dssp_helix"


@needs_browser
def test_a_browser_runs_nothing_that_a_name_says(found, tmp_path):
    file = tmp_path / "report.html"
    file.write_text(spoilt_page(found, "".join(PAYLOADS)), encoding="utf-8")
    document, console = browse(file, tmp_path / "profile", fragment="sort=length")
    assert console == ""
    assert "<img" not in document
    assert "\u202e" not in document
    assert document.count('class="card"') == len(LENGTHS)


@needs_browser
def test_a_browser_finds_the_name_where_a_point_is(page, tmp_path):
    script = """<script>
    const named = [...document.querySelectorAll("svg use")].filter((use) => use.querySelector("title"));
    document.body.dataset.found = named.map((use) => {
      use.scrollIntoView({ block: "center" });
      const box = use.getBoundingClientRect();
      const found = document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2);
      return found.querySelector("title") ? found.querySelector("title").textContent : found.tagName;
    }).join(" ");</script></body>"""
    copy = tmp_path / "copy.html"
    digest = digest_of(re.search(r"<script>(.*)</script>", script, re.S)[1])
    copy.write_text(
        page.replace("script-src ", f"script-src {digest} ", 1).replace("</body>", script), encoding="utf-8"
    )
    document, console = browse(copy, tmp_path / "profile")
    assert console == ""
    # a point may lie beneath another one
    found = re.search('data-found="([^"]*)"', document)[1].split()
    assert len(found) == 2 * len(LENGTHS)
    assert set(found) <= set(LENGTHS)
