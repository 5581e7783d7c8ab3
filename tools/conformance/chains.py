"""Recorded chains: folders HEIGHT with `signed_block.json`, or with `commit.json` and pages `validators_1.json` and so on.

The files hold whole JSON-RPC answers. Here they are found and read; nothing is verified. What is needed to count votes
independently of the client is kept as the JSON has it.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, Final

from lightclient import rpcjson
from lightclient.blocks import BlockIdFlag, LightBlock
from lightclient.errors import NodeGarbage
from lightclient.strictjson import Fields
from tools.conformance import reading

SIGNED_BLOCK: Final = "signed_block.json"
COMMIT: Final = "commit.json"
FIRST_PAGE: Final = "validators_1.json"
MAX_HEIGHT_DIGITS: Final = 19
"""An int64, leading zeros included: some number their folders with them."""


@dataclass(frozen=True, slots=True)
class Source:
    """One recording of one height; `name` is SIGNED_BLOCK or COMMIT."""

    folder: Path
    name: str

    @property
    def file(self) -> Path:
        return self.folder / self.name

    def files(self) -> list[Path]:
        """All that belongs to it."""
        return [self.file] if self.name == SIGNED_BLOCK else [self.file, *self._pages()]

    def read(self) -> dict[str, Any]:
        """`header`, `commit` and `validators` as the files have them. Raises NodeGarbage."""
        if self.name == SIGNED_BLOCK:
            block = _answer(self.file)
            members = block.get("validator_set")
            validators = members.get("validators") if isinstance(members, dict) else None
            return {"header": block.get("header"), "commit": block.get("commit"), "validators": validators}
        signed = _answer(self.file).get("signed_header")
        if not isinstance(signed, dict):
            raise NodeGarbage(f"{self.name}: signed_header", "an object")
        return {"header": signed.get("header"), "commit": signed.get("commit"), "validators": self._validators()}

    def _validators(self) -> list[Any]:
        pages = self._pages()
        answers = [_answer(page) for page in pages]
        members = [member for answer in answers for member in Fields(answer, "validators").raw_list("validators")]
        for page, answer in zip(pages, answers, strict=True):
            fields = Fields(answer, page.name)
            if fields.int64("block_height") != int(self.folder.name):
                raise NodeGarbage(f"{page.name}: block_height", self.folder.name)
            if fields.int64("total") != len(members):
                raise NodeGarbage(f"{page.name}: total", f"{len(members)}, the validators of all pages")
        return members

    def _pages(self) -> list[Path]:
        pages = (self.folder / f"validators_{number}.json" for number in count(1))
        found = []
        for page in pages:
            if not page.is_file():
                break
            found.append(page)
        return found


@dataclass(frozen=True, slots=True)
class Recorded:
    """A height as it was read: the client's view of it, and the powers and signers as the JSON has them."""

    source: Source
    block: LightBlock
    powers: Mapping[str, int]
    signers: frozenset[str]

    @property
    def height(self) -> int:
        return self.block.height


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A recording that is no block, and why."""

    source: Source
    cause: str


@dataclass(frozen=True, slots=True)
class Recordings:
    """All that one parent folder holds, in the order of heights; it can be of several chains."""

    readable: tuple[Recorded, ...]
    unreadable: tuple[Unreadable, ...]

    def chain_ids(self) -> list[str]:
        return sorted({recorded.block.header.chain_id for recorded in self.readable})


def sources_in(folder: Path) -> Iterator[Source]:
    """The recordings of one height. A folder that is not named by a height has none."""
    if _is_height(folder):
        if (folder / SIGNED_BLOCK).is_file():
            yield Source(folder, SIGNED_BLOCK)
        if (folder / COMMIT).is_file() and (folder / FIRST_PAGE).is_file():
            yield Source(folder, COMMIT)


def _is_height(folder: Path) -> bool:
    return folder.name.isascii() and folder.name.isdecimal() and len(folder.name) <= MAX_HEIGHT_DIGITS


@functools.cache
def recordings(parent: Path) -> Recordings:
    """Read every height below a folder, once per process."""
    readable, unreadable = [], []
    for folder in sorted(filter(_is_height, parent.iterdir()), key=lambda folder: int(folder.name)):
        for source in sources_in(folder):
            try:
                readable.append(_recorded(source))
            except NodeGarbage as error:
                unreadable.append(Unreadable(source, str(error)))
    return Recordings(tuple(readable), tuple(unreadable))


def decode(parts: Mapping[str, Any], known: LightBlock | None = None, altered: str | int = "") -> LightBlock:
    """What the client makes of the parts. Raises NodeGarbage.

    With a `known` block only what hangs on the `altered` part is decoded again.
    """
    if known is not None and altered == "validators":
        signed_header = known.signed_header
    else:
        signed_header = rpcjson.decode_commit(
            {"signed_header": {name: parts[name] for name in ("header", "commit") if name in parts}}
        )
    if known is not None and altered in ("header", "commit"):
        return LightBlock(signed_header, known.validators)
    return LightBlock(signed_header, reading.validator_set(parts.get("validators")))


def _recorded(source: Source) -> Recorded:
    parts = source.read()
    block = decode(parts)
    if block.height != int(source.folder.name):
        raise NodeGarbage("header.height", f"{source.folder.name}, the name of the folder")
    powers = {member["address"]: int(member["voting_power"]) for member in parts["validators"] or ()}
    votes = parts["commit"]["signatures"] or ()
    signers = frozenset(vote["validator_address"] for vote in votes if vote["block_id_flag"] == BlockIdFlag.COMMIT)
    return Recorded(source, block, powers, signers)


def _answer(file: Path) -> dict[str, Any]:
    """The result of a JSON-RPC answer, or the file's object where it has no envelope."""
    document = reading.read_json(file)
    if isinstance(document, dict) and "result" in document:
        document = document["result"]
    if not isinstance(document, dict):
        raise NodeGarbage(file.name, "the result of a JSON-RPC call")
    return document
