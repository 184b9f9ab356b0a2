"""`gm-multimodal prepare`: structures of your own into a dataset that `train` and `finetune` read."""

import dataclasses
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gm_multimodal import __version__
from gm_multimodal.app.cli.checks import MEGABYTE
from gm_multimodal.app.cli.progress import progress_bar
from gm_multimodal.app.cli.terminal import remark, show
from gm_multimodal.app.folders.hold import only_run_in, writing
from gm_multimodal.app.machine.process_pool import Lost, run_each
from gm_multimodal.app.prepare.folder import PrepareFolder, fingerprint
from gm_multimodal.app.prepare.options import PrepareConfig
from gm_multimodal.app.prepare.report import write_report
from gm_multimodal.errors import UserInputError
from gm_multimodal.files import own_folder
from gm_multimodal.protein.preparation.clusters import cluster, method_version, resolve_method
from gm_multimodal.protein.preparation.download import (
    NOT_FETCHED,
    fetch_all,
    file_name,
    is_absent,
    local_source,
    missing,
)
from gm_multimodal.protein.preparation.examine import Criteria, Outcome, Rejection, examine
from gm_multimodal.protein.preparation.selection import select
from gm_multimodal.protein.preparation.shards import Shard, merge, plan, rows_of, write_rejections
from gm_multimodal.protein.preparation.sources import DatabaseEntry, Source, find
from gm_multimodal.protein.preparation.web import Patience


@dataclass(frozen=True)
class PrepareReport:
    """What a run left behind.

    Attributes:
        folder: of the dataset.
        chains: rows of the dataset.
        read: how many files this call read; the others had been read before.
    """

    folder: Path
    chains: int
    read: int


def prepare(config: PrepareConfig) -> PrepareReport:
    """Read all structures, judge their chains, and write what is kept as one dataset.

    Args:
        config: which structures, what to keep, and where to.

    Raises:
        UserInputError: Nothing can be found or kept, or the folder holds another dataset.
        KeyboardInterrupt: After Ctrl-C, saying how to continue.
    """
    found = find(config.structures)
    method = resolve_method(config.clustering)
    workers = _processors() if config.workers == "auto" else int(config.workers)
    folder = PrepareFolder(Path(config.out))
    with only_run_in(folder.path):
        folder.open(_record(config, method), _made_with(method))
        try:
            sources, absent = _sources(found, folder, config)
            shards = plan(sources, _criteria(config), folder.shards)
            with writing(folder.path):
                folder.clean({shard.path.stem for shard in shards})
                read = _read_files(shards, config, workers)
                chains = _finish(config, folder, shards, absent, method, workers)
        except KeyboardInterrupt:
            raise KeyboardInterrupt(
                f"stopped; what was read is in {folder.path}, and the same command continues."
            ) from None
    return PrepareReport(folder.path, chains, read)


def _criteria(config: PrepareConfig) -> Criteria:
    return Criteria(
        chains=config.chains,
        models=config.models,
        gaps=config.gaps,
        predicted=str(config.predicted).lower(),
        min_length=config.min_length,
        max_length=config.max_length,
        max_resolution=config.max_resolution,
        max_coil=config.max_coil,
        max_gyration_ratio=config.max_gyration_ratio,
        min_plddt=config.min_plddt,
        max_broken=config.max_broken,
        max_bytes=config.max_megabytes * MEGABYTE,
    )


def _record(config: PrepareConfig, method: str) -> dict[str, Any]:
    """Return what decides the dataset; where it lies, and who reads how many files at once, does not."""
    resolved = dataclasses.asdict(dataclasses.replace(config, clustering=method))
    return {key: value for key, value in resolved.items() if key not in ("out", "workers", "download")}


def _made_with(method: str) -> dict[str, str]:
    return {"gm_multimodal": __version__, "biotite": version("biotite"), "clustering": method_version(method)}


def _processors() -> int:
    # a container or a scheduler may lend us fewer than the machine has
    allowed = getattr(os, "sched_getaffinity", None)
    return len(allowed(0)) if allowed else os.cpu_count() or 1


