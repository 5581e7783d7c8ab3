"""`homewatt light verify`: the header of any height, verified, and how it was reached."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

from agent.config import AgentConfig
from agent.vocabulary import Clock
from lightclient import hashing
from lightclient.blocks import Header
from lightclient.errors import StaleHeader
from lightclient.rfc3339 import format_ns
from tools.console import CommandError, ExitCode, emit
from tools.light.following import Following, following, read_kept


@dataclass(frozen=True, slots=True)
class Way:
    """How a header is reached: `word` is kept, forwards (signatures) or backwards (hash links), from `start`."""

    word: str
    start: int

    def __str__(self) -> str:
        match self.word:
            case "forwards":
                return f"forwards from height {self.start}, by the signatures of its validators"
            case "backwards":
                return f"backwards from height {self.start}, by the hashes that link headers"
            case _:
                return "kept from when it was verified"


async def show_header(config: AgentConfig, clock: Clock, height: int, as_json: bool) -> int:
    """Print the header of a height. Raises LightClientError, and CommandError for a height that does not exist yet."""
    async with following(config, await read_kept(config, height), clock) as session:
        with suppress(StaleHeader):  # verified all the same, and old headers are what is asked for here
            await session.client.update()
        newest = session.client.verified
        if newest is not None and height > newest.height:
            cause = f"there is no height {height} yet, the newest is {newest.height}"
            raise CommandError(ExitCode.PRECONDITION, cause, "wait for it, or ask for a lower one")
        way = await _way_to(session, height)
        header = await session.client.header_at(height)
    emit(_as_data(header, way), _as_text(header, way), as_json)
    return ExitCode.OK


async def _way_to(session: Following, height: int) -> Way:
    below = await session.store.at_or_below(height)
    if below is not None:
        return Way("kept" if below.height == height else "forwards", below.height)
    lowest = await session.store.lowest()
    return Way("backwards", lowest.height if lowest is not None else height)


def _as_data(header: Header, way: Way) -> dict[str, object]:
    return {
        "chain_id": header.chain_id,
        "height": header.height,
        "hash": hashing.header_hash(header).hex().upper(),
        "time": format_ns(header.time_ns),
        "app_hash": header.app_hash.hex().upper(),
        "validators_hash": header.validators_hash.hex().upper(),
        "reached": way.word,
        "reached_from": way.start,
    }


def _as_text(header: Header, way: Way) -> str:
    data = _as_data(header, way)
    lines = (
        f"{header.chain_id}: height {header.height} is verified",
        f"  hash:       {data['hash']}",
        f"  time:       {data['time']}",
        f"  app:        {data['app_hash']}",
        f"  validators: {data['validators_hash']}",
        f"  reached:    {way}",
    )
    return "\n".join(lines)
