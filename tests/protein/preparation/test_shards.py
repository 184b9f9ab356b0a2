from pathlib import Path

from gm_multimodal.protein.preparation.shards import MOST_FILES, plan
from gm_multimodal.protein.preparation.sources import Source


def sources(names, tmp_path) -> list[Source]:
    return [Source(tmp_path / name, name) for name in names]


def test_shards_are_small_and_hold_every_file_once_in_order(criteria, tmp_path):
    found = sources([f"{number:04d}.pdb" for number in range(1000)], tmp_path)
    shards = plan(found, criteria(), Path("shards"))
    assert [source for shard in shards for source in shard.sources] == found
    assert max(len(shard.sources) for shard in shards) <= MOST_FILES
    assert 15 < len(shards) < 60
    assert len({shard.path for shard in shards}) == len(shards)


def test_one_more_file_changes_few_shards(criteria, tmp_path):
    names = [f"{number:04d}.pdb" for number in range(1000)]
    before = {shard.path for shard in plan(sources(names, tmp_path), criteria(), Path())}
    after = {shard.path for shard in plan(sources(sorted([*names, "0500b.pdb"]), tmp_path), criteria(), Path())}
    assert len(after - before) <= 3


def test_a_changed_file_or_criterion_is_another_shard(criteria, tmp_path):
    (tmp_path / "a.pdb").write_text("one")
    [first] = plan(sources(["a.pdb"], tmp_path), criteria(), Path())
    assert plan(sources(["a.pdb"], tmp_path), criteria(), Path()) == [first]
    assert plan(sources(["a.pdb"], tmp_path), criteria(min_length=9), Path()) != [first]
    (tmp_path / "a.pdb").write_text("other")
    assert plan(sources(["a.pdb"], tmp_path), criteria(), Path()) != [first]
