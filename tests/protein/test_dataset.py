import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from gm_multimodal.errors import DatasetError
from gm_multimodal.protein.chains import SECONDARY, UNKNOWN_SECONDARY, Chains
from gm_multimodal.protein.dataset import REQUIRED_COLUMNS, read_chains
from gm_multimodal.protein.metrics.geometry import gyration_ratio
from gm_multimodal.protein.residues import MASK, decode
from gm_multimodal.protein.soft_targets import CONTEXT, LEVELS, to_levels

ANY = {"split": None, "min_length": 1, "max_length": 1000}


def names(chains: Chains) -> list[str]:
    return [row.id for row in chains.rows]


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
    assert names(chains) == ["first", "second", "third"]
    assert [decode(row.backbone.tokens) for row in chains.rows] == ["ACDEF", "GHIKL", "MNPQR"]
    np.testing.assert_array_equal(chains.clusters, [7, 3, 7])
    np.testing.assert_array_equal(chains.lengths, [5, 5, 5])
    assert [row.backbone.coordinates.shape for row in chains.rows] == [(5, 4, 3)] * 3
    assert {row.backbone.coordinates.dtype for row in chains.rows} == {np.dtype(np.float32)}
    np.testing.assert_allclose(
        chains.rows[2].backbone.coordinates - chains.rows[0].backbone.coordinates, 2.0, atol=1e-5
    )


def test_subset_keeps_the_order_asked_for(written, rows):
    chains = read_chains(written(rows), **ANY).subset([2, 0])
    assert names(chains) == ["third", "first"]
    np.testing.assert_array_equal(chains.clusters, [7, 7])
    assert decode(chains.rows[0].backbone.tokens) == "MNPQR"
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
    assert names(read_chains(tmp_path, **ANY)) == ["fourth", "fifth", "sixth", "first", "second", "third"]


def test_compact_chains_are_selected_by_their_coordinates(small_dataset):
    everything = read_chains(small_dataset, **ANY)
    ratios = np.array([gyration_ratio(row.backbone.coordinates) for row in everything.rows])
    compact = read_chains(small_dataset, **ANY, max_gyration_ratio=1.02)
    assert names(compact) == [name for name, ratio in zip(names(everything), ratios, strict=True) if ratio <= 1.02]
    assert 0 < len(compact) < len(everything)


def test_coil_is_read_from_dssp_where_the_file_has_it(written, rows):
    rows["dssp"] = ["HHHEE", "HHCCS", "CCCCC"]
    assert names(read_chains(written(rows), **ANY, max_coil=0.6)) == ["first", "second"]
    assert names(read_chains(written(rows), **ANY, max_coil=0.5)) == ["first"]


def test_coil_is_computed_where_dssp_is_absent(small_dataset, written):
    table = pd.read_parquet(small_dataset)
    two = written(table[table.id.isin(["3op9_A_6", "2zig_B_218"])].drop(columns="dssp"))
    assert names(read_chains(two, **ANY, max_coil=0.5)) == ["2zig_B_218", "3op9_A_6"]
    assert names(read_chains(two, **ANY, max_coil=0.4)) == ["3op9_A_6"]


def test_chains_with_a_break_are_left_out(written, rows):
    broken = np.array(rows.coordinates[1]).reshape(5, 4, 3)
    broken[3:] += 10.0
    rows["coordinates"] = [rows.coordinates[0], list(broken.ravel()), rows.coordinates[2]]
    assert names(read_chains(written(rows), **ANY)) == ["first", "third"]


def test_redesigned_sequences_are_read_where_they_are_asked_for(written, rows):
    file = written(rows.assign(redesigned=["WWWWW", None, "YYYYY"]))
    read = [
        [decode(row.backbone.tokens) for row in read_chains(file, **ANY, sequences=kind).rows]
        for kind in ("native", "redesigned")
    ]
    assert read == [["ACDEF", "GHIKL", "MNPQR"], ["WWWWW", "GHIKL", "YYYYY"]]


