"""The record of a run folder: what was asked for and what it was made with, which decides what may continue the run."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from gm_multimodal.app.folders.hold import is_of_a_lock, refuse_foreign, writing
from gm_multimodal.app.folders.plain_yaml import as_yaml, read_yaml
from gm_multimodal.errors import UserInputError
from gm_multimodal.files import leftovers, write_atomically


@final
@dataclass(frozen=True)
class RunRecord:
    """What the records of one kind of run are like.

    Attributes:
        kind: what its folder holds, in words, such as "a run" or "a dataset".
        mark: an entry that every such record has.
        outputs: regular expression of the names of the files that the run writes beside it.
        name: of the file.
        refused: outputs that may not be there before the run; None refuses a folder that holds anything else at all.
        may_differ: first parts of dotted keys in which a continued run may differ.
        decisive: first parts of the only keys in which it may not differ; None is all but `may_differ`.
    """

    kind: str
    mark: str
    outputs: str
    name: str = "config.yaml"
    refused: tuple[str, ...] | None = None
    may_differ: tuple[str, ...] = ()
    decisive: tuple[str, ...] | None = None

    def check(self, folder: Path, content: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """Refuse a folder whose run this one cannot continue, leave it as it is, and return the record that is there.

        Args:
            folder: of the run; it may be absent.
            content: what this run would record.

        Raises:
            UserInputError: The record that is there is malformed, is of another command, or says something else; or
                there is none, but files that the run did not write.
        """
        file = folder / self.name
        with writing(folder):
            if file.is_file():
                old = self._read(file)
                self._refuse_differences(folder, old, content)
                return old
            if self.refused is not None:
                refuse_foreign(folder, self.refused)
            elif folder.is_dir():
                known = leftovers(folder, self._files)
                if not all(item in known or is_of_a_lock(item) for item in folder.iterdir()):
                    raise UserInputError(
                        f"{folder} holds files, but not {self.kind} of this program (there is no {self.name}): "
                        "give another out=FOLDER."
                    )
        return None

    def write(self, folder: Path, content: Mapping[str, Any]) -> None:
        """Write the record of a run that holds its folder; what a killed run left half-written goes."""
        with writing(folder):
            for file in leftovers(folder, self._files):
                file.unlink()
            head = f"# The record of {self.kind} by gm-multimodal: the same command in the same place continues it.\n"
            write_atomically(folder / self.name, head + as_yaml(content))

    def keep(self, folder: Path, content: Mapping[str, Any]) -> None:
        """Check the folder and write the record."""
        self.check(folder, content)
        self.write(folder, content)

    @property
    def _files(self) -> str:
        return f"{re.escape(self.name)}|{self.outputs}"

    def _read(self, file: Path) -> Mapping[str, Any]:
        try:
            content = read_yaml(file)
        except UserInputError as error:
            raise UserInputError(f"{error}: give another out=FOLDER.") from error
        if not isinstance(content, dict) or self.mark not in content:
            raise UserInputError(f"{file} is not the record of {self.kind} of this program: give another out=FOLDER.")
        return content

    def _refuse_differences(self, folder: Path, old: Mapping[str, Any], new: Mapping[str, Any]) -> None:
        before, now = _flat(old), _flat(new)
        differences = [
            f"{key}: {before.get(key, 'absent')} -> {now.get(key, 'absent')}"
            for key in dict.fromkeys([*now, *before])
            if self._matters(key.partition(".")[0]) and before.get(key) != now.get(key)
        ]
        if differences:
            raise UserInputError(
                f"{folder} holds a run with other settings ({', '.join(differences)}). "
                "Give another out=FOLDER, or the old settings to continue it."
            )

    def _matters(self, key: str) -> bool:
        return key not in self.may_differ if self.decisive is None else key in self.decisive


def _flat(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {f"{prefix}{key}": value}
    return flat
