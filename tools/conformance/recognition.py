"""Which files of a folder are test files, of which kind, and what is to be done with each. Nothing is skipped silently."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from lightclient.errors import NodeGarbage
from tools.conformance import chainchecks, chains, ed25519files, ics23files, modelbased, mutationchecks, reading
from tools.conformance.findings import Findings

Unit = Callable[[], Findings]
"""A part of the run that needs nothing of the others; it can be sent to another process."""

CHAIN_FILES: Final = (chains.SIGNED_BLOCK, chains.COMMIT)


@dataclass(frozen=True, slots=True)
class Unrecognised:
    """A file that is not run, and why."""

    file: str
    reason: str


@dataclass(frozen=True, slots=True)
class Recognised:
    """What a folder holds."""

    units: tuple[Unit, ...]
    unrecognised: tuple[Unrecognised, ...]


def recognise(folder: Path) -> Recognised:
    """Look at every file below a folder, as it is now."""
    chains.recordings.cache_clear()
    chainchecks.sound_recordings.cache_clear()
    chainchecks.sound_chain.cache_clear()
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    sources = [source for parent in sorted({path.parent for path in files}) for source in chains.sources_in(parent)]
    of_chains = {path for source in sources for path in source.files()}
    units: list[Unit] = []
    for parent in sorted({source.folder.parent for source in sources}):
        units += _chain_units(parent)
    unrecognised = []
    for path in files:
        if path not in of_chains:
            unit = _unit(path)
            if isinstance(unit, str):
                unrecognised.append(Unrecognised(str(path), unit))
            else:
                units.append(unit)
    return Recognised(tuple(units), tuple(unrecognised))


def _chain_units(parent: Path) -> Iterator[Unit]:
    yield functools.partial(chainchecks.check_heights, parent)
    for chain_id in chains.recordings(parent).chain_ids():
        for index in range(len(chainchecks.sound_chain(parent, chain_id)) - 1):
            yield functools.partial(chainchecks.check_pairs, parent, chain_id, index)
        for recorded in chainchecks.sound_recordings(parent, chain_id):
            yield functools.partial(mutationchecks.check_mutations, parent, chain_id, recorded.source)


def _unit(path: Path) -> Unit | str:
    """What to do with a file, or why nothing can be done with it."""
    if path.name in CHAIN_FILES:
        return "lies in no folder named by its height, or has no validators beside it"
    if path.suffix != ".json":
        return "not a .json file"
    try:
        document = reading.read_json(path)
    except NodeGarbage:
        return "not JSON"
    if ics23files.is_table(path, document):
        return functools.partial(ics23files.check_table, path)
    if modelbased.is_single_step(document):
        return functools.partial(modelbased.check_file, path)
    if ed25519files.is_edge_cases(document):
        return functools.partial(ed25519files.check_file, path)
    if ics23files.is_proof(document):
        if ics23files.spec_name(path) is None:
            return f"an ICS23 proof in no folder named {', '.join(ics23files.SPECS)}"
        return functools.partial(ics23files.check_proof, path)
    return "of no known shape"
