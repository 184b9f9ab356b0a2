"""Train on a machine that is lent for minutes: data and code go there packed, the state comes back in pieces.

# here: at most 20 MB of data, and the code
python scripts/training/packed_run.py pack chains.parquet runs/packed
# there, again and again; options of `train`
python scripts/training/packed_run.py run --out "$OUT" runs/packed network=base
# there, for pieces that one call cannot carry
python scripts/training/packed_run.py send --out "$OUT" --first 3 runs/packed
# here: puts a whole state back, after a check
python scripts/training/packed_run.py join pieces runs/packed

`run` works in FOLDER/work and goes on from the state that it finds there, from `join` or from the call before. It ends
the training when the time is up; what is lost are the steps since the last state, 200 at most. `model.safetensors`, the
averaged weights of the last validation, and `curve.csv` come back whole with every call.
"""

import argparse
import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from gm_multimodal.files import write_atomically
from gm_multimodal.protein.frames import ANGSTROM_PER_NM, carbonyl_oxygens
from gm_multimodal.training.run import CURVE, LAST, RELEASED

ROOT = Path(__file__).resolve().parents[2]
DATA, CODE, INDEX = "chains_packed.parquet", "code.tar.gz", "pieces.json"
STATE = ("config.yaml", LAST, RELEASED, CURVE)
HUNDREDTHS = 100  # of an Angstrom: coordinates are whole numbers of these
LARGEST = 20_000_000  # bytes of packed data
PIECE = 15_000_000  # bytes
FAST = ["trainer.accelerator=auto", "trainer.precision=bf16-mixed", "+trainer.enable_progress_bar=false"]


def packed(coordinates: np.ndarray) -> bytes:
    """Return N, CA, C as steps from atom to atom in hundredths of an Angstrom, axis by axis; O follows from them."""
    atoms = np.asarray(coordinates)
    units = atoms if np.issubdtype(atoms.dtype, np.integer) else np.round(HUNDREDTHS * atoms)
    chain = units.astype(np.int64).reshape(-1, 4, 3)[:, :3].reshape(-1, 3)
    steps = np.diff(chain, axis=0, prepend=chain[:1]).T
    assert np.abs(steps).max() <= np.iinfo(np.int16).max, "two atoms more than 327 Angstrom apart"
    return steps.astype("<i2").tobytes()


def unpacked(content: bytes) -> np.ndarray:
    """Return N, CA, C, O in Angstrom, [4 L * 3]; the last O of a chain is put on its C, which no training reads."""
    steps = np.frombuffer(content, "<i2").reshape(3, -1)
    atoms = (np.cumsum(steps, axis=1).T / HUNDREDTHS).reshape(-1, 3, 3)
    nm = torch.from_numpy(atoms / ANGSTROM_PER_NM)
    oxygens = torch.cat([carbonyl_oxygens(nm), nm[-1:, 2]]) * ANGSTROM_PER_NM
    return np.concatenate([atoms, oxygens[:, None].numpy()], axis=1).astype(np.float32).reshape(-1)


def pack(options: argparse.Namespace) -> None:
    """Write data and code."""
    chains = pd.read_parquet(options.chains)
    chains = chains[chains.split.isin(["train", "validation"]) & (chains.length <= options.longest)]
    chains = chains.drop(columns=options.without).assign(coordinates=chains.coordinates.map(packed))
    options.folder.mkdir(parents=True, exist_ok=True)
    chains.to_parquet(options.folder / DATA, index=False, compression="zstd", compression_level=19)
    size = (options.folder / DATA).stat().st_size
    if size > LARGEST:
        (options.folder / DATA).unlink()
        sys.exit(f"{len(chains)} chains take {size} bytes, and {LARGEST} are allowed: give --longest or --without.")
    archive = ["git", "-C", str(ROOT), "archive", "--format=tar.gz", "HEAD", "gm_multimodal", "configs", "scripts"]
    code = subprocess.run(archive, check=True, capture_output=True).stdout
    write_atomically(options.folder / CODE, code)
    print(f"{len(chains)} chains, {size / 1e6:.1f} MB; code {len(code) / 1e6:.1f} MB: {options.folder}")


