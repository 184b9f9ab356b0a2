"""`evaluate` on small folders: tables, rejected files, judges whose figures are kept, and how it refuses."""

import csv
import json
import shutil
from collections.abc import Mapping, Sequence

import pytest

from gm_multimodal.app.evaluate.command import evaluate
from gm_multimodal.app.machine.process_pool import run_each
from gm_multimodal.protein.backbone import Backbone
from gm_multimodal.protein.metrics.figures import Definition
from tests.app.evaluations import config


def rows(path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


@pytest.fixture
def designs(tmp_path, data_folder):
    folder = tmp_path / "designs"
    folder.mkdir()
    for name in ("3op9_A_6.pdb", "4kmf_A_1.pdb"):
        shutil.copy(data_folder / name, folder)
    return folder


class Counting:
    """A judge that knows how many structures it was shown; it has no figure for the second of them."""

    def __init__(self, version: str = "1") -> None:
        self.version, self.seen = version, 0

    @property
    def definitions(self) -> Mapping[str, Definition]:
        return {"verdict": Definition("A verdict", "counting", self.version)}

    def judge(self, subjects: Sequence[Backbone]) -> Sequence[Mapping[str, float | str | None]]:
        columns = [{"verdict": None if self.seen + k == 1 else 0.5} for k in range(len(subjects))]
        self.seen += len(subjects)
        return columns


def test_every_structure_has_a_row_and_every_column_a_definition(run, tmp_path, designs):
    code, out, _ = run("evaluate", f"designs={designs}", f"out={tmp_path / 'e'}", "threads=1")
    assert code == 0
    assert "2 structures measured" in out
    table = rows(tmp_path / "e" / "metrics.csv")
    assert [row["id"] for row in table] == ["3op9_A_6", "4kmf_A_1"]
    summary = json.loads((tmp_path / "e" / "summary.json").read_text())
    assert {*table[0]} - {"id", "file", "chain", "length", "sequence", "notes"} == {*summary["metrics"]}
    for column, entry in summary["metrics"].items():
        assert entry["definition"]["text"], column
        assert entry["count"] + sum(entry.get("empty", {}).values()) == 2


def test_an_empty_cell_has_its_reason(tmp_path, designs):
    evaluate(config(designs, tmp_path / "e"))
    row = rows(tmp_path / "e" / "metrics.csv")[0]
    assert row["confidence"] == ""
    assert "confidence: no designs.csv" in row["notes"]


def test_confidence_comes_from_the_table_of_designs(tmp_path, designs):
    (designs / "designs.csv").write_text("id,file,confidence\na,3op9_A_6.pdb,0.625\n")
    evaluate(config(designs, tmp_path / "e"))
    assert [row["confidence"] for row in rows(tmp_path / "e" / "metrics.csv")] == ["0.625", ""]


def test_a_file_that_cannot_be_read_is_set_aside(tmp_path, designs):
    (designs / "a_broken.pdb").write_text("ATOM      1  N   ALA A   1      here.000   0.000   0.000\n")
    (designs / "empty.cif").write_text("")
    report = evaluate(config(designs, tmp_path / "e"))
    assert (len(report.table.structures), len(report.rejected)) == (2, 2)
    rejected = rows(tmp_path / "e" / "rejected.csv")
    assert [row["file"].rpartition("/")[2] for row in rejected] == ["a_broken.pdb", "empty.cif"]
    assert all(row["reason"] for row in rejected)


def test_a_file_with_several_chains_has_a_row_for_each(tmp_path, data_folder):
    lines = (data_folder / "4kmf_A_1.pdb").read_text().splitlines()
    atoms = [line for line in lines if line.startswith("ATOM")]
    second = [line[:21] + "B" + line[22:] for line in atoms]
    (tmp_path / "two.pdb").write_text("\n".join([*atoms, "TER", *second, "END"]) + "\n")
    evaluate(config(tmp_path / "two.pdb", tmp_path / "e"))
    assert [row["id"] for row in rows(tmp_path / "e" / "metrics.csv")] == ["two_A", "two_B"]


def test_files_of_one_name_keep_their_folders(tmp_path, data_folder):
    for folder in ("x", "y"):
        (tmp_path / folder).mkdir()
        shutil.copy(data_folder / "4kmf_A_1.pdb", tmp_path / folder / "sample.pdb")
    evaluate(config(tmp_path / "*" / "sample.pdb", tmp_path / "e"))
    assert [row["id"] for row in rows(tmp_path / "e" / "metrics.csv")] == ["x/sample.pdb", "y/sample.pdb"]


@pytest.mark.parametrize("make", [True, False], ids=["an empty folder", "no folder"])
def test_nothing_to_measure_is_refused(run, tmp_path, make):
    if make:
        (tmp_path / "none").mkdir()
    code, _, err = run("evaluate", f"designs={tmp_path / 'none'}", f"out={tmp_path / 'e'}")
    assert code == 2
    assert "designs: " in err
    assert not (tmp_path / "e").exists()


def test_only_unreadable_files_are_refused_with_the_first_reason(run, tmp_path):
    (tmp_path / "empty.pdb").write_text("")
    code, _, err = run("evaluate", f"designs={tmp_path}", f"out={tmp_path / 'e'}")
    assert code == 2
    assert "none of 1 files can be read" in err


def test_a_judge_sees_each_structure_once(tmp_path, designs, data_folder):
    judge = Counting()
    evaluate(config(designs, tmp_path / "e"), [judge])
    first = rows(tmp_path / "e" / "metrics.csv")
    assert [row["verdict"] for row in first] == ["0.5", ""]
    assert "verdict" in first[1]["notes"]
    shutil.copy(data_folder / "3w0e_A_1.pdb", designs)
    evaluate(config(designs, tmp_path / "e"), [judge])
    assert judge.seen == 3
    assert [row["verdict"] for row in rows(tmp_path / "e" / "metrics.csv")] == ["0.5", "0.5", ""]


def test_another_version_of_a_judge_judges_again(tmp_path, designs):
    evaluate(config(designs, tmp_path / "e"), [Counting("1")])
    judge = Counting("2")
    evaluate(config(designs, tmp_path / "e"), [judge])
    assert judge.seen == 2


def test_a_line_cut_short_by_a_kill_is_computed_again(tmp_path, designs):
    evaluate(config(designs, tmp_path / "e"), [Counting()])
    kept = tmp_path / "e" / "kept.jsonl"
    content = kept.read_bytes()
    judge_lines = [line for line in content.splitlines(keepends=True) if b'"judge ' in line]
    others = [line for line in content.splitlines(keepends=True) if b'"judge ' not in line]
    kept.write_bytes(b"".join([*others, judge_lines[0], judge_lines[1][:20]]))
    judge = Counting()
    evaluate(config(designs, tmp_path / "e"), [judge])
    assert judge.seen == 1
    judge = Counting()
    evaluate(config(designs, tmp_path / "e"), [judge])
    assert judge.seen == 0


def test_other_designs_need_another_folder(tmp_path, designs, data_folder, run):
    evaluate(config(designs, tmp_path / "e"))
    code, _, err = run("evaluate", f"designs={data_folder}", f"out={tmp_path / 'e'}")
    assert code == 2
    assert "holds a run with other settings (designs: " in err


def test_two_identical_structures_are_one_cluster_and_one_alone_has_no_other(tmp_path, designs, data_folder):
    shutil.copy(data_folder / "4kmf_A_1.pdb", designs / "again.pdb")
    evaluate(config(designs, tmp_path / "three"))
    table = {row["id"]: row for row in rows(tmp_path / "three" / "metrics.csv")}
    assert table["again"]["cluster"] == table["4kmf_A_1"]["cluster"] == "0"
    assert float(table["again"]["nearest_tm"]) > 0.999
    evaluate(config(designs / "again.pdb", tmp_path / "one"))
    [alone] = rows(tmp_path / "one" / "metrics.csv")
    assert alone["nearest_tm"] == alone["mean_tm"] == ""
    assert "nearest_tm, mean_tm: no other structure" in alone["notes"]
    summary = json.loads((tmp_path / "one" / "summary.json").read_text())
    assert summary["across"]["mean_pairwise_tm"]["value"] is None
    assert summary["across"]["clusters"]["value"] == 1


def test_only_the_first_structures_are_compared_and_that_is_said(tmp_path, data_folder):
    evaluate(config(data_folder, tmp_path / "e", most_compared=2))
    table = rows(tmp_path / "e" / "metrics.csv")
    assert [bool(row["cluster"]) for row in table] == [True, True, False, False, False, False]
    assert "not among the first 2 structures (most_compared)" in table[2]["notes"]


def test_tm_scores_are_kept(tmp_path, designs, monkeypatch):
    from gm_multimodal.app.evaluate import comparison

    evaluate(config(designs, tmp_path / "e"))
    first = rows(tmp_path / "e" / "metrics.csv")

    def nothing_is_left(pairs, run):
        assert not pairs
        return iter(())

    monkeypatch.setattr(comparison, "tm_score_blocks", nothing_is_left)
    evaluate(config(designs, tmp_path / "e"))
    assert rows(tmp_path / "e" / "metrics.csv") == first


def test_processes_side_by_side_give_the_same_table(tmp_path, data_folder, monkeypatch):
    from gm_multimodal.app.evaluate import comparison

    begun = []

    def watched(*arguments, workers, **more):
        begun.append(workers)
        return run_each(*arguments, workers=workers, **more)

    monkeypatch.setattr(comparison, "run_each", watched)
    evaluate(config(data_folder, tmp_path / "one", threads=2))
    assert begun == []  # fifteen pairs are not worth a process
    monkeypatch.setattr(comparison, "_WORTH_PROCESSES", 1)
    evaluate(config(data_folder, tmp_path / "two", threads=2))
    assert begun == [2]
    assert (tmp_path / "two" / "metrics.csv").read_bytes() == (tmp_path / "one" / "metrics.csv").read_bytes()


def test_the_reference_gives_novelty_and_distances(tmp_path, data_folder, small_dataset):
    evaluate(config(data_folder / "*.pdb", tmp_path / "e", reference=str(small_dataset), reference_split="train"))
    summary = json.loads((tmp_path / "e" / "summary.json").read_text())
    assert summary["metrics"]["novelty_tm"]["count"] == 5
    assert summary["distances"]["wasserstein_phi"]["value"] > 0
    assert summary["distances"]["frechet"]["empty"] == "fewer than 10 structures"
    # a chain of the reference itself is not new
    evaluate(config(data_folder / "3op9_A_6.pdb", tmp_path / "f", reference=str(data_folder)))
    [row] = rows(tmp_path / "f" / "metrics.csv")
    assert float(row["novelty_tm"]) == pytest.approx(1.0, abs=1e-3)
    assert row["nearest_reference"] == "3op9_A_6"


def test_a_reference_that_cannot_be_read_is_refused(run, tmp_path, designs):
    code, _, err = run("evaluate", f"designs={designs}", f"out={tmp_path / 'e'}", "reference=nowhere")
    assert code == 2
    assert "reference: nowhere matches no file" in err
    assert not (tmp_path / "e").exists()


def test_foreign_tables_are_not_overwritten(tmp_path, designs, run):
    (tmp_path / "e").mkdir()
    (tmp_path / "e" / "metrics.csv").write_text("mine")
    code, _, err = run("evaluate", f"designs={designs}", f"out={tmp_path / 'e'}")
    assert code == 2
    assert "metrics.csv was not written by this run" in err


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("reference_split=holdout", "reference_split=holdout is not one of all, train, validation, test"),
        ("most_compared=1", "most_compared=1 is below 2"),
        ("most_candidates=0", "most_candidates=0 is below 1"),
        ("reference=", "reference= is empty"),
        ("threads=0", "threads=0 is below 1"),
    ],
)
def test_mistakes_of_evaluate(run, option, message):
    code, _, err = run("evaluate", "designs=x", option)
    assert code == 2
    assert message in err
