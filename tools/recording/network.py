"""A network of CometBFT validators on this machine, with the engine's own key-value application, for recordings.

It hands out the validators' private keys: whoever holds those can forge what a light client must see through. It verifies
nothing. Source: CometBFT v0.38 cmd/cometbft/commands/testnet.go, config/toml.go.
"""

from __future__ import annotations

import asyncio
import json
from asyncio.subprocess import DEVNULL, Process
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any, Final

from aiohttp import ClientConnectionError, ClientSession, ClientTimeout
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from lightclient import hashing
from lightclient.strictjson import decode_base64

FAST: Final = {'timeout_propose = "3s"': 'timeout_propose = "500ms"', 'timeout_commit = "1s"': 'timeout_commit = "300ms"'}
EVIDENCE_AGE: Final = {"max_age_num_blocks": "2592000", "max_age_duration": str(30 * 86_400 * 10**9)}
STOP_S: Final = 10.0
START_S: Final = 60.0
ASK_AGAIN_S: Final = 0.1


class RecordingError(Exception):
    """The engine does not start, or does not do what the recording is about."""


class Refused(Exception):
    """An error of JSON-RPC, as the node worded it."""

    def __init__(self, error: Mapping[str, Any]) -> None:
        super().__init__(str(error))
        self.error = dict(error)


@dataclass(frozen=True, slots=True)
class Network:
    """A running network. `keys` are the validators' private keys by address, of those that are down too."""

    session: ClientSession
    urls: tuple[str, ...]
    keys: dict[bytes, Ed25519PrivateKey]

    async def call(self, method: str, node: int = 0, **params: Any) -> Any:
        """The `result` of a call. Raises Refused."""
        request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        async with self.session.post(self.urls[node], json=request) as response:
            answer = await response.json(content_type=None)
        if "error" in answer:
            raise Refused(answer["error"])
        return answer["result"]

    async def height(self) -> int:
        return int((await self.call("status"))["sync_info"]["latest_block_height"])

    async def wait_height(self, height: int) -> None:
        """Wait until the first node has this block, and the next one too: only then is its commit part of the chain."""
        async with asyncio.timeout(START_S):
            while True:
                if await self._height_or_none() > height:
                    return
                await asyncio.sleep(ASK_AGAIN_S)

    async def block_answers(self, height: int) -> dict[str, Any]:
        """The node's own words on a block: its answers to `commit` and `validators`."""
        commit = await self.call("commit", height=str(height))
        return {"commit": commit, "validators": await self.call("validators", height=str(height), per_page="100")}

    async def _height_or_none(self) -> int:
        try:
            return await self.height()
        except ClientConnectionError:
            return 0


@asynccontextmanager
async def running_network(
    cometbft: Path, folder: Path, chain_id: str, powers: Sequence[int], running: int, first_address: str
) -> AsyncIterator[Network]:
    """A network of one validator per power, of which the first `running` run; it stops with the block.

    folder: an empty one for homes and data. first_address: the loopback address of the first, the others follow it.
    """
    make = await asyncio.create_subprocess_exec(
        cometbft, "testnet", "--v", str(len(powers)), "--o", folder, "--starting-ip-address", first_address, stdout=DEVNULL
    )  # fmt: skip
    if await make.wait() != 0:
        raise RecordingError(f"{cometbft} testnet failed")
    homes = [folder / f"node{index}" for index in range(len(powers))]
    addresses = [str(IPv4Address(first_address) + index) for index in range(running)]
    _write_genesis(homes, chain_id, powers)
    _speed_up(homes)
    async with AsyncExitStack() as stack:
        for home, address in zip(homes, addresses, strict=False):
            await stack.enter_async_context(_running_node(cometbft, home, address))
        session = await stack.enter_async_context(ClientSession(timeout=ClientTimeout(total=START_S)))
        urls = tuple(f"http://{address}:26657/" for address in addresses)
        network = Network(session, urls, dict(_validator_key(home) for home in homes))
        await network.wait_height(1)
        yield network


@asynccontextmanager
async def _running_node(cometbft: Path, home: Path, address: str) -> AsyncIterator[Process]:
    rpc, p2p = f"tcp://{address}:26657", f"tcp://{address}:26656"
    options = ("--home", home, "--proxy_app", "kvstore", "--rpc.laddr", rpc, "--p2p.laddr", p2p)
    process = await asyncio.create_subprocess_exec(cometbft, "start", *options, stdout=DEVNULL, stderr=DEVNULL)
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
            async with asyncio.timeout(STOP_S):
                await process.wait()


def _write_genesis(homes: Sequence[Path], chain_id: str, powers: Sequence[int]) -> None:
    genesis = json.loads((homes[0] / "config/genesis.json").read_text())
    genesis |= {"chain_id": chain_id, "initial_height": "1"}
    genesis["consensus_params"]["evidence"] |= EVIDENCE_AGE
    for validator, power in zip(genesis["validators"], powers, strict=True):
        validator["power"] = str(power)
    for home in homes:
        (home / "config/genesis.json").write_text(json.dumps(genesis))


def _speed_up(homes: Sequence[Path]) -> None:
    for home in homes:
        path = home / "config/config.toml"
        text = path.read_text()
        for slow, fast in FAST.items():
            if slow not in text:
                raise RecordingError(f"{path}: no {slow}")
            text = text.replace(slow, fast)
        path.write_text(text)


def _validator_key(home: Path) -> tuple[bytes, Ed25519PrivateKey]:
    """(address, key). Go keeps the public key behind the private one."""
    stored = json.loads((home / "config/priv_validator_key.json").read_text())["priv_key"]["value"]
    key = Ed25519PrivateKey.from_private_bytes(decode_base64(stored, "priv_key")[:32])
    return hashing.address(key.public_key().public_bytes_raw()), key
