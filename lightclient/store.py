"""Where a light client keeps what it trusts, so that it does not have to begin at its anchor again."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import Any, Final, Protocol

from lightclient import rpcjson, rules, strictjson
from lightclient.blocks import LightBlock, ValidatorSet
from lightclient.errors import DamagedStore, MalformedHeader, NodeGarbage

FORMAT: Final = 1


class LightStore(Protocol):
    """Keeps one block: the newest that was verified."""

    async def load(self) -> LightBlock | None:
        """The block kept last, or None. Raises DamagedStore."""

    async def save(self, block: LightBlock) -> None:
        """Keep this block in place of the last. It is durable on return."""


class MemoryStore:
    """Keeps the block as long as the process lives."""

    def __init__(self) -> None:
        self._block: LightBlock | None = None

    async def load(self) -> LightBlock | None:
        return self._block

    async def save(self, block: LightBlock) -> None:
        self._block = block


class FileStore:
    """Keeps the block in a JSON file, replaced as a whole: after a power cut it holds the last block or the one before."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def load(self) -> LightBlock | None:
        return await asyncio.to_thread(self._load)

    async def save(self, block: LightBlock) -> None:
        await asyncio.to_thread(self._save, _encode(block))

    def _load(self) -> LightBlock | None:
        try:
            data = self._path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise DamagedStore(str(self._path), str(error)) from error
        try:
            block = _decode(data)
            rules.check_belongs_together(block)
        except (NodeGarbage, MalformedHeader) as error:
            raise DamagedStore(str(self._path), str(error)) from error
        return block

    def _save(self, data: bytes) -> None:
        new = self._path.with_name(self._path.name + ".new")
        with open(new, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(new, self._path)
        folder = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _encode(block: LightBlock) -> bytes:
    """The block in the shapes of the RPC answers that it came from."""
    members = rpcjson.validators_to_json(block.validators)
    stored: dict[str, Any] = {
        "format": FORMAT,
        "commit": {
            "signed_header": {
                "header": rpcjson.header_to_json(block.header),
                "commit": rpcjson.commit_to_json(block.signed_header.commit),
            }
        },
        "validators": {"block_height": str(block.height), "validators": members, "total": str(len(members))},
    }
    return json.dumps(stored, indent=1).encode()


def _decode(data: bytes) -> LightBlock:
    stored = strictjson.load(data)
    if type(stored) is not dict or stored.get("format") != FORMAT:
        raise NodeGarbage("format", str(FORMAT))
    validators = rpcjson.decode_validators(stored.get("validators")).validators
    return LightBlock(rpcjson.decode_commit(stored.get("commit")), ValidatorSet(validators))
