"""docs/ledger.md says what the code does where the two can be compared."""

from __future__ import annotations

import re
from pathlib import Path

from lightclient import messages
from lightclient.refusals import SENTENCES, Refusal
from lightclient.values import Params, SettlementLine

TEXT = (Path(__file__).parents[4] / "docs" / "ledger.md").read_text()


def test_every_refusal_is_documented() -> None:
    rows = re.findall(r"^\| (\d+) \| `([A-Z_]+)` \| (.+) \|$", TEXT, re.MULTILINE)
    assert rows == [(str(int(refusal)), refusal.name, SENTENCES[refusal]) for refusal in Refusal]


def test_every_message_kind_is_documented() -> None:
    kinds = [int(kind) for kind in re.findall(r"^\| (\d+) \| [a-z ]+ \| [a-z]+ \|", TEXT, re.MULTILINE)]
    known = sorted(value.KIND for value in vars(messages).values() if isinstance(getattr(value, "KIND", None), int))
    assert kinds == known


def test_the_fields_of_parameters_and_lines_are_documented_in_order() -> None:
    params = TEXT.split("| `params` | ")[1].split(" (ids")[0]
    names = [name.replace("_ueur_kwh", "").replace("fallback_", "fallback ") for name in Params.__dataclass_fields__]
    assert params.split(", ") == names
    line = TEXT.split("A line is ")[1].split(".")[0]
    assert line.split(", ") == list(SettlementLine.__dataclass_fields__)
