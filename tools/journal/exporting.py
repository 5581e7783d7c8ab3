"""`homewatt journal export`: records as JSON lines, with the bytes that were signed, for whoever wants to check them."""

from __future__ import annotations

import json
import sqlite3
import sys
from base64 import b64encode
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

from agent.config import AgentConfig
from agent.keystore import FileKeyStore
from lightclient.wire import device_id
from storeforward.database import read_all
from storeforward.records import Stream
from tools.console import SCHEMA_VERSION, CommandError, ExitCode, talk
from tools.journal.salvaged import salvaged_records
from tools.journal.words import stream_name

FORMAT: Final = "homewatt-journal"


def export(config: AgentConfig, connection: sqlite3.Connection, since_seq: int, out: Path | None) -> int:
    """Write the journal's own records, then those out of damaged files. Raises CommandError, KeyStoreError."""
    key = FileKeyStore.open(config.key.file).public_key()
    head = {
        "schema_version": SCHEMA_VERSION,
        "format": FORMAT,
        "chain_id": config.device.chain_id,
        "device": device_id(config.device.chain_id, key).hex(),
        "public_key": key.hex(),
    }
    count = 0
    try:
        with ExitStack() as stack:
            file = sys.stdout if out is None else stack.enter_context(out.open("x", encoding="ascii"))
            print(json.dumps(head), file=file)
            for line in _lines(connection, since_seq):
                print(json.dumps(line), file=file)
                count += 1
    except FileExistsError as error:
        raise CommandError(ExitCode.USAGE, f"{out} is there already", "name another file, or move that one away") from error
    except BrokenPipeError:
        raise
    except OSError as error:
        raise CommandError(ExitCode.PRECONDITION, f"{out}: {error.strerror}", "name a folder with room and rights") from error
    except ValueError as error:
        raise CommandError(ExitCode.IDENTITY, str(error), "homewatt journal verify says what is wrong") from error
    talk(f"{count} records")
    return ExitCode.OK


def _lines(connection: sqlite3.Connection, since_seq: int) -> Iterator[dict[str, Any]]:
    for stored in read_all(connection, since_seq - 1):
        yield _line(stored.record.seq, stored.record.stream, stored.data, stored.signature, stored.proven_height, None)
    for old in salvaged_records(connection, since_seq):
        yield _line(old.record.seq, old.record.stream, old.data, old.signature, old.proven_height, old.origin)


def _line(
    seq: int, stream: Stream, data: bytes, signature: bytes | None, height: int | None, origin: str | None
) -> dict[str, Any]:
    return {
        "seq": seq,
        "stream": stream_name(stream),
        "data": b64encode(data).decode(),
        "signature": None if signature is None else b64encode(signature).decode(),
        "proven_height": height,
        "origin": origin,
    }
