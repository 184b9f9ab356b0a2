import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from gm_multimodal.errors import DatasetError
from gm_multimodal.protein.dataset import REQUIRED_COLUMNS, read_chains
from gm_multimodal.protein.metrics.geometry import gyration_ratio
from gm_multimodal.protein.residues import decode

ANY = {"split": None, "min_length": 1, "max_length": 1000}


@pytest.fixture
def rows(build_backbone) -> pd.DataFrame:
    """Three chains that pass everything; tests spoil one of them."""
    helix = build_backbone(5, -57.0, -47.0).astype(np.float32)
    return pd.DataFrame(
        {
            "id": ["first", "second", "third"],
            "source": "made by a test",
            "sequence": ["ACDEF", "GHIKL", "MNPQR"],
            "length": np.array([5, 5, 5], dtype=np.int32),
            "coordinates": [list((helix + shift).ravel()) for shift in range(3)],
            "cluster30": np.array([7, 3, 7], dtype=np.int32),
            "split": pd.Categorical(["train", "train", "test"]),
        }
    )


@pytest.fixture
def written(tmp_path):
    def write(table: pd.DataFrame, name: str = "chains.parquet"):
        table.to_parquet(tmp_path / name, index=False)
        return tmp_path / name

    return write


def test_fields_of_a_small_dataset(written, rows):
    chains = read_chains(written(rows), **ANY)
    assert len(chains) == 3
    assert chains.ids == ["first", "second", "third"]
    assert [decode(tokens) for tokens in chains.tokens] == ["ACDEF", "GHIKL", "MNPQR"]
    np.testing.assert_array_equal(chains.clusters, [7, 3, 7])
    np.testing.assert_array_equal(chains.lengths, [5, 5, 5])
    assert [xyz.shape for xyz in chains.coordinates] == [(5, 4, 3)] * 3
    assert {xyz.dtype for xyz in chains.coordinates} == {np.dtype(np.float32)}
    np.testing.assert_allclose(chains.coordinates[2] - chains.coordinates[0], 2.0, atol=1e-5)


def test_subset_keeps_the_order_asked_for(written, rows):
    chains = read_chains(written(rows), **ANY).subset([2, 0])
    assert chains.ids == ["third", "first"]
    np.testing.assert_array_equal(chains.clusters, [7, 7])
    assert decode(chains.tokens[0]) == "MNPQR"
    assert len(chains.subset([])) == 0


def test_splits_and_lengths_select(small_dataset):
    counts = {s: len(read_chains(small_dataset, **ANY | {"split": s})) for s in ("train", "validation", "test")}
    assert counts == {"train": 20, "validation": 4, "test": 5}
    lengths = read_chains(small_dataset, split=None, min_length=60, max_length=70).lengths
    assert 0 < len(lengths) < 29
    assert lengths.min() >= 60
    assert lengths.max() <= 70


def test_a_folder_is_the_sum_of_its_files(written, rows, tmp_path):
    written(rows, "b.parquet")
    written(rows.assign(id=["fourth", "fifth", "sixth"]), "a.parquet")
    (tmp_path / "notes.txt").write_text("not a table")
    assert read_chains(tmp_path, **ANY).ids == ["fourth", "fifth", "sixth", "first", "second", "third"]


def test_compact_chains_are_selected_by_their_coordinates(small_dataset):
    everything = read_chains(small_dataset, **ANY)
    ratios = np.array([gyration_ratio(xyz) for xyz in everything.coordinates])
    compact = read_chains(small_dataset, **ANY, max_gyration_ratio=1.02)
    assert compact.ids == [name for name, ratio in zip(everything.ids, ratios, strict=True) if ratio <= 1.02]
    assert 0 < len(compact) < len(everything)


def test_coil_is_read_from_dssp_where_the_file_has_it(written, rows):
    rows["dssp"] = ["HHHEE", "HHCCS", "CCCCC"]
    assert read_chains(written(rows), **ANY, max_coil=0.6).ids == ["first", "second"]
    assert read_chains(written(rows), **ANY, max_coil=0.5).ids == ["first"]


def test_coil_is_computed_where_dssp_is_absent(small_dataset, written):
    table = pd.read_parquet(small_dataset)
    helical = written(table[table.id.isin(["3op9_A_6", "3c4s_A_1"])].drop(columns="dssp"))
    assert read_chains(helical, **ANY, max_coil=0.5).ids == ["3op9_A_6"]


def test_chains_with_a_break_are_left_out(written, rows):
    broken = np.array(rows.coordinates[1]).reshape(5, 4, 3)
    broken[3:] += 10.0
    rows["coordinates"] = [rows.coordinates[0], list(broken.ravel()), rows.coordinates[2]]
    assert read_chains(written(rows), **ANY).ids == ["first", "third"]


