"""`gm_multimodal.design`: the command as a function that returns structures and a table."""

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from gm_multimodal.app.cli.arguments import check_names, quote
from gm_multimodal.app.cli.checks import literal_keys
from gm_multimodal.app.cli.commands import COMMANDS
from gm_multimodal.app.cli.composition import composed, hydra_at_work
from gm_multimodal.app.cli.foreign_code import check_typed, fitted
from gm_multimodal.app.cli.options import read_command
from gm_multimodal.app.design.options import DesignConfig
from gm_multimodal.cells import from_cell

if TYPE_CHECKING:
    import biotite.structure as struc
    import pandas as pd


@final
@dataclass(frozen=True)
class Designs:
    """What a call of `design` made.

    Attributes:
        structures: the designs as biotite has them, with B-factors, in order.
        table: `designs.csv`, one row per design.
        folder: the run folder; None if none was asked for, and then nothing is left on disk.
    """

    structures: "tuple[struc.AtomArray, ...]"
    table: "pd.DataFrame"
    folder: Path | None


def design(*, out: str | Path | None = None, **options: Any) -> Designs:
    """Design proteins as `gm-multimodal design` does: same options, same defaults, same bytes.

    Args:
        out: run folder; None keeps nothing on disk.
        options: as on the command line, such as `length=80` or `task="motif", structure="x.pdb", contig="10,A3-9,10"`;
            an option of a config group takes double underscores for its dots or slash, `process__rotations="jump"`.

    Raises:
        UserInputError: An option that does not exist or does not fit.
    """
    from gm_multimodal.app.design.command import run

    with tempfile.TemporaryDirectory(prefix="gm-multimodal-") as temporary:
        folder = Path(out).expanduser() if out is not None else Path(temporary) / "run"
        report = run(configuration({**options, "out": folder}))
        return Designs(*_collect(report.folder, [row["file"] for row in report.rows]), None if out is None else folder)


def configuration(options: dict[str, Any]) -> DesignConfig:
    """Compose the configuration of `design` as the command line would.

    Raises:
        UserInputError: An option that does not exist or does not fit.
    """
    offered, literal = read_command("design"), literal_keys(DesignConfig)
    groups = {group.key.replace("/", "__"): group.key for group in offered.groups}
    overrides = []
    for name, value in options.items():
        key = groups.get(name, name.replace("__", "."))
        text = "null" if value is None else quote(str(value)) if key in literal else str(value)
        overrides.append(f"{key}={text}")
    check_names(overrides, offered, COMMANDS["design"].settled)
    with hydra_at_work():
        config = composed(DesignConfig, offered, overrides)
    check_typed(config, overrides)
    return fitted(config, overrides)


def _collect(folder: Path, files: list[str]) -> "tuple[tuple[struc.AtomArray, ...], pd.DataFrame]":
    import pandas as pd

    from gm_multimodal.protein.structure_file import open_structure

    table = pd.read_csv(folder / "designs.csv", keep_default_na=False, na_values=[""])
    table["input"] = table["input"].map(from_cell, na_action="ignore")
    table = table[table["file"].isin(files)].reset_index(drop=True)
    structures = tuple(open_structure(folder / file, side_chains=True).atoms(1) for file in files)
    for atoms in structures:
        atoms.del_annotation("altloc_id")  # a design has no alternatives
    return structures, table
