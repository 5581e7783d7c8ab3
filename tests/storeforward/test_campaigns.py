"""The campaigns in their short form: power cuts, kills, a second process, a cold start. Long form: make soak-storeforward."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import pytest

from storeforward.records import NO_HASH, StoredRecord
from tools.soak import boundedcuts, coldstart, kills, secondprocess
from tools.soak.boundedcuts import BoundedJudge
from tools.soak.campaign import KEY, Unavailable, Violation
from tools.soak.chain import ChainCheck
from tools.soak.judging import WholeJudge, read_truth
from tools.soak.powercuts import Life, cut_life, record_life
from tools.soak.recorded import ACKNOWLEDGED
from tools.soak.recording import Entry, Operation

Result = TypeVar("Result")
SEED = 1
CHANGES = 450
CUTS = 1_000
BOUNDED_CUTS = 150
BOUNDED_CHANGES = 900
KILLS = 30


def attempt(campaign: Callable[[], Result]) -> Result:
    """Run it, or say in one line what this machine lacks for it."""
    try:
        return campaign()
    except Unavailable as lacking:
        pytest.skip(str(lacking))


def cut(life: Life, folder: Path, points: int) -> Mapping[str, int]:
    """Cut the power, and compare with everything that the life left."""
    judge = WholeJudge(read_truth(life.journal, SEED, CHANGES))
    return cut_life(life, judge, folder, points, silent)


def silent(line: str) -> None:
    """Progress is for people."""


@pytest.fixture(scope="module", name="life")
def make_life(tmp_path_factory: pytest.TempPathFactory) -> Life:
    return attempt(lambda: record_life(tmp_path_factory.mktemp("life"), SEED, CHANGES))


def test_after_a_power_cut_exactly_the_durable_prefix_is_there(life: Life, tmp_path: Path) -> None:
    figures = cut(life, tmp_path, CUTS)
    assert figures["cut points"] == CUTS
    assert figures["journals found that were written to and opened again"] > CUTS // 20


def without_syncs(life: Life, *, of_folder: bool) -> Life:
    """The same life on a disk that forgets to sync: opening a known name instead changes nothing."""
    nothing = next(e for e in life.entries if e.operation is Operation.NAME and e.name == ACKNOWLEDGED)

    def keeps(entry: Entry) -> bool:
        return entry.operation is not Operation.SYNC or (entry.inode == life.folder_inode) is not of_folder

    return replace(life, entries=[entry if keeps(entry) else nothing for entry in life.entries])


def test_a_disk_that_forgets_to_sync_is_found_out(life: Life, tmp_path: Path) -> None:
    with pytest.raises(Violation, match=r"change|damaged|record|open"):
        cut(without_syncs(life, of_folder=False), tmp_path, 100)


def test_a_folder_that_is_never_synced_is_found_out(life: Life, tmp_path: Path) -> None:
    with pytest.raises(Violation, match=r"were acknowledged, the journal has 0"):
        cut(without_syncs(life, of_folder=True), tmp_path, 100)


def test_a_lost_acknowledgement_is_found_out(life: Life, tmp_path: Path) -> None:
    early = replace(life, acknowledged=[min(number + 3, CHANGES) for number in life.acknowledged])
    with pytest.raises(Violation, match="were acknowledged, the journal has"):
        cut(early, tmp_path, CUTS)


def test_a_violation_says_where_it_was_and_keeps_what_was_found(life: Life, tmp_path: Path) -> None:
    late = replace(life, acknowledged=[0] * 2_000 + [CHANGES] * len(life.acknowledged))
    seen = []
    for _ in range(2):
        with pytest.raises(Violation) as raised:
            cut(late, tmp_path, CUTS)
        seen.append((str(raised.value), (tmp_path / "found" / "journal.db").read_bytes()))
    assert seen[0] == seen[1]
    assert f"seed {SEED}, cut after entry 2" in seen[0][0]


def tampered(records: list[StoredRecord], place: int, **changes: object) -> str | None:
    bad = [*records[:place], replace(records[place], **changes), *records[place + 1 :]]  # type: ignore[arg-type]
    return ChainCheck(KEY.public_key()).take(bad)


def test_a_record_that_is_not_the_devices_own_is_found_out(life: Life) -> None:
    records = read_truth(life.journal, SEED, CHANGES).records
    signed = next(place for place, stored in enumerate(records) if place > 5 and stored.signature is not None)
    sample = next(place for place, stored in enumerate(records) if place > 5 and stored.signature is None)
    assert ChainCheck(KEY.public_key()).take(records) is None
    assert tampered(records, signed, signature=bytes(63) + b"\1") == f"record {signed + 1} is not signed by the device"
    for place, chain in ((signed, "the chain"), (sample, "the chain of samples")):
        cut_off = replace(records[place].record, previous=NO_HASH)
        assert tampered(records, place, record=cut_off, data=cut_off.encode()) == f"record {place + 1} breaks {chain}"
    assert ChainCheck(KEY.public_key()).take(records[1:]) == "record 2 follows record 0"


def test_a_power_cut_during_eviction_leaves_no_hole_that_no_gap_names(tmp_path: Path) -> None:
    figures = attempt(lambda: boundedcuts.run(tmp_path, SEED, BOUNDED_CUTS, BOUNDED_CHANGES, silent)).figures
    assert figures["most records that a journal had evicted"] > 100


def test_a_record_that_no_gap_names_is_found_out(tmp_path: Path) -> None:
    life = attempt(lambda: record_life(tmp_path, SEED, 40))
    life.sealed[10].append((1_000_000, bytes(32)))
    with pytest.raises(Violation, match="record 1000000 was acknowledged, and is not there"):
        cut_life(life, BoundedJudge(life), tmp_path, 100, silent)


def test_kill_9_loses_nothing_and_doubles_nothing(tmp_path: Path) -> None:
    figures = kills.run(tmp_path, SEED, KILLS, silent).figures
    assert figures["records acknowledged"] > 10 * KILLS
    assert figures["slots on the ledger, each once"] > KILLS
    assert figures["orders on the ledger, each once"] > 0
    assert figures["transactions handed in again after they had taken effect"] > 0
    assert figures["orders that the ledger refused, or that expired"] == 0


def test_a_second_process_refuses_to_start(tmp_path: Path) -> None:
    assert secondprocess.run(tmp_path, SEED).figures["second processes that opened the journal"] == 0


def test_a_record_is_durable_before_any_node_has_answered_and_without_a_clock(tmp_path: Path) -> None:
    """How soon is for the campaign to measure; here the node never says a word, and the record is there all the same."""
    figures = attempt(lambda: coldstart.run(tmp_path, SEED, 1, limit_s=math.inf)).figures
    assert figures["starts with no network and no clock"] == 1
