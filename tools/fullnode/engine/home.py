"""The directory of a full node, laid out as CometBFT's, so that either engine can run on it.

    config/genesis.json              config/priv_validator_key.json (0600)    config/node_key.json (0600)
    data/blocks.sqlite               data/ledger.sqlite                       data/lock

HomeError
├── NoHome         a file that `node init` writes is missing
├── OtherGenesis   the directory belongs to another genesis
├── BadKeyFile     a key file cannot be used
└── HomeInUse      another process runs on the directory; two engines with one key would sign two chains
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from base64 import b64decode
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from lightclient import hashing
from lightclient.rpcjson import KEY_TYPE
from lightclient.strictjson import encode_base64
from tools.fullnode.engine.genesis_doc import GenesisDoc, GenesisValidator, load_genesis, write_genesis

PRIVATE_KEY_TYPE: Final = "tendermint/PrivKeyEd25519"
SOLO_POWER: Final = 10


class HomeError(Exception):
    """Base of the errors about a node's directory; `path` is the file they are about."""

    retry: ClassVar[bool] = False

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path


class NoHome(HomeError):
    def __init__(self, path: Path) -> None:
        super().__init__(path, "is missing")


class OtherGenesis(HomeError):
    def __init__(self, path: Path) -> None:
        super().__init__(path, "differs from the genesis that was given")


class BadKeyFile(HomeError):
    """The reason never shows what the file holds."""


class HomeInUse(HomeError):
    retry = True

    def __init__(self, path: Path) -> None:
        super().__init__(path, "is held by another process")


@dataclass(frozen=True, slots=True)
class NodeHome:
    """The files of a node; they need not exist yet."""

    root: Path

    @property
    def genesis(self) -> Path:
        return self.root / "config" / "genesis.json"

    @property
    def validator_key(self) -> Path:
        return self.root / "config" / "priv_validator_key.json"

    @property
    def node_key(self) -> Path:
        return self.root / "config" / "node_key.json"

    @property
    def blocks(self) -> Path:
        return self.root / "data" / "blocks.sqlite"

    @property
    def ledger(self) -> Path:
        return self.root / "data" / "ledger.sqlite"

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the directory. Raises HomeInUse, NoHome."""
        path = self.root / "data" / "lock"
        try:
            file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError:
            raise NoHome(path.parent) from None
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield
        except BlockingIOError:
            raise HomeInUse(path) from None
        finally:
            os.close(file)


def init_home(home: NodeHome, genesis: GenesisDoc, validator_key: Ed25519PrivateKey | None = None) -> GenesisDoc:
    """Write keys and genesis; what is there already stays. A genesis without validators gets this node as the only one.

    Returns the genesis of the directory. Raises OtherGenesis when there is a different one already, HomeError.
    """
    for folder in (home.genesis.parent, home.blocks.parent):
        folder.mkdir(parents=True, exist_ok=True)
    if not home.validator_key.exists():
        _write_validator_key(home.validator_key, validator_key or Ed25519PrivateKey.generate())
    if not home.node_key.exists():
        _write_secret(home.node_key, {"priv_key": _private_json(Ed25519PrivateKey.generate())})
    if not genesis.validators:
        public_key = load_validator_key(home).public_key().public_bytes_raw()
        genesis = replace(genesis, validators=(GenesisValidator(public_key, SOLO_POWER, "solo"),))
    if not home.genesis.exists():
        write_genesis(genesis, home.genesis)
    elif load_genesis(home.genesis) != genesis:
        raise OtherGenesis(home.genesis)
    return genesis


def load_validator_key(home: NodeHome) -> Ed25519PrivateKey:
    """The key that signs blocks. Raises NoHome, BadKeyFile."""
    return _load_key(home.validator_key)


def load_node_id(home: NodeHome) -> str:
    """What `status` calls the node: the address of its node key, 40 hex digits. Raises NoHome, BadKeyFile."""
    return hashing.address(_load_key(home.node_key).public_key().public_bytes_raw()).hex()


def _load_key(path: Path) -> Ed25519PrivateKey:
    try:
        stored = json.loads(path.read_bytes())["priv_key"]
        if stored["type"] != PRIVATE_KEY_TYPE:
            raise BadKeyFile(path, f"expected a key of type {PRIVATE_KEY_TYPE}")
        both = b64decode(stored["value"], validate=True)
        key = Ed25519PrivateKey.from_private_bytes(both[:32])
    except FileNotFoundError:
        raise NoHome(path) from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadKeyFile(path, f"cannot be read as a key file ({type(error).__name__})") from None
    if both[32:] != key.public_key().public_bytes_raw():
        raise BadKeyFile(path, "private and public half do not belong together")
    return key


def _write_validator_key(path: Path, key: Ed25519PrivateKey) -> None:
    public_key = key.public_key().public_bytes_raw()
    stored = {
        "address": hashing.address(public_key).hex().upper(),
        "pub_key": {"type": KEY_TYPE, "value": encode_base64(public_key)},
        "priv_key": _private_json(key),
    }
    _write_secret(path, stored)


def _private_json(key: Ed25519PrivateKey) -> dict[str, str]:
    both = key.private_bytes_raw() + key.public_key().public_bytes_raw()
    return {"type": PRIVATE_KEY_TYPE, "value": encode_base64(both)}


def _write_secret(path: Path, value: dict[str, Any]) -> None:
    """A new file that only its owner can read."""
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(file, "w", encoding="utf-8") as stream:
        stream.write(json.dumps(value, indent=2) + "\n")