def run(options: argparse.Namespace) -> None:
    """Train until the time is up, and send what came of it."""
    work = options.folder / "work"
    data, code = work / "chains.parquet", work / "code"
    if not data.is_file():
        work.mkdir(parents=True, exist_ok=True)
        chains = pd.read_parquet(options.folder / DATA)
        whole = io.BytesIO()
        chains.assign(coordinates=chains.coordinates.map(unpacked)).to_parquet(whole, index=False)
        write_atomically(data, whole.getvalue())
    shutil.rmtree(code, ignore_errors=True)
    with tarfile.open(options.folder / CODE) as archive:
        archive.extractall(code, filter="data")
    given = {option.lstrip("+").split("=")[0] for option in options.options}
    defaults = [option for option in FAST if option.lstrip("+").split("=")[0] not in given]
    command = [sys.executable, "-P", "-m", "gm_multimodal", "train", f"data={data}", f"out={work / 'run'}", *defaults]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(code), os.environ.get("PYTHONPATH", "")])}
    with subprocess.Popen([*command, *options.options], env=environment) as training:
        try:
            code_of_exit = training.wait(60 * options.minutes)
        except subprocess.TimeoutExpired:
            training.kill()
            code_of_exit = 0
    send(options)
    sys.exit(code_of_exit)


def send(options: argparse.Namespace) -> None:
    """Write an index of the state, some of its pieces, and what is read without the others."""
    found = [options.folder / "work" / "run" / name for name in STATE]
    files = [file for file in found if file.is_file()]
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w") as archive:
        for file in files:
            archive.add(file, file.name)
    content = whole.getvalue()
    pieces = [content[i : i + PIECE] for i in range(0, len(content), PIECE)]
    options.out.mkdir(parents=True, exist_ok=True)
    index = {"pieces": [name(k, piece) for k, piece in enumerate(pieces)], "sha256": digest(content)}
    write_atomically(options.out / INDEX, json.dumps(index))
    for k in range(options.first, min(options.first + options.pieces, len(pieces))):
        write_atomically(options.out / name(k, pieces[k]), pieces[k])
    for file in files:
        if file.name in (RELEASED, CURVE):
            shutil.copyfile(file, options.out / file.name)
    print(
        f"{len(pieces)} pieces, of which {options.first} to {min(options.first + options.pieces, len(pieces)) - 1} sent"
    )


def join(options: argparse.Namespace) -> None:
    """Put a state together from its pieces, and back in its place."""
    index = json.loads((options.received / INDEX).read_text())
    missing = [piece for piece in index["pieces"] if not (options.received / piece).is_file()]
    if missing:
        sys.exit(f"{options.received} lacks {', '.join(missing)}: `send` has them.")
    content = b"".join((options.received / piece).read_bytes() for piece in index["pieces"])
    if digest(content) != index["sha256"]:
        sys.exit(f"The pieces in {options.received} are not those of its {INDEX}: have them sent again.")
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        archive.extractall(options.folder / "work" / "run", filter="data")
    print(f"{len(content) / 1e6:.1f} MB: {options.folder / 'work' / 'run'}")


def name(number: int, piece: bytes) -> str:
    """Return the name of a piece, by which those of different states are told apart."""
    return f"piece_{number:02d}_{digest(piece)[:12]}"


def digest(content: bytes) -> str:
    """Return the SHA-256."""
    return hashlib.sha256(content).hexdigest()


def main() -> None:
    """Pack, train, send or join."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    packing = commands.add_parser("pack", help="write data and code into a folder")
    packing.set_defaults(function=pack)
    packing.add_argument("chains", type=Path, help="dataset of chains")
    packing.add_argument("folder", type=Path, help="folder to take along")
    packing.add_argument("--longest", type=int, default=256, help="residues of the longest chain")
    packing.add_argument("--without", nargs="*", default=[], help="columns to leave here")
    running = commands.add_parser("run", help="train until the time is up")
    running.set_defaults(function=run)
    running.add_argument("folder", type=Path, help="what was packed")
    running.add_argument("options", nargs="*", help="options of `gm-multimodal train`")
    running.add_argument("--minutes", type=float, default=9.0, help="time for the training")
    sending = commands.add_parser("send", help="send pieces of the state")
    sending.set_defaults(function=send)
    sending.add_argument("folder", type=Path, help="what was packed")
    for command in (running, sending):
        command.add_argument("--out", type=Path, required=True, help="folder whose files come back")
        command.add_argument("--first", type=int, default=0, help="number of the first piece to send")
        command.add_argument("--pieces", type=int, default=3, help="how many to send")
    joining = commands.add_parser("join", help="put a state together")
    joining.set_defaults(function=join)
    joining.add_argument("received", type=Path, help="folder with the index and all pieces")
    joining.add_argument("folder", type=Path, help="what was packed")
    options = parser.parse_args()
    options.function(options)


if __name__ == "__main__":
    main()
