"""Money that enters and leaves the society: the treasurer's transfers. Source: docs/ledger.md, "Treasurer"."""

from __future__ import annotations

from typing import Final

from lightclient.messages import Transfer
from lightclient.refusals import Refusal
from lightclient.values import Role
from tools.fullnode.rules.accounts import Accounts
from tools.fullnode.rules.registry import Registry

MAX_BALANCE_UEUR: Final = 10**18
"""No transfer lifts a balance above this, so that every amount fits into the 64 bits of the wire format."""


class Treasury:
    """Carries out transfers."""

    def __init__(self, registry: Registry, accounts: Accounts) -> None:
        self._registry = registry
        self._accounts = accounts

    def transfer(self, sender: bytes, message: Transfer) -> Refusal:
        amount_ueur = message.amount_ueur
        if not self._registry.has_role(sender, Role.TREASURER):
            return Refusal.ROLE_MISSING
        if amount_ueur == 0:
            return Refusal.TRANSFER_ZERO
        if message.party not in self._accounts:
            return Refusal.UNKNOWN_PARTY
        if amount_ueur < 0 and self._accounts.available_ueur(message.party) < -amount_ueur:
            return Refusal.NOT_BACKED
        if amount_ueur > 0 and self._accounts.balance_ueur(message.party) + amount_ueur > MAX_BALANCE_UEUR:
            return Refusal.BALANCE_TOO_LARGE
        self._accounts.add(message.party, amount_ueur)
        return Refusal.OK
