"""The folder of a dataset that `prepare` makes: what may continue it, and what is done already.

chains.parquet              the dataset: one row per chain
rejected.csv                a line for everything that is not in it, with the reason
report.md, lengths.png, secondary_structure.png
config.yaml                 the settings and versions; no dates
shards/                     what the files gave, so that reading continues and new files are cheap to add
downloads/                  structures that were fetched by their ids
"""

import hashlib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from gm_multimodal.app.differences import refuse_differences
from gm_multimodal.app.records import read_record
from gm_multimodal.app.run_folder import writing
from gm_multimodal.errors import UserInputError
from gm_multimodal.files import TEMPORARY_SUFFIX, write_atomically

_CONFIG = "config.yaml"
_HEADER = "# A dataset of `gm-multimodal prepare`: the same command in the same place continues it.\n"
_MADE_WITH = "made_with"


@dataclass(frozen=True)
class PrepareFolder:
    """Where the files of one dataset lie."""

    path: Path

    @property
    def dataset(self) -> Path:
        """The Parquet file of chains."""
        return self.path / "chains.parquet"

    @property
    def rejected(self) -> Path:
        """The table of rejections."""
        return self.path / "rejected.csv"

    @property
    def report(self) -> Path:
        """The report; its pictures lie beside it."""
        return self.path / "report.md"

    @property
    def shards(self) -> Path:
        """The folder of shards."""
        return self.path / "shards"

    @property
    def downloads(self) -> Path:
        """The folder of fetched structures."""
        return self.path / "downloads"

    def open(self, record: Mapping[str, Any], made_with: Mapping[str, str]) -> None:
        """Create the folder or take up the dataset that is there, and write config.yaml.

        Args:
            record: everything that decides the dataset.
            made_with: versions, which must be equal too.

        Raises:
            UserInputError: It cannot be written, holds files but no dataset of ours, or another one.
        """
        wanted = {**record, _MADE_WITH: dict(made_with)}
        with writing(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
            file = self.path / _CONFIG
            if file.is_file():
                refuse_differences(self.path, read_record(file, _MADE_WITH, "dataset"), wanted)
            elif any(not name.name.endswith(TEMPORARY_SUFFIX) for name in self.path.iterdir()):
                raise UserInputError(f"{self.path} holds files but no dataset of ours: give another out=FOLDER.")
            self.shards.mkdir(exist_ok=True)
            write_atomically(file, _HEADER + yaml.safe_dump(wanted, sort_keys=False, allow_unicode=True))

    def clean(self, stems: Collection[str]) -> None:
        """Remove what a killed run left half-written, and shards of files that are no longer asked for."""
        for file in self.shards.iterdir():
            if file.stem not in stems or file.suffix == TEMPORARY_SUFFIX:
                file.unlink()
        for folder in (self.path, self.downloads):
            for file in folder.glob(f"*{TEMPORARY_SUFFIX}"):
                file.unlink()


def fingerprint(parts: Iterable[str]) -> str:
    """Return a short text that differs where the parts do."""
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:20]
