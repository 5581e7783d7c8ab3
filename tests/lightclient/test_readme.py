"""The page that maps the specification to this client: no clause without a function and a test, no name that is gone."""

from __future__ import annotations

import ast
import asyncio
import importlib
import re
from collections.abc import Iterator
from dataclasses import replace
from functools import cache, reduce
from pathlib import Path
from typing import Any

import pytest

from lightclient.client import LightClient
from lightclient.store import MemoryStore
from lightclient.transport import BytesTransport
from tools.bench.lightclient_node import OPTIONS, Chain, RpcNode, Validators, nodes_of
from tools.bench.lightclient_sockets import served
from tools.bench.lightclient_traffic import url

TESTS = Path(__file__).parent.parent
PAGE = (TESTS.parent / "lightclient" / "README.md").read_text(encoding="utf-8")
HEAD = "| clause | function | test |"

CLAUSES = re.findall(
    r"\S+",
    """
CMBC-HEADER.1 CMBC-HASH-UNIQUENESS.1 CMBC-HEADER-FIELDS.2 CMBC-SEQ.1 CMBC-VALIDATOR-PAIR.1 CMBC-VALIDATOR-SET.1 CMBC-VOTE.1
CMBC-COMMIT.1 CMBC-AUTH-BYZ.1 CMBC-TIME-PARAMS.1 CMBC-CORRECT.1 CMBC-FM-2THIRDS.1 CMBC-CORR-FULL.1 CMBC-VAL-CONTAINS-CORR.1
CMBC-SOUND-DISTR-POSS-COMMIT.1 CMBC-VAL-COMMIT.1 LCV-SEQ-LIVE.1 LCV-SEQ-SAFE.1 LCV-A-PEER.1 LCV-A-COMM.1 LCV-A-TFM.1
LCV-A-VAL.1 LCV-DIST-TERM.1 LCV-DIST-STORE.2 LCV-DIST-INIT.2 LCV-DIST-SAFE.2 LCV-DIST-LIVE.2 LCV-DATA-LIGHTBLOCK.1
LCV-DATA-LIGHTSTORE.2 LCV-DATA-LS-ROOT.2 LCV-INV-LS-ROOT.2 LCV-DATA-LS-STATE.1 LCV-FUNC-GET.1 LCV-FUNC-LATEST.1
LCV-FUNC-ADD.1 LCV-FUNC-STORE.1 LCV-FUNC-LATEST-VERIF.2 LCV-FUNC-FILTER.1 LCV-FUNC-UPDATE.2 LCV-A-INIT.2 LCV-INV-TP.1
LCV-FUNC-FETCH.1 LCV-IO-PRE-HEIGHT.1 LCV-IO-POST-PROVIDER.1 LCV-FUNC-MAIN.2 LCV-PRE-TP.1 LCV-POST-LS.1 LCV-FUNC-VALID.2
LCV-FUNC-SCHEDULE.1 LCV-SCHEDULE-POST.1 LCV-FUNC-LATEST-PREV.2 LCV-FUNC-LOWEST.2 LCV-FUNC-MIN.2 LCV-FUNC-BACKWARDS.2
LCV-FUNC-VERIFYCOMMITLIGHT.1
LC-SEQ-INIT-LIVE.1 LC-SEQ-LIVE.1 LC-SEQ-SAFE.1 LC-DIST-TERM.1 LC-DIST-STORE.1 LC-DIST-SAFE.1 LC-DIST-LIVE.1 LC-DATA-PEERS.1
LC-INV-NODES.1 LC-FUNC-REPLACE-PRIMARY.1 LC-FUNC-REPLACE-SECONDARY.1 LC-DATA-LIGHTBLOCK.1 LC-DATA-LIGHTSTORE.1
LC-DATA-INIT.1 LC-DATA-INIT.2 LC-DATA-GENESIS.1 LC-FUNC-MAKEBLOCK.1 LC-INV-ROOT-AGREED.1 LC-INV-PEERLIST.1
LC-FUNC-SUPERVISOR.1 LC-FUNC-INIT.1 LC-FUNC-INIT.2 LC-FUNC-MAIN-VERIF-DETECT.1
CMBC-GENESIS.1 CMBC-FUNC-SIGN.1 CMBC-FUNC-SUPPORT.1 CMBC-SEQ-ROOTED.1 CMBC-SKIP-TRACE.1 CMBC-SIGN-SKIP-MATCH.1 CMBC-ATTACK.1
CMBC-MC-FORK.1 CMBC-LC-ATTACK.1 CMBC-LC-ATTACK-EVIDENCE.1 CMBC-LC-EVIDENCE-DATA.1 CMBC-SIGN-UNIQUE.1 CMBC-BLOCKS-MCFORK.1
CMBC-BLOCKS-LCFORK.1 CMBC-BOGUS.1 LCD-IP-MODEL.1 LCD-IP-STATEMENT.1 LCD-A-CorrFull.1 LCD-A-RelComm.1 LC-DATA-EVIDENCE.1
LC-DATA-EVIDENCE-INT.1 LC-SUBMIT-EVIDENCE.1 LCD-DIST-INV-ATTACK.1 LCD-DIST-INV-STORE.1 LCD-DIST-LIVE.1
LCD-DIST-TERM-NORMAL.1 LCD-DIST-TERM-ATTACK.1 LCD-DIST-SAFE-SECONDARY.1 LCD-DIST-SAFE-BOGUS.1 LCD-FUNC-DETECTOR.2
LCAI-INV-Output.1 LCAI-FUNC-MAIN.1 LCAI-FUNC-VVU.1 LCAI-FUNC-NONVALID.1 LCAI-NONVALID-OUTPUT.1
""",
)
"""Every clause that has a name in CometBFT v0.38, spec/light-client: verification 002 and 003, supervisor 001 and 002,
detection 003, attacks 002."""


