from pathlib import Path

import pytest
import yaml

from gm_multimodal.app.design.folder import COLUMNS, RunFolder
from gm_multimodal.errors import UserInputError
from gm_multimodal.files import temporary_path

CONFIGURATION = {
    "length": 20,
    "num_designs": 2,
    "format": "pdb",
    "trajectories": False,
    "checkpoint": "base",
    "process": {"sequence": {"order": "purity"}},
}
MADE_WITH = {"gm_multimodal": "1", "checkpoint_digest": "0"}


def reopen(path, made_with=MADE_WITH, **changes) -> RunFolder:
    configuration = CONFIGURATION | changes
    folder = RunFolder(path, f".{configuration['format']}", configuration["trajectories"])
    folder.open(configuration, made_with)
    return folder


def row(index: int) -> dict[str, str]:
    values = {"id": f"design_{index:04d}", "sequence": "A" * 20, "length": "20", "seed": "0", "confidence": "0.5"}
    values |= {"file": f"design_{index:04d}.pdb"} | dict.fromkeys(("input", "score", "recovery"), "")
    return {column: values.get(column, "0") for column in COLUMNS}


def test_the_record_holds_configuration_and_versions_and_no_place(tmp_path):
    reopen(tmp_path / "a" / "run")
    assert yaml.safe_load((tmp_path / "a" / "run" / "config.yaml").read_text()) == {
        **CONFIGURATION,
        "made_with": MADE_WITH,
    }


def test_more_designs_continue_and_fewer_are_remembered(tmp_path):
    for asked, remembered in ((5, 5), (3, 5), (7, 7)):
        reopen(tmp_path, num_designs=asked)
        assert yaml.safe_load((tmp_path / "config.yaml").read_text())["num_designs"] == remembered


def test_the_same_checkpoint_may_have_another_name(tmp_path):
    reopen(tmp_path)
    reopen(tmp_path, checkpoint="/elsewhere/base.safetensors")
    with pytest.raises(UserInputError, match=r"made_with.checkpoint_digest: 0 -> 1\)"):
        reopen(tmp_path, made_with=MADE_WITH | {"checkpoint_digest": "1"})


def test_another_configuration_is_refused_with_the_differences(tmp_path):
    reopen(tmp_path)
    with pytest.raises(UserInputError, match=r"length: 20 -> 30, .*process.sequence.order: purity -> random\)"):
        reopen(tmp_path, length=30, format="cif", process={"sequence": {"order": "random"}})
    with pytest.raises(UserInputError, match="remasking: absent -> 1"):
        reopen(tmp_path, process={"sequence": {"order": "purity", "remasking": 1}})


@pytest.mark.parametrize("content", ["model: {}", "- 1", "a: [", "\x00"])
def test_somebody_elses_record_is_refused(tmp_path, content):
    (tmp_path / "config.yaml").write_text(content)
    with pytest.raises(UserInputError, match=r"config\.yaml"):
        reopen(tmp_path)
    assert (tmp_path / "config.yaml").read_text() == content


def test_a_folder_of_other_files_is_refused_and_left_alone(tmp_path):
    (tmp_path / "thesis.tmp").write_text("precious")
    with pytest.raises(UserInputError, match="holds files, but not a run of this program"):
        reopen(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tmp"]


def test_leftovers_of_a_killed_run_are_removed_and_nothing_else(tmp_path):
    temporary_path(tmp_path / "config.yaml").write_text("half")
    reopen(tmp_path, trajectories=True)
    leftovers = ("design_0003.pdb", "designs.csv", "trajectories/design_0003.pdb")
    for name in leftovers:
        temporary_path(tmp_path / name).write_text("half")
    foreign = ["design_0003.pdb.99.tmp", "design_0003.pdb.tmp", "notes.tmp", "notes.txt.0123456789abcdef.tmp"]
    for name in foreign:
        (tmp_path / name).write_text("precious")
    reopen(tmp_path, trajectories=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["config.yaml", *foreign, "trajectories"]
    assert list((tmp_path / "trajectories").iterdir()) == []


def test_a_file_in_the_way_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserInputError, match=r"cannot write .*file.* Give another out="):
        reopen(tmp_path / "file")
    with pytest.raises(UserInputError, match=r"cannot write .*file.* Give another out="):
        reopen(tmp_path / "file" / "run")


def test_a_folder_without_permission_is_named(tmp_path, monkeypatch):
    def refuse(self: Path, mode: str) -> None:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(UserInputError, match=r"cannot write .*Permission denied"):
        reopen(tmp_path)


def test_a_design_is_done_when_row_and_files_are_there(tmp_path):
    folder = reopen(tmp_path, trajectories=True)
    folder.write_tables({index: row(index) for index in (2, 0, 1)})
    assert folder.done() == {}
    for index in (0, 2):
        folder.structure(index).write_text("")
    folder.trajectory(2).write_text("")
    assert list(folder.done()) == [2]
    assert list(reopen(tmp_path / "new").done()) == []


def test_tables_are_in_the_order_of_the_designs(tmp_path):
    folder = reopen(tmp_path)
    folder.write_tables({index: row(index) for index in (10, 2)})
    table = (tmp_path / "designs.csv").read_text().splitlines()
    assert table[0] == ",".join(COLUMNS)
    assert [line.split(",")[0] for line in table[1:]] == ["design_0002", "design_0010"]
    assert (tmp_path / "designs.fasta").read_text() == "".join(
        f">design_{index:04d} length=20 seed=0 confidence=0.5\n{'A' * 20}\n" for index in (2, 10)
    )


def test_a_foreign_table_is_refused(tmp_path):
    folder = reopen(tmp_path)
    (tmp_path / "designs.csv").write_text("id,name\n1,x\n")
    with pytest.raises(UserInputError, match="other columns"):
        folder.done()
