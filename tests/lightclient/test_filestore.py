"""Both stores under one contract; the one on disk also through power cuts, damage, full disks and other processes."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lightclient.blocks import LightBlock
from lightclient.client import LightClient
from lightclient.disk import ReadOnlyDisk
from lightclient.errors import DamagedStore, TrustExpired, UnderAttack
from lightclient.filestore import UNREADABLE_ATTACK, FileStore
from lightclient.options import TrustAnchor
from lightclient.state import SYNCED
from lightclient.store import AttackRecord, LightStore, MemoryStore
from tests.lightclient.fake_chain import OPTIONS, FakeChain, FakeClock, Member
from tests.lightclient.fake_disk import FakeDisk, PowerCut

T = TypeVar("T")
FOLDER = Path("trust")
ANCHOR = TrustAnchor(7, bytes(range(32)))
ATTACK = AttackRecord("lunatic", 5, ("a", "b"), 1_700_000_000_000_000_000, ({"type": "x", "value": {"CommonHeight": "3"}},))


def chain_of(blocks: int) -> list[LightBlock]:
    """Blocks whose validator set changes with every third."""
    chain = FakeChain([Member(1), Member(2)])
    for number in range(blocks):
        chain.cut(next_members=[Member(1), Member(2), Member(3 + number // 3)])
    return chain.blocks


BLOCKS = chain_of(12)


def run(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(work)


async def everything(store: LightStore) -> tuple[object, ...]:
    """All that a store tells."""
    found = [await store.at_or_below(height) for height in range(len(BLOCKS) + 2)]
    return await store.attack(), await store.anchor(), await store.newest(), await store.lowest(), *found


saves = st.lists(st.sampled_from(BLOCKS), max_size=5)
steps = st.lists(
    saves
    | st.just(ATTACK)
    | st.builds(TrustAnchor, height=st.integers(1, 12), hash=st.binary(min_size=32, max_size=32))
    | st.just("restart"),
    max_size=12,
)


@settings(max_examples=60, deadline=None)
@given(steps=steps, kept=st.integers(2, 6))
def test_both_stores_tell_the_same(steps: Sequence[object], kept: int) -> None:
    async def compare() -> None:
        with tempfile.TemporaryDirectory() as name:
            memory, files = MemoryStore(kept), FileStore(Path(name) / "trust", kept)
            assert await everything(memory) == await everything(files)
            for step in steps:
                if step == "restart":
                    files = FileStore(Path(name) / "trust", kept)
                for store in (memory, files):
                    await carry_out(store, step)
                assert await everything(memory) == await everything(files)
            assert files.damaged == ()

    run(compare())


async def carry_out(store: LightStore, step: object) -> None:
    match step:
        case list():
            await store.save(step)
        case AttackRecord():
            await store.note_attack(step)
        case TrustAnchor():
            await store.re_anchor(step)


@pytest.mark.parametrize("kind", [MemoryStore, lambda kept: FileStore(FOLDER, kept, FakeDisk())])
def test_the_lowest_and_the_newest_stay(kind: Any) -> None:
    store = kind(3)

    async def fill() -> list[LightBlock | None]:
        for block in BLOCKS:
            await store.save([block])
        return [await store.lowest(), await store.at_or_below(10), await store.at_or_below(11), await store.newest()]

    assert run(fill()) == [BLOCKS[0], BLOCKS[0], BLOCKS[10], BLOCKS[11]]
    with pytest.raises(ValueError, match="at least"):
        kind(1)


def stored(disk: FakeDisk, *blocks: LightBlock) -> FakeDisk:
    run(FileStore(FOLDER, 6, disk).save(blocks))
    return disk


def test_a_set_is_written_once_and_goes_with_the_last_block_that_needs_it() -> None:
    disk = FakeDisk()
    store = FileStore(FOLDER, 3, disk)
    for block in BLOCKS:
        run(store.save([block]))
    written = [name for name, _ in disk.written if name.startswith("validators-")]
    sets = {block.header.validators_hash.hex().upper() for block in BLOCKS}
    assert sorted(written) == sorted(f"validators-{each}.json" for each in sets)
    still_needed = {BLOCKS[index].header.validators_hash.hex().upper() for index in (0, 10, 11)}
    assert {name for name in disk.files if name.startswith("validators-")} == {f"validators-{x}.json" for x in still_needed}
    assert len(disk.files) == 3 + len(still_needed)


def subsets(count: int) -> Iterator[tuple[int, ...]]:
    """What may have survived of so many changes: anything for a few; else the first ones, the last ones, or one alone."""
    if count <= 5:
        for size in range(count + 1):
            yield from combinations(range(count), size)
        return
    for place in range(count + 1):
        yield tuple(range(place))
        yield tuple(range(place, count))
        yield (place,)


HISTORY: tuple[object, ...] = (
    [BLOCKS[0]],
    BLOCKS[1:4],
    [BLOCKS[5]],
    ATTACK,
    ANCHOR,
    BLOCKS[6:8],
    [BLOCKS[8], BLOCKS[11]],
    [BLOCKS[2]],
    ATTACK,
    TrustAnchor(9, bytes(32)),
)


async def summary(
    store: LightStore,
) -> tuple[AttackRecord | None, TrustAnchor | None, LightBlock | None, LightBlock | None]:
    return await store.attack(), await store.anchor(), await store.newest(), await store.lowest()


def test_a_power_cut_anywhere_leaves_what_was_before_or_after_the_step() -> None:
    """Cut at every change of every step, with every way in which what was not synced may have survived."""

    async def play(disk: FakeDisk, until: int) -> None:
        store = FileStore(FOLDER, 3, disk)
        for step in HISTORY[:until]:
            await carry_out(store, step)

    async def all_cuts() -> int:
        cuts = 0
        for number in range(len(HISTORY)):
            start, after = FakeDisk(), FakeDisk()
            await play(start, number)
            await play(after, number + 1)
            allowed = [await summary(FileStore(FOLDER, 3, disk)) for disk in (start, after)]
            for cut_after in range(after.changes - start.changes):
                disk = start.after_power_cut(range(len(start.pending)))
                disk.cut_after = cut_after
                with suppress(PowerCut):
                    await carry_out(FileStore(FOLDER, 3, disk), HISTORY[number])
                    pytest.fail("the power was not cut")
                for survivors in subsets(len(disk.pending)):
                    left = disk.after_power_cut(survivors)
                    store = FileStore(FOLDER, 3, left)
                    found = await summary(store)
                    # Blocks of one save may survive in part; each of them is verified, and none that stood before is lost.
                    attack, anchor, newest, _ = found
                    assert (attack, anchor) in [(state[0], state[1]) for state in allowed], (number, cut_after, survivors)
                    if not isinstance(HISTORY[number], list):
                        assert found in allowed
                    else:
                        before = allowed[0][2]
                        assert before is None or (newest is not None and newest.height >= before.height)
                    assert store.damaged == ()
                    await carry_out(store, HISTORY[number])
                    assert await summary(store) == allowed[1]
                    cuts += 1
        return cuts

    assert run(all_cuts()) > 200


def test_what_a_store_was_given_is_durable_on_return() -> None:
    async def play() -> None:
        disk = FakeDisk()
        store = FileStore(FOLDER, 3, disk)
        for step in HISTORY:
            await carry_out(store, step)
            for survivors in ((), range(0, len(disk.pending), 2)):
                assert await summary(FileStore(FOLDER, 3, disk.after_power_cut(survivors))) == await summary(store)

    run(play())


def damage(disk: FakeDisk, prefix: str, content: bytes = b'{"format":1') -> str:
    """Spoil the one file whose name begins so."""
    (name,) = [name for name in disk.files if name.startswith(prefix)]
    disk.files[name] = content
    return name


@pytest.mark.parametrize("content", [b"", b"\x00" * 100, b'{"format":2}', b"[" * 100_000, b"\xff\xfe", b'{"format":1}'])
def test_a_damaged_block_is_set_aside_and_the_next_lower_one_answers(content: bytes) -> None:
    disk = stored(FakeDisk(), *BLOCKS[:3])
    name = damage(disk, "0-3-", content)
    store = FileStore(FOLDER, 6, disk)
    assert run(store.newest()) == BLOCKS[1]
    assert store.damaged == (f"{name}.damaged",)
    assert disk.files[f"{name}.damaged"] == content
    assert name not in disk.files
    run(store.save([BLOCKS[2]]))
    assert run(store.newest()) == BLOCKS[2]


def test_one_flipped_digit_is_noticed() -> None:
    disk = stored(FakeDisk(), *BLOCKS[:2])
    name = next(name for name in disk.files if name.startswith("0-2-"))
    disk.files[name] = disk.files[name].replace(b'"app":"1"', b'"app":"2"')
    assert run(FileStore(FOLDER, 6, disk).newest()) == BLOCKS[0]


def test_a_block_under_another_name_is_not_taken() -> None:
    disk = stored(FakeDisk(), *BLOCKS[:2])
    name = next(name for name in disk.files if name.startswith("0-2-"))
    disk.files[name.replace("0-2-", "0-9-")] = disk.files.pop(name)
    assert run(FileStore(FOLDER, 6, disk).newest()) == BLOCKS[0]


def test_a_damaged_set_hides_its_blocks_until_it_is_seen_again() -> None:
    disk = stored(FakeDisk(), BLOCKS[0], BLOCKS[4], BLOCKS[5])
    set_name = f"validators-{BLOCKS[5].header.validators_hash.hex().upper()}.json"
    damage(disk, set_name, b'{"format":1,"validators":[]}')
    store = FileStore(FOLDER, 6, disk)
    newest = run(store.newest())
    assert newest is not None
    assert newest.header.validators_hash != BLOCKS[5].header.validators_hash
    assert store.damaged == (f"{set_name}.damaged",)
    run(store.save([BLOCKS[5]]))
    assert run(store.newest()) == BLOCKS[5]


def test_a_damaged_attack_still_halts() -> None:
    disk = FakeDisk()
    run(FileStore(FOLDER, 6, disk).note_attack(ATTACK))
    name = damage(disk, "0-attack")
    store = FileStore(FOLDER, 6, disk)
    assert run(store.attack()) == UNREADABLE_ATTACK
    assert run(store.attack()) == UNREADABLE_ATTACK
    assert store.damaged == (name,)
    assert name in disk.files


def test_a_damaged_anchor_loses_no_block_and_brings_back_no_attack() -> None:
    disk = FakeDisk()
    store = FileStore(FOLDER, 6, disk)
    run(store.note_attack(ATTACK))
    run(store.re_anchor(ANCHOR))
    run(store.save(BLOCKS[7:9]))
    damage(disk, "anchor.json", b"{}")
    store = FileStore(FOLDER, 6, disk)
    assert run(summary(store)) == (None, None, BLOCKS[8], BLOCKS[7])
    assert store.damaged == ("anchor.json.damaged",)
    run(store.re_anchor(ANCHOR))
    assert run(summary(FileStore(FOLDER, 6, disk))) == (None, ANCHOR, None, None)


def test_a_full_disk_is_an_error_that_says_so_and_harms_nothing() -> None:
    disk = stored(FakeDisk(), *BLOCKS[:2])
    store = FileStore(FOLDER, 6, disk)
    disk.is_full = True
    changes: list[Coroutine[Any, Any, None]] = [store.save(BLOCKS[2:4]), store.note_attack(ATTACK), store.re_anchor(ANCHOR)]
    for change in changes:
        with pytest.raises(DamagedStore, match="trust: No space left on device"):
            run(change)
    assert run(summary(store)) == (None, None, BLOCKS[1], BLOCKS[0])


def test_a_folder_that_is_none(tmp_path: Path) -> None:
    path = tmp_path / "trust"
    path.write_text("a file")
    for work in (FileStore(path).newest(), FileStore(path).attack(), FileStore(path).save(BLOCKS[:1])):
        with pytest.raises(DamagedStore, match="trust"):
            run(work)
    assert path.read_text() == "a file"


def test_a_running_client_notices_when_another_process_re_anchors(tmp_path: Path) -> None:
    running, command = FileStore(tmp_path, 3), FileStore(tmp_path, 3)

    async def meet() -> None:
        await running.save(BLOCKS[:3])
        await running.note_attack(ATTACK)
        await command.re_anchor(ANCHOR)
        await running.save([BLOCKS[3]])  # verified from what counts no more
        assert await summary(FileStore(tmp_path, 3)) == (None, ANCHOR, None, None)
        await command.save([BLOCKS[9]])
        await running.save([BLOCKS[4]])
        assert await summary(FileStore(tmp_path, 3)) == (None, ANCHOR, BLOCKS[9], BLOCKS[9])
        await command.re_anchor(ANCHOR)
        assert await running.attack() is None
        assert await running.anchor() == ANCHOR
        assert await running.newest() is None
        await running.save(BLOCKS[6:8])
        assert await summary(FileStore(tmp_path, 3)) == (None, ANCHOR, BLOCKS[7], BLOCKS[6])

    run(meet())
    assert all(path.name.startswith(("2-", "validators-", "anchor")) for path in tmp_path.iterdir())


def test_a_running_client_notices_also_when_the_other_process_dies_over_it() -> None:
    disk = FakeDisk()
    running = FileStore(FOLDER, 3, disk)
    run(running.note_attack(ATTACK))
    disk.cut_after = disk.changes + 2  # after the anchor was written and synced, before anything goes
    with pytest.raises(PowerCut):
        run(FileStore(FOLDER, 3, disk).re_anchor(ANCHOR))
    assert "0-attack.json" in disk.files
    assert run(running.attack()) is None


def test_a_client_that_runs_takes_the_anchor_that_another_process_left() -> None:
    chain, disk = FakeChain(), FakeDisk()
    for _ in range(5):
        chain.cut()
    options = replace(OPTIONS, single_operator=True)

    async def live() -> None:
        store = FileStore(FOLDER, 3, disk)
        client = LightClient({"node": chain.transport()}, chain.anchor, options, FakeClock(chain), store)
        assert (await client.update()).height == 5
        await store.note_attack(ATTACK)  # and so after a restart
        client = LightClient({"node": chain.transport()}, chain.anchor, options, FakeClock(chain), FileStore(FOLDER, 3, disk))
        for _ in range(2):
            with pytest.raises(UnderAttack):
                await client.update()
        await FileStore(FOLDER, 3, disk).re_anchor(TrustAnchor(3, chain.blocks[2].signed_header.hash))
        assert (await client.update()).height == 5
        assert client.situation == SYNCED
        chain.now_ns += options.trusting_period_ns
        chain.cut()
        with pytest.raises(TrustExpired):
            await client.update()
        await FileStore(FOLDER, 3, disk).re_anchor(TrustAnchor(6, chain.blocks[5].signed_header.hash))
        assert (await client.update()).height == 6

    run(live())


def test_reading_only_changes_nothing(tmp_path: Path) -> None:
    run(FileStore(tmp_path).save(BLOCKS[:2]))
    (name,) = [path.name for path in tmp_path.iterdir() if path.name.startswith("0-2-")]
    (tmp_path / name).write_text("{}")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    store = FileStore(tmp_path, disk=ReadOnlyDisk())
    for _ in range(2):
        assert run(store.newest()) == BLOCKS[0]
    assert store.damaged == (name,)
    with pytest.raises(DamagedStore, match="reading only"):
        run(store.save([BLOCKS[2]]))
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
