"""Local files are read in the formats data sets are published in, and what cannot be read is named."""

import gzip
import io
import pickle
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from gm_multimodal.errors import DatasetError
from gm_multimodal.images.dataset import load_images

SHARED = Path(__file__).parents[3] / "shared" / "data" / "images"
RNG = np.random.default_rng(0)
COLOUR = RNG.integers(0, 256, (20, 3, 32, 32), dtype=np.uint8)
GREY = RNG.integers(0, 256, (20, 28, 28), dtype=np.uint8)
LABELS = np.arange(20) % 7


def idx(array: np.ndarray) -> bytes:
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()


def write_idx(folder: Path, suffix: str) -> None:
    pack = gzip.compress if suffix else bytes
    for prefix in ("train", "t10k"):
        (folder / f"{prefix}-images-idx3-ubyte{suffix}").write_bytes(pack(idx(GREY)))
        (folder / f"{prefix}-labels-idx1-ubyte{suffix}").write_bytes(pack(idx(LABELS.astype(np.uint8))))


def write_cifar(folder: Path) -> None:
    for k in range(1, 6):
        part = slice(4 * (k - 1), 4 * k)
        batch = {b"data": COLOUR[part].reshape(4, -1), b"labels": LABELS[part].tolist(), b"batch_label": b"some"}
        # the published files were written before numpy 2 renamed this module
        older = pickle.dumps(batch, protocol=2).replace(b"numpy._core.multiarray", b"numpy.core.multiarray")
        (folder / f"data_batch_{k}").write_bytes(older)
    batch = {b"data": COLOUR.reshape(20, -1), b"labels": LABELS.tolist()}
    (folder / "test_batch").write_bytes(pickle.dumps(batch, protocol=2))


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_idx_files_are_read(tmp_path, suffix):
    write_idx(tmp_path, suffix)
    images = load_images(str(tmp_path), "test")
    assert images.shape == (1, 28, 28) and images.levels == 256
    assert np.array_equal(images.images[:, 0], GREY) and np.array_equal(images.labels, LABELS)


def test_damaged_idx_files_are_named(tmp_path):
    write_idx(tmp_path, ".gz")
    images, labels = tmp_path / "train-images-idx3-ubyte.gz", tmp_path / "t10k-labels-idx1-ubyte.gz"
    labels.write_bytes(gzip.compress(idx(LABELS.astype(np.uint8)[:5])))
    with pytest.raises(DatasetError, match=r"20 images.*5 labels"):
        load_images(str(tmp_path), "test")
    images.write_bytes(images.read_bytes()[:-20])
    with pytest.raises(DatasetError, match=f"{images.name} cannot be read"):
        load_images(str(tmp_path), "train")
    images.write_bytes(gzip.compress(idx(GREY)[:-1]))
    with pytest.raises(DatasetError, match="announces 15680 bytes and has 15679"):
        load_images(str(tmp_path), "train")
    images.write_bytes(gzip.compress(b"nonsense"))
    with pytest.raises(DatasetError, match="begins with 6e 6f 6e 73"):
        load_images(str(tmp_path), "train")
    images.unlink()
    with pytest.raises(DatasetError, match="no train-images-idx3-ubyte"):
        load_images(str(tmp_path), "train")


def test_the_batches_of_cifar_are_read(tmp_path):
    write_cifar(tmp_path)
    for split in ("train", "test"):
        images = load_images(str(tmp_path), split)
        assert np.array_equal(images.images, COLOUR) and np.array_equal(images.labels, LABELS)


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("names", [(b"data", b"labels"), ("data", "labels")])
def test_batches_of_every_protocol_are_read(tmp_path, protocol, order, names):
    batch = dict(zip(names, [np.asarray(COLOUR.reshape(20, -1), order=order), LABELS.tolist()], strict=True))
    (tmp_path / "test_batch").write_bytes(pickle.dumps(batch, protocol=protocol))
    images = load_images(str(tmp_path), "test")
    assert np.array_equal(images.images, COLOUR) and np.array_equal(images.labels, LABELS)