def test_redesigned_sequences_are_read_where_they_are_asked_for(written, rows):
    file = written(rows.assign(redesigned=["WWWWW", None, "YYYYY"]))
    read = [[decode(t) for t in read_chains(file, **ANY, redesigned=flag).tokens] for flag in (False, True)]
    assert read == [["ACDEF", "GHIKL", "MNPQR"], ["WWWWW", "GHIKL", "YYYYY"]]


def test_a_dataset_without_redesigned_sequences_says_what_adds_them(written, rows):
    with pytest.raises(DatasetError, match=r"lacks the columns redesigned; .*scripts/redesign\.py adds"):
        read_chains(written(rows), **ANY, redesigned=True)
    with pytest.raises(DatasetError, match="row 'second': length is 5, but the sequence has 2 letters"):
        read_chains(written(rows.assign(redesigned=[None, "AC", None])), **ANY, redesigned=True)


@pytest.mark.parametrize("column", REQUIRED_COLUMNS)
def test_a_missing_column_is_named(written, rows, column):
    with pytest.raises(DatasetError, match=f"lacks the columns {column};"):
        read_chains(written(rows.drop(columns=column)), **ANY)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        ({"sequence": ["ACDEF", "GHBKL", "MNPQR"]}, "row 'second': residue 3 of the sequence is 'B'"),
        ({"sequence": ["ACDEF", "GHIK", "MNPQR"]}, "row 'second': length is 5, but the sequence has 4 letters"),
        ({"sequence": ["ACDEF", None, "MNPQR"]}, "row 'second' has no value in column sequence"),
        ({"dssp": ["CCCCC", "CCC", "CCCCC"]}, "row 'second': length is 5, but dssp has 3 letters"),
        ({"cluster30": ["x", "y", "z"]}, "column cluster30 is (large_)?string, not integer"),
        ({"coordinates": ["x", "y", "z"]}, "column coordinates is (large_)?string, not a list of floats"),
    ],
)
def test_a_malformed_table_is_described(written, rows, spoil, message):
    with pytest.raises(DatasetError, match=message):
        read_chains(written(rows.assign(**spoil)), **ANY, max_coil=1.0)


@pytest.mark.parametrize(
    ("values", "message"),
    [([1.0] * 59, "need 60 coordinates, not 59"), ([np.nan] * 60, "not finite"), (None, "need 60 coordinates, not 0")],
)
def test_malformed_coordinates_are_described(written, rows, values, message):
    rows["coordinates"] = [rows.coordinates[0], values, rows.coordinates[2]]
    with pytest.raises(DatasetError, match=message):
        read_chains(written(rows), **ANY)


def test_no_usable_chain_says_why(written, rows, tmp_path):
    with pytest.raises(DatasetError, match="2 in split 'train'; 1 in split 'test'"):
        read_chains(written(rows), **ANY | {"split": "validation"})
    with pytest.raises(DatasetError, match=r"3 length not in 6\.\.1000"):
        read_chains(written(rows), **ANY | {"min_length": 6})
    with pytest.raises(DatasetError, match="it has no rows"):
        pq.write_table(pq.read_table(written(rows)).slice(0, 0), tmp_path / "empty.parquet")
        read_chains(tmp_path / "empty.parquet", **ANY)


def test_what_is_no_dataset_is_refused(tmp_path):
    with pytest.raises(DatasetError, match="does not exist"):
        read_chains(tmp_path / "absent.parquet", **ANY)
    with pytest.raises(DatasetError, match=r"has no \*\.parquet file"):
        read_chains(tmp_path, **ANY)
    (tmp_path / "text.parquet").write_text("not a table")
    with pytest.raises(DatasetError, match="cannot be read as Parquet"):
        read_chains(tmp_path / "text.parquet", **ANY)


def test_positions_allow_gaps_and_must_grow(written, rows):
    broken = np.array(rows.coordinates[1]).reshape(5, 4, 3)
    broken[3:] += 10.0
    rows["coordinates"] = [rows.coordinates[0], list(broken.ravel()), rows.coordinates[2]]
    rows["positions"] = [None, [0, 1, 2, 6, 7], [0, 1, 2, 3, 4]]
    chains = read_chains(written(rows), **ANY)
    assert [positions.tolist() for positions in chains.positions] == [[*range(5)], [0, 1, 2, 6, 7], [*range(5)]]
    rows["positions"] = [None, [0, 1, 2, 2, 3], None]
    with pytest.raises(DatasetError, match="row 'second': positions are not 5 growing whole numbers"):
        read_chains(written(rows), **ANY)
    rows["positions"] = ["x", "y", "z"]
    with pytest.raises(DatasetError, match=r"column positions is .*, not a list of integers"):
        read_chains(written(rows), **ANY)