def test_a_dataset_without_redesigned_sequences_says_what_adds_them(written, rows):
    with pytest.raises(DatasetError, match=r"lacks the columns redesigned; .*scripts/training/redesign\.py adds"):
        read_chains(written(rows), **ANY, sequences="redesigned")
    with pytest.raises(DatasetError, match="row 'second': length is 5, but the sequence has 2 letters"):
        read_chains(written(rows.assign(redesigned=[None, "AC", None])), **ANY, sequences="redesigned")


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
    assert [row.backbone.position.tolist() for row in chains.rows] == [[*range(5)], [0, 1, 2, 6, 7], [*range(5)]]
    rows["positions"] = [None, [0, 1, 2, 2, 3], None]
    with pytest.raises(
        DatasetError, match="row 'second': positions are not 5 whole numbers that grow along each chain"
    ):
        read_chains(written(rows), **ANY)
    rows["positions"] = ["x", "y", "z"]
    with pytest.raises(DatasetError, match=r"column positions is .*, not a list of integers"):
        read_chains(written(rows), **ANY)


def test_integers_are_hundredths_of_an_angstrom(written, rows):
    hundredths = [np.round(100 * np.array(values)).astype(np.int16) for values in rows.coordinates]
    floats, integers = (
        read_chains(written(rows), **ANY),
        read_chains(written(rows.assign(coordinates=hundredths)), **ANY),
    )
    for exact, rounded in zip(floats.rows, integers.rows, strict=True):
        np.testing.assert_allclose(rounded.backbone.coordinates, exact.backbone.coordinates, atol=0.00501)
        assert rounded.backbone.coordinates.dtype == np.float32


def test_rows_of_several_chains_number_them_and_are_not_broken_between_them(written, rows):
    apart = np.array(rows.coordinates[1]).reshape(5, 4, 3)
    apart[2:] += 10.0
    rows["coordinates"] = [rows.coordinates[0], list(apart.ravel()), rows.coordinates[2]]
    rows["chain_lengths"] = [None, [2, 3], [5]]
    chains = read_chains(written(rows), **ANY)
    assert names(chains) == ["first", "second", "third"]
    assert [row.backbone.chain.tolist() for row in chains.rows] == [[0] * 5, [0, 0, 1, 1, 1], [0] * 5]
    assert chains.rows[1].backbone.position.tolist() == [0, 1, 0, 1, 2]
    rows["chain_lengths"] = [None, [3, 2], None]
    assert names(read_chains(written(rows), **ANY)) == ["first", "third"]
    rows["chain_lengths"] = [None, [2, 3], None]
    for positions in ([3, 4, 0, 1, 2], [0, 1, 2, 3, 4]):
        rows["positions"] = [None, positions, None]
        second = read_chains(written(rows), **ANY).rows[1]
        assert (second.id, second.backbone.position.tolist()) == ("second", positions)


@pytest.mark.parametrize("column", ["chain_lengths", "positions", "dssp"])
def test_a_column_without_a_single_value_is_as_good_as_absent(written, rows, column):
    rows[column] = [None] * 3
    assert names(read_chains(written(rows), **ANY)) == ["first", "second", "third"]


def test_a_needed_column_without_a_single_value_is_named(written, rows):
    rows["split"] = [None] * 3
    with pytest.raises(DatasetError, match="lacks the columns split"):
        read_chains(written(rows), **ANY)


@pytest.mark.parametrize("sizes", [[2, 2], [5, 0], [-1, 6]])
def test_chains_must_fill_their_row(written, rows, sizes):
    rows["chain_lengths"] = [None, sizes, None]
    with pytest.raises(
        DatasetError, match="row 'second': chain_lengths are not whole numbers from 1 on that add up to 5"
    ):
        read_chains(written(rows), **ANY)