def test_a_batch_as_python_2_wrote_it_is_read(tmp_path):
    def text(content: bytes) -> bytes:
        return b"U" + bytes([len(content)]) + content

    pixels = COLOUR[:2].tobytes()
    array = b"cnumpy.core.multiarray\n_reconstruct\nq\x01cnumpy\nndarray\nq\x02K\x00\x85" + text(b"b") + b"\x87Rq\x03"
    kind = b"cnumpy\ndtype\nq\x04" + text(b"u1") + b"K\x00K\x01\x87R(K\x03" + text(b"|") + b"NNNJ\xff\xff\xff\xff"
    kind += b"J\xff\xff\xff\xffK\x00tb"
    array += b"(K\x01K\x02M\x00\x0c\x86" + kind + b"\x89T" + struct.pack("<i", len(pixels)) + pixels + b"tb"
    table = text(b"data") + array + text(b"labels") + b"]q\x05(K\x03K\x07e"
    (tmp_path / "test_batch").write_bytes(b"\x80\x02}q\x00(" + table + b"u.")
    images = load_images(str(tmp_path), "test")
    assert np.array_equal(images.images, COLOUR[:2]) and images.labels.tolist() == [3, 7]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"cos\nsystem\n(U\x02lstR.", "asks for 'os.system'"),
        (b"\x80\x04\x8c\x02os\x8c\x06system\x93.", "asks for 'os.system'"),
        (b"\x80\x02cnumpy\nndarray\n)\x81.", "NEWOBJ does more"),
        (b"\x80\x02cnumpy\nndarray\n)R.", "calls numpy.ndarray"),
        (b"\x80\x02cnumpy\nndarray\n.", "an incomplete array"),
        (b"\x80\x02cnumpy.core.multiarray\n_reconstruct\n)R.", "an array without contents"),
        (b"\x80\x02}K\x01K\x02s.", "a key of kind int"),
        (b"\x80\x02}}K\x02s.", "a key of kind dict"),
        (b"\x80\x02]" + b"\x85" * 500_000 + b"K\x01K\x01s.", "has tuple where dict belongs"),
        (b"\x80\x02}0.", "POP does more"),
        (b"\x80\x02e.", "damaged or cut off"),
        (b"\x80\x02}", "damaged or cut off"),
        (b"\x80\x02h\x07.", "damaged or cut off"),
    ],
)
def test_a_crafted_batch_is_refused_in_one_line(tmp_path, content, reason):
    (tmp_path / "test_batch").write_bytes(content)
    with pytest.raises(DatasetError, match=f"test_batch is not a Python batch of CIFAR-10: .*{reason}"):
        load_images(str(tmp_path), "test")


def test_labels_that_are_none_are_refused(tmp_path):
    for label in (-1, 2**70, True, "cat"):
        batch = {b"data": COLOUR[:1].reshape(1, -1), b"labels": [label]}
        (tmp_path / "test_batch").write_bytes(pickle.dumps(batch, protocol=2))
        with pytest.raises(DatasetError, match="has no 'labels'"):
            load_images(str(tmp_path), "test")


def test_a_batch_cannot_run_a_programme(tmp_path):
    class Evil:
        def __reduce__(self):
            return Path.touch, (tmp_path / "was_here",)

    write_cifar(tmp_path)
    (tmp_path / "test_batch").write_bytes(pickle.dumps({b"data": Evil(), b"labels": []}))
    with pytest.raises(DatasetError, match=r"it asks for .*Path"):
        load_images(str(tmp_path), "test")
    assert not (tmp_path / "was_here").exists()


@pytest.mark.parametrize(
    ("batch", "message"),
    [
        ({b"data": COLOUR.reshape(20, -1)[:, 1:], b"labels": LABELS.tolist()}, "no 'data' of bytes"),
        ({b"data": COLOUR.reshape(20, -1), b"labels": [1]}, "no 'labels'"),
        ([1, 2], "no 'data'"),
    ],
)
def test_pickles_that_are_no_batch_are_named(tmp_path, batch, message):
    write_cifar(tmp_path)
    (tmp_path / "test_batch").write_bytes(pickle.dumps(batch, protocol=2))
    with pytest.raises(DatasetError, match=message):
        load_images(str(tmp_path), "test")
    (tmp_path / "test_batch").write_bytes(b"\x80\x02}q")
    with pytest.raises(DatasetError, match="test_batch is not a Python batch"):
        load_images(str(tmp_path), "test")


def test_the_batches_of_imagenet_are_read(tmp_path):
    for k in range(1, 11):
        with pytest.raises(DatasetError, match=f"train_data_batch_{k}" if k > 1 else "holds"):
            load_images(str(tmp_path), "train")
        part = slice(2 * (k - 1), 2 * k)
        np.savez(tmp_path / f"train_data_batch_{k}", data=COLOUR[part].reshape(2, -1), labels=LABELS[part] + 1)
    images = load_images(str(tmp_path), "train")
    assert np.array_equal(images.images, COLOUR) and np.array_equal(images.labels, LABELS)
    np.savez(tmp_path / "train_data_batch_3", data=COLOUR[:2].reshape(2, -1), labels=[0, 1])
    with pytest.raises(DatasetError, match="label 0; its labels begin at 1"):
        load_images(str(tmp_path), "train")
    with pytest.raises(DatasetError, match="val_data"):
        load_images(str(tmp_path), "test")


def test_a_file_without_images_is_refused(tmp_path):
    np.savez(tmp_path / "none.npz", train_images=COLOUR[:0], test_images=COLOUR)
    with pytest.raises(DatasetError, match="has no train images"):
        load_images(str(tmp_path / "none.npz"), "train")
    empty = np.zeros(0, dtype=np.uint8)
    np.savez(tmp_path / "jpeg.npz", train_jpeg=empty, train_offsets=empty, train_label=empty)
    with pytest.raises(DatasetError, match="train_offsets do not cut"):
        load_images(str(tmp_path / "jpeg.npz"), "train")


