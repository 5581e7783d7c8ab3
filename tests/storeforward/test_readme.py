"""The page of promises: ten of them, each held by tests that exist, and an order of eviction that is the code's."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from storeforward.eviction import ORDER, Going
from storeforward.gaps import Kept, Why
from storeforward.items import Item
from tests.storeforward.kit import BOOT_ID, DEVICE, KEY, run
from tools.society.virtualclock import VirtualClock

TESTS = Path(__file__).parent.parent
PAGE = (TESTS.parent / "storeforward" / "README.md").read_text(encoding="utf-8")
KEPT = {
    (): "",
    (Kept.SLOT_MEANS,): "means over slots",
    (Kept.MINUTE_MEANS, Kept.SLOT_MEANS): "means over minutes, or over slots",
}
WHICH = {
    (Going.ALL, Why.SIZE): "all",
    (Going.NOT_WAITING, Why.SIZE): "those that nothing waits to be sent about",
    (Going.PROVEN, Why.SIZE): "those proven on the ledger",
    (Going.ALL, Why.SIZE_UNSENT): "all; their transactions wait in the outbox and are sent all the same",
}


def rows(head: str) -> list[list[str]]:
    """The rows of the table under a headline of the page."""
    (table,) = re.findall(rf"^{re.escape(head)}\n\| ---.*\n((?:\|.*\n)+)", PAGE, re.MULTILINE)
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]


PROMISES = rows("| | promise | test |")


@cache
def names_in(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_there_are_ten_promises_and_a_test_for_each() -> None:
    assert [row[0] for row in PROMISES] == [str(number) for number in range(1, 11)]
    assert all(re.findall(r"`[^`]+::test_[^`]+`", row[2]) for row in PROMISES)


@pytest.mark.parametrize("name", sorted({name for row in PROMISES for name in re.findall(r"`([^`]+)`", row[2])}))
def test_the_test_exists(name: str) -> None:
    place, test = name.split("::")
    path = TESTS / (f"{place}.py" if "/" in place else f"storeforward/{place}.py")
    assert test in names_in(path)


def test_the_order_of_eviction_on_the_page_is_the_one_that_is_carried_out() -> None:
    shown = rows("| | stream | which | what takes their place |")
    carried_out = [
        [str(number), f"`{step.stream.name}`", WHICH[step.going, step.why], KEPT[step.keep]]
        for number, step in enumerate(ORDER, 1)
    ]
    assert shown == carried_out


def test_the_example_stores_and_hands_out(tmp_path: Path) -> None:
    shown = re.search(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert shown is not None
    source = f"""
from __future__ import annotations
from storeforward.changes import Changes
from storeforward.items import ItemState, Mark, NewItem, Priority
from storeforward.journal import Journal
from storeforward.records import NewRecord, Stream
{shown[1]}"""
    scope: dict[str, Any] = {}
    exec(compile(source, "storeforward/README.md", "exec"), scope)

    async def main(clock: VirtualClock) -> None:
        arguments = (tmp_path / "journal.db", DEVICE, KEY.sign, clock, BOOT_ID, b"body")
        (item,) = await scope["measure_and_send"](*arguments)
        assert isinstance(item, Item)
        assert item.tx == b"signed " + item.reference

    run(main)
