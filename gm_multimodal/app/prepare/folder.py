"""The folder of a dataset that `prepare` makes: what may continue it, and what is done already.

chains.parquet              the dataset: one row per chain
rejected.csv                a line for everything that is not in it, with the reason
report.md, lengths.png, secondary_structure.png
config.yaml                 the settings and versions; no dates
shards/                     what the files gave, so that reading continues and new files are cheap to add
downloads/                  structures that were fetched by their ids
"""

import hashlib
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gm_multimodal.app.folders.hold import foreign, writing
from gm_multimodal.app.folders.record import RunRecord
from gm_multimodal.files import in_the_way, leftovers, own_folder
from gm_multimodal.protein.preparation.shards import is_merged

_FILE = r"chains\.parquet|rejected\.csv|report\.md|(lengths|secondary_structure)\.png"
_RECORD = RunRecord("a dataset", "made_with", _FILE)
_SHARD, _DOWNLOAD = r"[0-9a-f]{20}\.(parquet|csv)", r".+\.bcif(\.absent)?"


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
        """Take up the dataset that is there, or begin one in an empty folder, and write config.yaml.

        Args:
            record: everything that decides the dataset.
            made_with: versions, which must be equal too.

        Raises:
            UserInputError: It cannot be written, holds other files or another dataset, or the dataset was
                replaced by a file that `prepare` did not write.
        """
        wanted = {**record, _RECORD.mark: dict(made_with)}
        with writing(self.path):
            _RECORD.check(self.path, wanted)
            if in_the_way(self.path, [self.dataset.name]) and not is_merged(self.dataset):
                raise foreign(self.dataset)
            _RECORD.write(self.path, wanted)
            own_folder(self.shards)

    def clean(self, stems: Collection[str]) -> None:
        """Remove what a killed run left half-written, and shards of files that are no longer asked for."""
        shards = (file for file in self.shards.iterdir() if re.fullmatch(_SHARD, file.name))
        places = ((self.path, _FILE), (self.shards, _SHARD), (self.downloads, _DOWNLOAD))
        left = (file for folder, names in places for file in leftovers(folder, names))
        for file in [*(file for file in shards if file.stem not in stems and not file.is_dir()), *left]:
            file.unlink()


def fingerprint(parts: Iterable[str]) -> str:
    """Return a short text that differs where the parts do."""
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:20]