@pytest.mark.parametrize("layout", [(0, 1, 2, 3), (0, 2, 3, 1)])
def test_plain_npz_files_are_read(tmp_path, layout):
    np.savez(tmp_path / "own.npz", images=COLOUR.transpose(layout), labels=LABELS)
    train, test = (load_images(str(tmp_path / "own.npz"), split) for split in ("train", "test"))
    assert np.array_equal(test.images, COLOUR[::10]) and np.array_equal(test.labels, LABELS[::10])
    assert len(train) == 18 and train.name == "own"
    np.savez(tmp_path / "two.npz", train_images=COLOUR.transpose(layout), test_images=COLOUR[:3].transpose(layout))
    assert len(load_images(str(tmp_path / "two.npz"), "test")) == 3


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"pictures": COLOUR}, r"has \['pictures'\]; expected"),
        ({"images": COLOUR / 255}, "float64; give bytes"),
        ({"images": COLOUR[0, 0]}, "shape"),
        ({"images": COLOUR, "labels": LABELS[1:]}, "give 20 whole numbers"),
        ({"images": COLOUR, "labels": LABELS - 1}, "whole numbers from 0"),
        ({"images": np.array([{}], dtype=object)}, "cannot be read as npz"),
    ],
)
def test_other_npz_files_are_named(tmp_path, arrays, message):
    np.savez(tmp_path / "own.npz", **arrays)
    with pytest.raises(DatasetError, match=message):
        load_images(str(tmp_path / "own.npz"), "train")


def encode(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def test_encoded_pictures_in_npz_files_are_read(tmp_path):
    pieces = [encode(image.transpose(1, 2, 0)) for image in COLOUR]
    arrays = {
        "train_jpeg": np.frombuffer(b"".join(pieces), dtype=np.uint8),
        "train_offsets": np.cumsum([0, *map(len, pieces)]),
        "train_label": LABELS,
    }
    np.savez(tmp_path / "own.npz", **arrays)
    images = load_images(str(tmp_path / "own.npz"), "train")
    assert np.array_equal(images.images, COLOUR) and np.array_equal(images.labels, LABELS)
    np.savez(tmp_path / "own.npz", **{**arrays, "train_offsets": arrays["train_offsets"][::-1]})
    with pytest.raises(DatasetError, match="do not cut"):
        load_images(str(tmp_path / "own.npz"), "train")


def test_folders_of_pictures_are_read_with_folders_for_classes(tmp_path):
    for k, image in enumerate(GREY):
        folder = tmp_path / ("cats" if k < 12 else "dogs")
        folder.mkdir(exist_ok=True)
        (folder / f"{k:02}.png").write_bytes(encode(image))
    train, test = (load_images(str(tmp_path), split) for split in ("train", "test"))
    assert np.array_equal(test.images[:, 0], GREY[::10]) and test.labels.tolist() == [0, 0]
    assert len(train) == 18 and train.labels.tolist() == [0] * 10 + [1] * 8


def test_folders_train_and_test_are_the_splits_and_one_coloured_picture_makes_all_coloured(tmp_path):
    for name in ("train", "test"):
        (tmp_path / name).mkdir()
    (tmp_path / "train" / "a.png").write_bytes(encode(COLOUR[0].transpose(1, 2, 0)))
    (tmp_path / "train" / "b.png").write_bytes(encode(COLOUR[1, 0]))
    train = load_images(str(tmp_path), "train")
    assert train.labels is None and torch.equal(train.images[1, 0], train.images[1, 2])
    assert np.array_equal(train.images[0], COLOUR[0])
    with pytest.raises(DatasetError, match="test has no PNG or JPEG"):
        load_images(str(tmp_path), "test")


def test_pictures_that_cannot_be_read_are_named(tmp_path):
    (tmp_path / "a.png").write_bytes(encode(GREY[0]))
    (tmp_path / "b.png").write_bytes(encode(GREY[0]))
    (tmp_path / "c.png").write_bytes(encode(GREY[1, 1:]))
    with pytest.raises(DatasetError, match=r"c\.png is 27x28 pixels.*b\.png 28x28"):
        load_images(str(tmp_path), "train")
    (tmp_path / "c.png").write_bytes(b"GIF89a")
    with pytest.raises(DatasetError, match=r"c\.png is not a PNG or JPEG"):
        load_images(str(tmp_path), "train")
    (tmp_path / "c.png").write_bytes(encode(GREY[1].astype(np.uint16)))
    with pytest.raises(DatasetError, match="8 bits a channel"):
        load_images(str(tmp_path), "train")


def test_what_is_no_data_set_is_named_with_what_would_do(tmp_path):
    for data, found in [(tmp_path / "none", "does not exist"), (tmp_path, "holds nothing")]:
        with pytest.raises(DatasetError, match=rf"{found}.*(digits|idx)"):
            load_images(str(data), "train")
    (tmp_path / "notes.txt").touch()
    with pytest.raises(DatasetError, match=r"holds notes\.txt"):
        load_images(str(tmp_path), "train")
    with pytest.raises(DatasetError, match="another kind"):
        load_images(str(tmp_path / "notes.txt"), "train")


@pytest.mark.skipif(not SHARED.exists(), reason="the data for development are not here")
def test_fashion_is_read():
    images = load_images(str(SHARED), "test")
    assert images.shape == (1, 28, 28) and images.labels.bincount().tolist() == [1000] * 10
