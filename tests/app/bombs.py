"""Small files that ask for much memory, one maker each; a test runs the commands on them in one process of its own."""

import gzip
import io
import json
import pickle
import struct
import zipfile
from collections.abc import Callable
from typing import Any

import msgpack
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

MUCH = 2_000_000_000
MANY = 20_000_000  # rows that are allowed, each of little


def members(content: bytes, count: int) -> bytes:
    """A gzipped file of many equal parts, made in no time."""
    return gzip.compress(content) * count


def column(name: str, data: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "mask": None, "data": data}


def binary_cif(*columns: dict[str, Any]) -> bytes:
    category = {"name": "_atom_site", "rowCount": 2, "columns": list(columns)}
    return msgpack.packb({"dataBlocks": [{"header": "x", "categories": [category]}]})


def numbers(*encodings: dict[str, Any], data: bytes = struct.pack("<2i", 1, MANY)) -> dict[str, Any]:
    return {"data": data, "encoding": [*encodings, {"kind": "ByteArray", "type": 3}]}


def run_length(size: int) -> dict[str, Any]:
    return {"kind": "RunLength", "srcSize": size, "srcType": 3}


def texts(letters: int, offsets: np.ndarray, rows: int) -> dict[str, Any]:
    """`rows` times the first of the texts that `offsets` cut out of `letters` letters."""
    as_bytes = [{"kind": "ByteArray", "type": 3}]
    encoding = {
        "kind": "StringArray",
        "stringData": "A" * letters,
        "offsets": offsets.astype("<i4").tobytes(),
        "offsetEncoding": as_bytes,
        "dataEncoding": [run_length(rows), *as_bytes],
    }
    return {"data": struct.pack("<2i", 0, rows), "encoding": [encoding]}


def long_chain(residues: int) -> bytes:
    """A straight chain of the right bonds."""
    places = {"N": -1.4, "CA": 0.0, "C": 1.1, "O": 2.0}
    rows = (
        f"ATOM      1  {name:<3} ALA A{k:4d}    {0.3 * (name == 'O'):8.3f}{0:8.3f}{(2.4 * k + z) % 9000:8.3f}"
        for k in range(residues)
        for name, z in places.items()
    )
    return "\n".join(rows).encode()


STRUCTURES: dict[str, Callable[[], bytes]] = {
    "zeros.pdb.gz": lambda: members(b"\0" * 10_000_000, 300),
    "blanks.cif.gz": lambda: members(b" " * 10_000_000, 40),
    "zeros.bcif.gz": lambda: members(b"\0" * 10_000_000, 300),
    "long_chain.pdb": lambda: long_chain(8000),
    "in_disguise.pdb": lambda: members(b"ATOM\n" * 2_000_000, 40),
    "one_long_name.cif": lambda: (
        b"data_x\nloop_\n_atom_site.id\n_atom_site.label_atom_id\n"
        + b"1 "
        + b"A" * 100_000
        + b"\n"
        + b"1 A\n" * 200_000
    ),
    "one_long_text.cif": lambda: (
        b"data_x\nloop_\n_atom_site.id\n_atom_site.label_atom_id\n1\n;" + b"A \n" * 30_000 + b";\n" + b"1 A\n" * 200_000
    ),
    "one_long_quote.cif": lambda: (
        b"data_x\nloop_\n_refine.id\n_refine.ls_d_res_high\n1 '" + b"A " * 50_000 + b"'\n" + b"1 A\n" * 200_000
    ),
    "runs.bcif": lambda: binary_cif(column("id", numbers(run_length(2**31 - 1)))),
    "runs_of_no_size.bcif": lambda: binary_cif(
        column("id", numbers({"kind": "RunLength", "srcType": 3}, data=struct.pack("<2i", 1, 2**31 - 1)))
    ),
    "packed.bcif": lambda: binary_cif(
        column("id", numbers({"kind": "IntegerPacking", "byteCount": 1, "srcSize": MUCH, "isUnsigned": True}))
    ),
    "many_columns.bcif": lambda: binary_cif(*(column(str(k), numbers(run_length(MANY))) for k in range(50))),
    "many_steps.bcif": lambda: binary_cif(column("id", numbers(*[run_length(MANY)] * 5000))),
    "wide_texts.bcif": lambda: binary_cif(column("id", texts(100_000, np.array([0, 100_000]), MANY))),
    "texts_over_each_other.bcif": lambda: binary_cif(column("id", texts(100_000, np.arange(100_000) % 2 * 100_000, 2))),
    "texts_in_texts.bcif": lambda: binary_cif(
        column("id", {"data": b"", "encoding": [{**texts(1, np.arange(2), 1)["encoding"][0]}] * 2})
    ),
    "deep.bcif": lambda: b"\x91" * 1_000_000,
    "many_lists.bcif": lambda: b"\xdc\x27\x0f" + (b"\xdc\x27\x0f" + b"\x90" * 9_999) * 200,
    "announced_list.bcif": lambda: b"\xdd\x7f\xff\xff\xff" * 1_000,
}

