"""`homewatt journal verify`: is every record the device's own, are both chains whole, does a gap name all that is missing?"""

from __future__ import annotations

import sqlite3

from agent.config import AgentConfig
from agent.keystore import FileKeyStore
from lightclient.wire import device_id
from storeforward.chain import Break, Walk, Whole
from storeforward.database import check_pages, read_all
from storeforward.records import Stream
from storeforward.signatures import Verify, verifier
from tools.console import CommandError, ExitCode, emit
from tools.journal.salvaged import salvaged_records


def verify(config: AgentConfig, connection: sqlite3.Connection, public_key: bytes | None, as_json: bool) -> int:
    """Walk through all of it; the exit code is IDENTITY where it is broken. Raises CommandError, KeyStoreError."""
    key = FileKeyStore.open(config.key.file).public_key() if public_key is None else public_key
    try:
        check = verifier(key)
    except ValueError as error:
        raise CommandError(ExitCode.USAGE, f"--public-key: {error}", "give the device's key as its label shows it") from error
    device = device_id(config.device.chain_id, key)
    broken = _pages(connection) or _walk(connection, check, device if public_key is None else None)
    records, bad = _salvaged(connection, check)
    data: dict[str, object] = {"public_key": key.hex(), "salvaged": records, "salvaged_unproven": bad}
    salvage = f"; {records} salvaged records, {bad} of them not signed" if records else ""
    if isinstance(broken, Break):
        data |= {"whole": False, "seq": broken.seq, "reason": broken.reason}
        text = (
            f"BROKEN: record {broken.seq} {broken.reason}{salvage}\n  next: keep the file as it is; an export of an earlier day"
            " shows what was altered, and the ledger has the hash of every reading that it took"
        )
        emit(data, text, as_json)
        return ExitCode.IDENTITY
    data |= {"whole": True, "records": broken.records, "evicted": broken.evicted, "last_seq": broken.last_seq}
    data["unsigned"] = broken.unsigned
    text = (
        f"whole: {broken.records} records up to {broken.last_seq}, all signed or covered but the last {broken.unsigned};"
        f" {broken.evicted} were evicted, each named by a signed gap{salvage}"
    )
    emit(data, text, as_json)
    return ExitCode.IDENTITY if bad else ExitCode.OK


def _pages(connection: sqlite3.Connection) -> Break | None:
    """What SQLite itself finds wrong with the file, in a record or between them."""
    wrong = check_pages(connection)
    return None if wrong is None else Break(1, f"or one after it cannot be read: {wrong}")


def _walk(connection: sqlite3.Connection, check: Verify, device: bytes | None) -> Whole | Break:
    last = 0
    try:
        walk = Walk(check, read_all(connection, 0, Stream.GAP))
        for stored in read_all(connection, 0):
            last = stored.record.seq
            if device is not None and stored.record.device != device:
                return Break(last, "is another device's, or this key is not the device's first")
            if (broken := walk.take(stored)) is not None:
                return broken
        return walk.end()
    except ValueError as error:
        return Break(last + 1, f"or one after it was altered: {error}")


def _salvaged(connection: sqlite3.Connection, check: Verify) -> tuple[int, int]:
    """How many salvaged records there are, and how many of the signed ones are not signed by the device."""
    records = bad = 0
    for old in salvaged_records(connection):
        records += 1
        if old.record.stream is not Stream.SAMPLE:
            bad += old.signature is None or not check(old.data, old.signature)
    return records, bad