def test_secondary_structure_is_that_of_the_column_or_unknown(written, rows):
    rows["dssp"] = ["HGIEB", None, "TSCPX"]
    codes = [row.secondary.tolist() for row in read_chains(written(rows), **ANY).rows]
    assert codes[1] == [UNKNOWN_SECONDARY] * 5
    assert ["".join(SECONDARY[code] for code in codes[k]) for k in (0, 2)] == ["HHHEE", "CCCCC"]


@pytest.fixture
def soft(rows) -> pd.DataFrame:
    levels = to_levels(np.random.default_rng(0).dirichlet(np.ones(20), 7))
    contexts = [np.array([*[MASK] * 5, 0, MASK, 2, 3, MASK], dtype=np.int8), None, None]
    return rows.assign(**{CONTEXT: contexts, LEVELS: [levels.ravel(), None, None]})


def test_soft_targets_are_read_where_they_are_asked_for(written, soft):
    file = written(soft)
    assert [row.patterns for row in read_chains(file, **ANY).rows] == [(), (), ()]
    first, *others = read_chains(file, **ANY, sequences="soft").rows
    assert [row.patterns for row in others] == [(), ()]
    assert [decode(pattern.context) for pattern in first.patterns] == ["XXXXX", "AXDEX"]
    assert [len(pattern.levels) for pattern in first.patterns] == [5, 2]
    np.testing.assert_array_equal(np.concatenate([p.levels for p in first.patterns]).ravel(), soft[LEVELS][0])
    with pytest.raises(DatasetError, match=r"lacks the columns soft_context, .*scripts/training/soft_targets\.py adds"):
        read_chains(written(soft.drop(columns=[CONTEXT, LEVELS]), "plain.parquet"), **ANY, sequences="soft")


@pytest.mark.parametrize(
    ("context", "levels", "message"),
    [
        ([0, MASK, 2, 3], [255] * 20, "soft_context are not 5 numbers from 0 to 20 for each pattern"),
        ([0, MASK, 2, 3, 21], [255] * 20, "soft_context are not 5 numbers from 0 to 20 for each pattern"),
        ([0, MASK, 2, 3, -1], [255] * 20, "soft_context are not 5 numbers from 0 to 20 for each pattern"),
        ([0, MASK, 2, 3, MASK], [255] * 20, "soft_levels are not 20 numbers from 0 to 255 for each 20"),
        ([0, MASK, 2, 3, 4], [256] * 20, "soft_levels are not 20 numbers from 0 to 255 for each 20"),
        ([0, MASK, 2, 3, 4], [0] * 20, "a pattern hides nothing, or a law is 0 everywhere"),
        ([0, MASK, 2, 3, 4, 0, 1, 2, 3, 4], [255] * 20, "a pattern hides nothing"),
        ([0, MASK, 2, 3, 4] * 65, [255] * 20 * 65, "it has 65 patterns, more than 64"),
        ([0, MASK, 2, 3, 4], None, "has one of soft_context and soft_levels, not both"),
    ],
)
def test_malformed_soft_targets_are_described(written, soft, context, levels, message):
    soft[CONTEXT], soft[LEVELS] = [context, None, None], [levels, [1], None]
    with pytest.raises(DatasetError, match=f"row 'first':? {message}"):
        read_chains(written(soft), **ANY, sequences="soft")


def test_a_file_that_is_larger_than_its_pages_is_refused_by_its_size(small_dataset, tmp_path):
    data, path = small_dataset.read_bytes(), tmp_path / "padded.parquet"
    footer = len(data) - 8 - int.from_bytes(data[-8:-4], "little")
    path.write_bytes(data[:footer] + bytes(2_000_000) + data[footer:])
    options = {"split": None, "min_length": 1, "max_length": 1000}
    assert len(read_chains(path, **options, max_bytes=3_000_000)) == len(read_chains(small_dataset, **options))
    with pytest.raises(DatasetError, match="is larger than 2 MB: give a larger max_megabytes"):
        read_chains(path, **options, max_bytes=2_000_000)