def rows() -> Iterator[list[str]]:
    """Clause, functions and tests of every row of the map."""
    for table in PAGE.split(HEAD)[1:]:
        for line in table.splitlines()[2:]:
            if not line.startswith("|"):
                break
            yield [cell.strip() for cell in line.strip("|").split(" | ")]


def names(column: int) -> list[str]:
    return sorted({name for row in rows() for name in re.findall(r"`([^`]+)`", row[column])})


@cache
def names_in(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_every_clause_of_the_specification_is_on_the_page() -> None:
    missing = [clause for clause in CLAUSES if not re.search(rf"(?<![\w-]){re.escape(clause)}(?![\d])", PAGE)]
    assert not missing
    assert len(CLAUSES) == len(set(CLAUSES)) > 100


def test_no_clause_is_invented() -> None:
    named = set(re.findall(r"\b(?:CMBC|LCV|LCD|LCAI|LC)-[A-Za-z0-9-]+\.\d\b", PAGE))
    assert named <= set(CLAUSES)


def test_every_row_names_a_function_and_a_test() -> None:
    assert len(list(rows())) > 50
    for row in rows():
        assert len(row) == 3, row
        assert all("`" in cell for cell in row[1:]), row


@pytest.mark.parametrize("name", names(1))
def test_the_function_exists(name: str) -> None:
    module, *path = name.split(".")
    found: Any = reduce(getattr, path, importlib.import_module(f"lightclient.{module}"))
    assert found is not None


@pytest.mark.parametrize("name", names(2))
def test_the_test_exists(name: str) -> None:
    place, test = name.split("::")
    path = TESTS / (f"{place}.py" if "/" in place else f"lightclient/{place}.py")
    assert test in names_in(path)


def example() -> Any:
    """The function that the page shows, as it stands there."""
    shown = re.search(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert shown is not None
    source = f"""
from __future__ import annotations
from contextlib import AsyncExitStack
from lightclient.client import LightClient
from lightclient.filestore import FileStore
from lightclient.websocket import WebsocketTransport
{shown[1]}"""
    scope: dict[str, Any] = {}
    exec(compile(source, "lightclient/README.md", "exec"), scope)
    return scope["read"]


def test_the_example_reads_a_proven_value(tmp_path: Path) -> None:
    async def run() -> None:
        chain = Chain(Validators(4), height=9)
        async with served(chain) as ports:
            urls = {name: url(port) for name, port in ports.items()}
            read = example()
            assert await read(urls, chain.anchor, OPTIONS, chain, tmp_path / "trust", b"genesis") == b"1"
            assert await read(urls, chain.anchor, OPTIONS, chain, tmp_path / "trust", b"nothing") is None

    asyncio.run(run())


def test_no_header_is_believed_that_nobody_confirms() -> None:
    """The first node alone stands at height 9. What it shows verifies, and the client keeps to what two of three know."""

    async def run() -> None:
        ahead, behind = Chain(Validators(4), height=9), Chain(Validators(4), height=5)
        nodes = nodes_of(behind) | {"node-1": nodes_of(ahead)["node-1"]}
        transports = {name: BytesTransport(answers_of(node), lambda _: lambda: None) for name, node in nodes.items()}
        client = LightClient(transports, ahead.anchor, replace(OPTIONS, witness_patience_ns=0), ahead, MemoryStore())
        assert (await client.update()).height == 5
        behind.height = 9
        assert (await client.update()).height == 9

    asyncio.run(run())


def answers_of(node: RpcNode) -> Any:
    async def handle(request: bytes) -> bytes:
        return node.answer(request)

    return handle