SEQUENCES: dict[str, Callable[[], bytes]] = {
    "letters.fasta.gz": lambda: members(b">a\n" + b"A" * 10_000_000, 300),
    "records.fasta": lambda: b">a\nA\n" * 200_000,
    "one_chain.fasta": lambda: b">a\n" + b"M" * 1_000_000,
}


def chains(rows: int, residues: int, **changes: Any) -> pa.Table:
    """Equal rows of a dataset, whose lists and texts are stored once."""
    first = np.zeros(rows, dtype=np.int32)
    columns = {
        "id": "a",
        "source": "b",
        "sequence": "A" * residues,
        "split": "train",
        **{name: text for name, text in changes.items() if isinstance(text, str)},
    }
    table = {name: pa.DictionaryArray.from_arrays(pa.array(first), pa.array([text])) for name, text in columns.items()}
    size = changes.get("values", residues * 12)
    offsets = np.arange(rows + 1, dtype=np.int64) * size
    lists = pa.LargeListArray.from_arrays(offsets, pa.array(np.zeros(rows * size, dtype=np.float32)))
    return pa.table(table | {"length": first + residues, "cluster30": first, "coordinates": lists})


def parquet(table: pa.Table, **options: Any) -> bytes:
    file = io.BytesIO()
    pq.write_table(table, file, compression="zstd", store_schema=False, **options)
    return file.getvalue()


def with_lying_footer() -> bytes:
    """The pages of a large table before the footer of a small one, which does not compress."""
    noise = pa.array(np.frombuffer(np.random.default_rng(0).bytes(400_000), dtype=np.float32))
    small = chains(1, 10, values=100_000)
    small = small.set_column(
        small.schema.get_field_index("coordinates"), "coordinates", pa.LargeListArray.from_arrays([0, 100_000], noise)
    )
    # coordinates come first in the file, so that both begin at the same place
    order = ["coordinates", "id", "source", "sequence", "split", "length", "cluster30"]
    plain = {"use_dictionary": False, "data_page_size": 2**30, "write_statistics": False, "data_page_version": "1.0"}
    honest = parquet(small.select(order), **plain)
    large = parquet(chains(1, 10, values=10_000_000).select(order[:1]), **plain)
    end = pq.ParquetFile(io.BytesIO(large)).metadata.row_group(0).column(0).total_compressed_size
    return honest[:4] + large[4 : 4 + end] + honest[4 + end :]


DATASETS: dict[str, Callable[[], bytes]] = {
    "many_rows.parquet": lambda: parquet(chains(110_000, 1)),
    "long_names.parquet": lambda: parquet(chains(1000, 1, id="a" * 1_000_000)),
    "long_rows.parquet": lambda: parquet(chains(20, 1, values=500_000)),
    "one_row.parquet": lambda: parquet(chains(1, 1, values=7_000_000)),
    "lying_footer.parquet": with_lying_footer,
    "long_footer.parquet": lambda: b"PAR1" + b"\0" * 8 + struct.pack("<I", 2**31 - 1) + b"PAR1",
}


def idx(*shape: int) -> bytes:
    return struct.pack(f">BBBB{len(shape)}I", 0, 0, 8, len(shape), *shape)


def npy(shape: tuple[int, ...]) -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})
    return file.getvalue()