def _sources(
    found: list[Source] | list[DatabaseEntry], folder: PrepareFolder, config: PrepareConfig
) -> tuple[list[Source], list[Rejection]]:
    """Return the files to read, fetched if they are ids and that was asked for, and why others are not there."""
    sources = [item for item in found if isinstance(item, Source)]
    entries = [item for item in found if isinstance(item, DatabaseEntry)]
    to_fetch = missing(entries, folder.downloads)
    if to_fetch and not config.download:
        raise UserInputError(
            f"{len(to_fetch)} of {len(entries)} ids are not in {folder.downloads} ({to_fetch[0].id}, ...): give "
            "download=true to fetch them from the PDB and the AlphaFold database, which needs a connection."
        )
    if to_fetch:
        with writing(folder.path):
            own_folder(folder.downloads)
    patience = Patience(max_bytes=config.max_megabytes * MEGABYTE, seconds=config.max_seconds)
    failures = fetch_all(_shown(to_fetch), folder.downloads, patience) if to_fetch else {}
    without = [Rejection(file_name(entry), entry.chain or "", "", reason) for entry, reason in failures.items()]
    for entry in entries:
        source = local_source(entry, folder.downloads)
        if source is None:
            assert entry in failures
        elif is_absent(entry, folder.downloads):
            without.append(Rejection(source.name, "", "", "not in the database"))
        else:
            sources.append(source)
    if later := sum(reason.startswith(NOT_FETCHED) for reason in failures.values()):
        remark(
            "gm-multimodal prepare: warning",
            f"{later} of {len(entries)} ids could not be fetched now; {folder.rejected} says why, and the same command "
            "tries them again.",
        )
    return sources, without


def _read_files(shards: list[Shard], config: PrepareConfig, workers: int) -> int:
    """Read the files of all shards that are not done, and write each shard as its last file comes in."""
    open_shards = [shard for shard in shards if not shard.is_done()]
    shard_of = {source.name + (source.chain or ""): shard for shard in open_shards for source in shard.sources}
    collected: dict[Path, dict[str, Outcome]] = {}
    criteria = _criteria(config)
    tasks = ((source, criteria) for shard in open_shards for source in shard.sources)
    done = sum(len(shard.sources) for shard in shards) - len(shard_of)
    results = run_each(examine, tasks, workers=workers, seconds=config.max_seconds)
    with progress_bar("read", len(shard_of) + done, "file", done=done) as advance:
        for (source, _), result in results:
            if isinstance(result, Lost):
                result = Outcome([], [Rejection(source.name, "", "", f"cannot be read: {result.reason}")])
            key = source.name + (source.chain or "")
            shard = shard_of[key]
            outcomes = collected.setdefault(shard.path, {})
            outcomes[key] = result
            if len(outcomes) == len(shard.sources):
                shard.write([outcomes[item.name + (item.chain or "")] for item in shard.sources])
                del collected[shard.path]
            advance(1)
    return len(shard_of)


def _finish(
    config: PrepareConfig,
    folder: PrepareFolder,
    shards: list[Shard],
    absent: list[Rejection],
    method: str,
    workers: int,
) -> int:
    """Write the dataset, its rejections and the report from the shards, and return the number of chains."""
    state = fingerprint([*(shard.path.stem for shard in shards), *(f"{item.file} {item.reason}" for item in absent)])
    chains = rows_of(folder.dataset, state)
    if chains is None:
        selection = select(
            shards,
            keep_duplicates=config.keep_duplicates,
            cluster=lambda sequences: _clusters(sequences, method, workers),
            validation_share=config.validation_share,
            test_share=config.test_share,
            seed=config.seed,
        )
        write_rejections(folder.rejected, shards, [*absent, *selection.duplicates])
        chains = len(selection.kept)
        if not chains:
            folder.dataset.unlink(missing_ok=True)
            raise UserInputError(
                f"no chain of structures={config.structures} can be used; {folder.rejected} says why. "
                "Other filters are another dataset: give another out=FOLDER."
            )
        merge(shards, folder.dataset, selection.kept, state, with_positions=config.gaps == "mark")
    show(*write_report(folder, files=sum(len(shard.sources) for shard in shards) + len(absent), method=method))
    return chains


def _clusters(sequences: Sequence[str], method: str, workers: int) -> npt.NDArray[np.int64]:
    with progress_bar("cluster", len(sequences), "sequence") as advance:
        return cluster(sequences, method, threads=workers, progress=advance)


def _shown(entries: list[DatabaseEntry]) -> Iterator[DatabaseEntry]:
    with progress_bar("download", len(entries), "file") as advance:
        for entry in entries:
            yield entry
            advance(1)
