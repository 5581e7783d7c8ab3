"""`homewatt light sign-anchor` for a society's board, and `homewatt light re-anchor` for its devices."""

from __future__ import annotations

from pathlib import Path

from agent.config import AgentConfig
from agent.keystore import FileKeyStore
from agent.vocabulary import Clock
from lightclient import hashing
from lightclient.anchor import SignedAnchor, check_anchor, decode_anchor, encode_anchor, sign_anchor
from lightclient.filestore import FileStore
from lightclient.options import TrustAnchor
from lightclient.rfc3339 import format_ns
from lightclient.state import LightState
from tools.console import CommandError, ExitCode, emit, talk
from tools.light.following import Kept, following, read_kept
from tools.light.status import offline_situation

ENDED = (LightState.EXPIRED, LightState.UNDER_ATTACK)
"""States that only a new anchor ends."""


async def re_anchor(config: AgentConfig, clock: Clock, file: Path, as_json: bool) -> int:
    """Let the agent begin anew. Raises AnchorError, DamagedStore, and CommandError where that would be a step back."""
    signed = _read_anchor(file)
    check_anchor(signed, config.device.chain_id, config.ledger.anchor_keys)
    kept, now_ns = await read_kept(config), clock.now_ns()
    state = offline_situation(config, kept, now_ns).state
    _check_use(signed, config, now_ns)
    newest = kept.newest
    if state not in ENDED and newest is not None and signed.height <= newest.height:
        cause = f"the anchor's height {signed.height} is not above {newest.height}, which is trusted already"
        raise CommandError(ExitCode.PRECONDITION, cause, "nothing: an anchor is needed only when expired or under attack")
    await FileStore(config.trust).re_anchor(signed.anchor)
    emit(_as_data(signed, kept, state), _as_text(signed, kept, state, config), as_json)
    return ExitCode.OK


def _read_anchor(file: Path) -> SignedAnchor:
    try:
        return decode_anchor(file.read_bytes())
    except OSError as error:
        raise CommandError(ExitCode.USAGE, f"{file}: {error.strerror}", "name the file that the board has signed") from error


def _check_use(signed: SignedAnchor, config: AgentConfig, now_ns: int) -> None:
    """Raise CommandError for an anchor that the agent would pass over, or that could not help it."""
    if signed.height < config.anchor.height:
        cause = f"the anchor's height {signed.height} is below the configured {config.anchor.height}, which would win"
        raise CommandError(ExitCode.PRECONDITION, cause, "ask the board for a newer anchor, or correct [ledger] anchor_height")
    if signed.issued_ns + config.light_options.trusting_period_ns <= now_ns:
        cause = f"the anchor was signed at {format_ns(signed.issued_ns)}: it has expired itself"
        raise CommandError(ExitCode.IDENTITY, cause, "ask the board for a new one, and see to the clock")


def _as_data(signed: SignedAnchor, kept: Kept, state: LightState) -> dict[str, object]:
    return {
        "chain_id": signed.chain_id,
        "height": signed.height,
        "hash": signed.hash.hex().upper(),
        "issued": format_ns(signed.issued_ns),
        "public_key": signed.public_key.hex().upper(),
        "state_before": state,
        "height_before": kept.newest.height if kept.newest is not None else None,
        "attack_forgotten": kept.attack is not None,
    }


def _as_text(signed: SignedAnchor, kept: Kept, state: LightState, config: AgentConfig) -> str:
    lines = [
        f"{signed.chain_id}: the agent of {config.device.name} begins anew at height {signed.height}",
        f"  hash:      {signed.hash.hex().upper()}",
        f"  signed:    {format_ns(signed.issued_ns)} by {signed.public_key.hex().upper()}",
    ]
    if kept.newest is not None:
        lines.append(f"  forgotten: what was trusted, up to height {kept.newest.height}")
    if kept.attack is not None:
        lines.append(f"  forgotten: the {kept.attack.kind} attack at height {kept.attack.height}")
    when = "by itself, at its next try or its next start" if state in ENDED else "at its next start"
    lines.append(f"  next:      nothing; the agent takes it {when}")
    return "\n".join(lines)


def _write_new(file: Path, data: bytes) -> None:
    try:
        with file.open("xb") as opened:
            opened.write(data)
    except OSError as error:
        raise CommandError(ExitCode.PRECONDITION, f"{file}: {error.strerror}", "name another file with --out") from error


async def write_anchor(config: AgentConfig, clock: Clock, key: Path, height: int | None, out: Path, as_json: bool) -> int:
    """Sign the header of a height, or the newest, once it is verified. Raises LightClientError, KeyStoreError, CommandError."""
    keystore = FileKeyStore.open(key)
    async with following(config, await read_kept(config), clock) as session:
        newest = await session.client.update()
        header = newest if height is None else await session.client.header_at(height)
    anchor = TrustAnchor(header.height, hashing.header_hash(header))
    signed = sign_anchor(header.chain_id, anchor, clock.now_ns(), keystore.public_key(), keystore.sign)
    _write_new(out, encode_anchor(signed))
    if keystore.public_key() not in config.ledger.anchor_keys:
        talk(f"note: this configuration does not name the key {keystore.public_key().hex()} in [ledger] anchor_keys")
    made = {"file": str(out), "height": header.height, "hash": anchor.hash.hex().upper(), "time": format_ns(header.time_ns)}
    made["public_key"] = keystore.public_key().hex().upper()
    emit(made, f"{out}: height {header.height} of {header.chain_id}, {made['hash']}", as_json)
    return ExitCode.OK
