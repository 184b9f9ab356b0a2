"""Clusters at 30 % sequence identity: by MMseqs2 where it is installed, by words and alignments otherwise."""

import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from gm_multimodal.errors import UserInputError
from gm_multimodal.protein.output import fasta_record
from gm_multimodal.protein.preparation.kmer_clusters import COVERAGE, IDENTITY, cluster_by_words

BUILT_IN: Final = "built-in"
MMSEQS: Final = "mmseqs"
_SENSITIVITY: Final = 4


def resolve_method(method: str) -> str:
    """Return what auto means here: `MMSEQS` if the program is on the PATH, otherwise `BUILT_IN`.

    Raises:
        UserInputError: MMseqs2 is asked for and absent.
    """
    is_there = shutil.which(MMSEQS) is not None
    if method == MMSEQS and not is_there:
        raise UserInputError(
            "clustering=mmseqs needs the program mmseqs on the PATH: install MMseqs2, or leave it auto."
        )
    return (MMSEQS if is_there else BUILT_IN) if method == "auto" else method


def method_version(method: str) -> str:
    """Return the name and version of what computes the clusters, for the record of a dataset."""
    if method == BUILT_IN:
        return "gm_multimodal, single linkage over aligned pairs with common words"
    return f"MMseqs2 {_run([_program(), 'version']).strip()}"


def cluster(
    sequences: Sequence[str], method: str, *, threads: int, progress: Callable[[int], object]
) -> npt.NDArray[np.int64]:
    """Return the cluster of every sequence, [n], numbered from 0 in the order of their first members.

    Args:
        sequences: in one-letter codes, all different.
        method: `MMSEQS` or `BUILT_IN`.
        threads: of MMseqs2.
        progress: called with numbers of sequences that are done.

    Raises:
        UserInputError: MMseqs2 failed.
    """
    if not sequences:
        return np.zeros(0, dtype=np.int64)
    if method == MMSEQS:
        founders = _by_mmseqs(sequences, threads)
        progress(len(sequences))
    else:
        founders = cluster_by_words(sequences, progress)
    numbers: dict[int, int] = {}
    return np.array([numbers.setdefault(int(founder), len(numbers)) for founder in founders], dtype=np.int64)


def _by_mmseqs(sequences: Sequence[str], threads: int) -> npt.NDArray[np.int64]:
    with tempfile.TemporaryDirectory(prefix="gm-multimodal-") as name:
        folder = Path(name)
        fasta, result = folder / "sequences.fasta", folder / "result"
        with fasta.open("w", encoding="ascii", newline="\n") as file:
            file.writelines(fasta_record(str(place), sequence) for place, sequence in enumerate(sequences))
        _run(
            [
                *(_program(), "easy-cluster", str(fasta), str(result), str(folder / "tmp")),
                *("--min-seq-id", str(IDENTITY), "-c", str(COVERAGE), "-s", str(_SENSITIVITY)),
                *("--threads", str(threads), "-v", "1"),
            ]
        )
        founders = np.full(len(sequences), -1, dtype=np.int64)
        for line in (folder / "result_cluster.tsv").read_text(encoding="ascii").splitlines():
            founder, member = line.split("\t")
            founders[int(member)] = int(founder)
    assert (founders >= 0).all(), "MMseqs2 left a sequence out"
    return founders


def _program() -> str:
    return shutil.which(MMSEQS) or MMSEQS


def _run(command: Sequence[str]) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        said = " ".join((getattr(error, "stderr", None) or getattr(error, "stdout", None) or str(error)).split())[-200:]
        raise UserInputError(f"MMseqs2 failed ({said}): give clustering=built-in to do without it.") from error
