"""What a design run is given: input files read into blueprints, and told before anything is computed."""

import glob
import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from gm_multimodal.app.cli.checks import MEGABYTE
from gm_multimodal.app.cli.commands import load
from gm_multimodal.app.cli.terminal import remark
from gm_multimodal.app.design.folder import design_id
from gm_multimodal.app.design.options import DesignConfig
from gm_multimodal.errors import UserInputError
from gm_multimodal.protein.chain_names import one_letter_names
from gm_multimodal.protein.constraints import residue_bias
from gm_multimodal.protein.contigs import parse_contig
from gm_multimodal.protein.design_tasks import Codesign, Fold, Motif, Redesign, Task, describe
from gm_multimodal.protein.fasta import read_fasta
from gm_multimodal.protein.input_structure import InputStructure, read_input
from gm_multimodal.protein.reading_notes import told
from gm_multimodal.protein.residues import RESIDUES
from gm_multimodal.protein.structure_file import SUFFIXES, is_structure_name

_SHOWN: Final = 8  # designs that a plan tells of


def read_task(config: DesignConfig) -> Task:
    """Read what the task is given; what had to be left out or replaced is said on standard error.

    Raises:
        UserInputError: A file cannot be read, or an option does not fit it.
    """
    task: Task = load(config.entry.reader)(config)
    if config.format == "pdb" or config.trajectories:
        for index in range(task.inputs):
            blueprint = task.blueprint(index)
            names = one_letter_names(blueprint.backbone.names)
            if others := [f"{old} as {new}" for old, new in names.items() if old != new]:
                where = "mapping.csv has all" if config.format == "pdb" else "in trajectories"
                note(f"PDB files name chains by one letter: {blueprint.name} has {', '.join(others)} ({where})")
    return task


def read_codesign(config: DesignConfig) -> Codesign:
    """Read nothing: a chain of that many residues is designed."""
    return Codesign(config.chain_length)


def read_fold(config: DesignConfig) -> Fold:
    """Read the sequences of a FASTA file."""
    records = read_fasta(str(config.fasta), max_bytes=_limit(config))
    for text in (text for record in records for text in record.remarks):
        note(text)
    return Fold(tuple(records), (Path(str(config.fasta)),))


def read_inverse_fold(config: DesignConfig) -> Redesign:
    """Read structures that keep their backbones."""
    return _redesign(config, keep_structure=True)


def read_partial(config: DesignConfig) -> Redesign:
    """Read structures that are noised."""
    return _redesign(config, keep_structure=False)


def read_motif(config: DesignConfig) -> Motif:
    """Read the residues of a structure that a contig names."""
    path = Path(str(config.structure)).expanduser()
    if path.is_dir():
        raise UserInputError(f"structure={path} is a folder: a contig names residues of one file.")
    structure = read_input(path, max_bytes=_limit(config))
    _tell_of([structure])
    contig = parse_contig(str(config.contig), structure, config.total_length)
    free = frozenset(contig.taken() if config.redesign_motif_sequence else ())
    return Motif(structure, contig, config.seed, free - set(structure.select_all(config.fix or "")))


def input_digest(task: Task) -> str:
    """Return 16 hexadecimal digits of the names and contents of all input files; "" without any."""
    digest = hashlib.sha256()
    for path in task.files:
        digest.update(os.fsencode(path.name) + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:16] if task.files else ""


def plan(config: DesignConfig, task: Task) -> list[str]:
    """Return what would be designed, line by line: inputs, chains, what is given, constraints, lengths."""
    total = config.number * task.inputs
    lengths = [len(task.blueprint(index)) for index in range(total)]
    shown = f"{min(lengths)}" if min(lengths) == max(lengths) else f"{min(lengths)} to {max(lengths)}"
    of_each = f" ({config.number} of each of {task.inputs} inputs)" if task.inputs > 1 else ""
    lines = [f"task {config.task}: {total} designs of {shown} residues{of_each} in blocks of {config.batch_size}"]
    if isinstance(task, Motif):
        lines.append(f"{task.structure.path.name} has the residues {task.structure.ranges()}")
        lines.append(f"contig {' / 0 / '.join(', '.join(map(str, chain)) for chain in task.contig.chains)}")
    if config.entry.starts_from_input:
        lines.append(f"every simulation begins with the input noised to time {config.start_time}")
    bias = dict(zip(RESIDUES, residue_bias(config.omit, config.bias), strict=False))
    if bias:
        lines.append(f"added to logits: {', '.join(f'{letter} {value:g}' for letter, value in bias.items() if value)}")
    if config.fix is not None:
        lines.append(f"fixed: {config.fix}")
    for index in range(min(total, _SHOWN)):
        blueprint = task.blueprint(index)
        lines.append(f"{design_id(index)}{f' of {blueprint.name}' if blueprint.name else ''}")
        lines += [f"  {line}" for line in describe(blueprint)]
    if total > _SHOWN:
        lines.append(f"and {total - _SHOWN} more")
    return [*lines, f"nothing was computed; the same command without validate=true writes {config.out}"]


def note(text: str) -> None:
    """Say something on standard error that the user should know and that stops nothing."""
    remark("gm-multimodal design: note", text)


def _limit(config: DesignConfig) -> int:
    return config.max_megabytes * MEGABYTE


def _redesign(config: DesignConfig, *, keep_structure: bool) -> Redesign:
    structures = _structures(str(config.structure), _limit(config))
    fixed = tuple(tuple(structure.select_all(config.fix or "")) for structure in structures)
    for structure, residues in zip(structures, fixed, strict=True):
        if len(residues) == len(structure):
            raise UserInputError(f"fix={config.fix} leaves nothing of {structure.path.name} to design.")
    return Redesign(tuple(structures), fixed, keep_structure=keep_structure)


def _structures(text: str, max_bytes: int) -> list[InputStructure]:
    """Read a file; or those files of a folder or glob that can be read, saying which cannot and why."""
    path = Path(text).expanduser()
    if path.is_file() or not (path.is_dir() or glob.has_magic(text)):
        structure = read_input(path, unknown=True, max_bytes=max_bytes)
        _tell_of([structure])
        return [structure]
    pattern = os.path.join(glob.escape(str(path)), "*") if path.is_dir() else str(path)
    files = [Path(file) for file in sorted(glob.glob(pattern, recursive=True)) if is_structure_name(file)]
    structures = []
    for file in files:
        try:
            structures.append(read_input(file, unknown=True, max_bytes=max_bytes))
        except UserInputError as error:
            note(f"{file.name} is left out: {error}")
    _tell_of(structures)
    if not structures:
        raise UserInputError(
            f"structure={text} has no structure that can be read ({len(files)} files end in {', '.join(SUFFIXES)})."
        )
    return structures


def _tell_of(structures: Sequence[InputStructure]) -> None:
    for line in told((structure.path.name, found) for structure in structures for found in structure.notes):
        note(line)