def archive(content: bytes, tail: int = 0, name: str = "images.npy") -> bytes:
    """A zip file of one member: `content` and then many zeros."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as made, made.open(name, "w") as member:
        member.write(content)
        for _ in range(tail // 1_000_000):
            member.write(b"\0" * 1_000_000)
    return file.getvalue()


def understated(content: bytes) -> bytes:
    """The same zip file with a directory that says 100 bytes of the unpacked size."""
    place = content.rindex(b"PK\x01\x02") + 24
    return content[:place] + struct.pack("<I", 100) + content[place + 4 :]


def picture(side: int, kind: str) -> bytes:
    file = io.BytesIO()
    Image.new("L", (side, side)).save(file, kind)
    return file.getvalue()


def announced_picture() -> bytes:
    """A PNG of one pixel whose header says 12,000 x 12,000, with the check sum that belongs to it."""
    content = picture(1, "PNG")
    head = b"IHDR" + struct.pack(">2I", 12_000, 12_000) + content[24:29]
    return content[:12] + head + struct.pack(">I", zipfile.crc32(head)) + content[33:]


IMAGES: dict[str, dict[str, Callable[[], bytes]]] = {
    "idx_unpacked": {
        "train-images-idx3-ubyte.gz": lambda: gzip.compress(idx(200_000, 100, 100)) + members(b"\0" * 10_000_000, 5),
        "train-labels-idx1-ubyte.gz": lambda: gzip.compress(idx(200_000)),
    },
    "idx_announced": {
        "train-images-idx3-ubyte": lambda: idx(2**31, 2**10, 2**10),
        "train-labels-idx1-ubyte": lambda: idx(2**31),
    },
    "npz_announced": {"a.npz": lambda: archive(npy((2**40, 28, 28)))},
    "npz_unpacked": {"a.npz": lambda: archive(npy((120_000, 32, 32)), 120_000_000)},
    "npz_understated": {"a.npz": lambda: understated(archive(npy((1_200_000, 32, 32)), 3_000_000))},
    "png_large": {"a.png": lambda: picture(3_000, "PNG"), "b.png": lambda: picture(3_000, "PNG")},
    "png_announced": {"a.png": announced_picture, "b.png": announced_picture},
    "jpeg_many": {f"{k:02}.jpg": lambda: picture(1_500, "JPEG") for k in range(60)},
    "cifar_memo": {"data_batch_1": lambda: b"\x80\x02}r\xff\xff\xff\xff]0."},
    "cifar_text": {"data_batch_1": lambda: b"\x80\x04\x8d" + struct.pack("<Q", 2**40) + b"."},
    "cifar_bytes": {"data_batch_1": lambda: b"\x80\x05\x96" + struct.pack("<Q", 2**33) + b"."},
    "cifar_lists": {"data_batch_1": lambda: b"\x80\x02(" + b"]" * 3_000_000 + b"l."},
    "cifar_shape": {
        "data_batch_1": lambda: pickle.dumps({b"data": np.zeros((2, 3072), dtype=np.uint8)}, 2).replace(
            b"K\x02M\x00\x0c", b"J\xff\xff\xff\x7fM\x00\x0c"
        )
    },
    "cifar_objects": {"data_batch_1": lambda: pickle.dumps({b"data": np.zeros(2, dtype=object)}, 2)},
}

CHECKPOINTS: dict[str, Callable[[], bytes]] = {
    "header.safetensors": lambda: struct.pack("<Q", 2**40) + b"{}",
    "tensor.safetensors": lambda: weights({"a": {"dtype": "F32", "shape": [2**20, 2**10], "data_offsets": [0, 2**32]}}),
    "deep.safetensors": lambda: weights({"__metadata__": {"config": "[" * 100_000, "provenance": "{}"}}),
}


def weights(header: dict[str, Any]) -> bytes:
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text


RECORDS: dict[str, bytes] = {
    "laughs": b"made_with: &a0 [x, x]\n"
    + b"".join(b"a%d: &a%d [*a%d, *a%d]\n" % (k, k, k - 1, k - 1) for k in range(1, 60)),
    "deep": b"made_with: " + b"[" * 100_000,
    "large": b"made_with: 1\n" + b"- 1\n" * 1_000_000,
    "number": b"made_with: " + b"9" * 10_000,
}
