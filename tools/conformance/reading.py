"""Reading test files: JSON, and validator sets as JSON lists of any length."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from lightclient import rpcjson
from lightclient.blocks import Validator, ValidatorSet
from lightclient.errors import NodeGarbage


def read_json(file: Path) -> Any:
    """What a file holds. Raises NodeGarbage where that is not JSON."""
    try:
        return json.loads(file.read_bytes())
    except (ValueError, RecursionError) as error:
        raise NodeGarbage(file.name, "JSON") from error


def validator_set(members: Any) -> ValidatorSet:
    """A list of validators, decoded as the client decodes the pages of an answer. Raises NodeGarbage."""
    if not isinstance(members, list):
        return ValidatorSet(_page(members, 0))
    pages = (members[start : start + rpcjson.MAX_PAGE] for start in range(0, len(members), rpcjson.MAX_PAGE))
    return ValidatorSet(tuple(validator for page in pages for validator in _page(page, len(members))))


def _page(members: Any, total: int) -> tuple[Validator, ...]:
    return rpcjson.decode_validators({"block_height": "1", "total": str(total), "validators": members}).validators
