"""Any folding program that reads a FASTA file and leaves structure files: AlphaFold, Boltz, a script of one's own."""

import os
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final, final

import numpy as np
import numpy.typing as npt

from gm_multimodal.errors import UserInputError
from gm_multimodal.protein.judges.folding import FoldedStructure
from gm_multimodal.protein.residues import decode
from gm_multimodal.protein.structure import read_backbone

_PLACES: Final = ("{fasta}", "{out}")
_STRUCTURES: Final = (".pdb", ".ent", ".cif", ".mmcif", ".bcif", ".pdb.gz", ".cif.gz")


@final
class FoldCommand:
    """Runs a command for a few sequences at a time.

    The command is split like a shell would and run without one. It finds the sequences in the FASTA file that stands
    for ``{fasta}`` and leaves structures anywhere in the folder that stands for ``{out}``, in files whose names begin
    with those of the sequences; of several for one sequence the first by name counts (rank 1, say).

    Args:
        command: such as ``my_fold {fasta} {out}``.

    Raises:
        UserInputError: The command lacks one of its two places, or its program is not there.
    """

    def __init__(self, command: str) -> None:
        missing = [place for place in _PLACES if place not in command]
        if missing:
            raise UserInputError(
                f"fold_command={command!r} lacks {' and '.join(missing)}: write where the FASTA file and the folder "
                f'for structures go, such as fold_command="my_fold {{fasta}} {{out}}".'
            )
        try:
            self._words = shlex.split(command, posix=os.name != "nt")
        except ValueError as error:
            raise UserInputError(f"fold_command={command!r} cannot be split into words: {error}.") from error
        if shutil.which(self._words[0]) is None:
            raise UserInputError(f"fold_command: {self._words[0]} was not found: install it or give its full path.")
        self._command = command

    @property
    def tool(self) -> str:
        """The command itself."""
        return f"fold_command={self._command}"

    @property
    def version(self) -> str:
        """Unknown: commands do not say."""
        return "unknown"

    def fold(self, sequences: Sequence[npt.NDArray[np.int64]]) -> list[FoldedStructure]:
        """Run the command once for all sequences.

        Raises:
            UserInputError: The command cannot be run, fails, leaves no structure of a sequence, or one of another.
        """
        names = [f"chain{number:05d}" for number in range(len(sequences))]
        letters = [decode(tokens) for tokens in sequences]
        with tempfile.TemporaryDirectory(prefix="gm_multimodal_fold_") as folder:
            fasta, out = Path(folder, "sequences.fasta"), Path(folder, "structures")
            out.mkdir()
            lines = "".join(f">{name}\n{text}\n" for name, text in zip(names, letters, strict=True))
            fasta.write_text(lines, encoding="ascii")
            self._run(fasta, out)
            files = sorted(file for file in out.rglob("*") if file.name.lower().endswith(_STRUCTURES))
            return [self._read(files, name, text) for name, text in zip(names, letters, strict=True)]

    def _run(self, fasta: Path, out: Path) -> None:
        words = [word.replace("{fasta}", str(fasta)).replace("{out}", str(out)) for word in self._words]
        try:
            done = subprocess.run(words, capture_output=True, text=True, errors="replace", check=False)
        except OSError as error:
            raise UserInputError(f"fold_command: {words[0]} cannot be run ({error.strerror}).") from error
        if done.returncode != 0:
            said = (done.stderr.strip() or done.stdout.strip() or "it said nothing").splitlines()[-1]
            raise UserInputError(f"fold_command: {words[0]} ended with exit code {done.returncode}: {said}")

    def _read(self, files: Sequence[Path], name: str, letters: str) -> FoldedStructure:
        mine = [file for file in files if file.name.startswith(name)]
        if not mine:
            there = f"its files are {files[0].name} ..." if files else "it left no structure file at all"
            raise UserInputError(
                f"fold_command: {self._words[0]} left no structure of sequence {name} in {{out}}; {there}. It should "
                f"write {name}.pdb (or .cif) for the sequence of that name in {{fasta}}."
            )
        chains = read_backbone(mine[0])
        found = {decode(chain.tokens): chain for chain in chains}
        if letters not in found:
            other = decode(chains[0].tokens)
            raise UserInputError(
                f"fold_command: {self._words[0]} folded another sequence: {mine[0].name} {_difference(other, letters)}."
            )
        return FoldedStructure(found[letters].coordinates, None)


def _difference(got: str, wanted: str) -> str:
    if len(got) != len(wanted):
        return f"has {len(got)} residues with a whole backbone, the sequence {len(wanted)}"
    place = next(i for i, (a, b) in enumerate(zip(got, wanted, strict=True)) if a != b)
    return f"has {got[place]} at residue {place + 1}, the sequence {wanted[place]}"
