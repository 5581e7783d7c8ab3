"""The parties' accounts: balance and lock, changed in memory and written once per block."""

from __future__ import annotations

from lightclient import keys
from lightclient.values import Account
from tools.fullnode.rules.state import State


class Accounts:
    """All accounts, decoded. Money moves only through `pay`, so that every booking has its counter-booking beside it."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._accounts = {key[1:]: Account.decode(value) for key, value in state.items_of(keys.account(b""))}
        self._touched: set[bytes] = set()

    def __contains__(self, party: bytes) -> bool:
        return party in self._accounts

    def balance_ueur(self, party: bytes) -> int:
        return self._accounts[party].balance_ueur

    def available_ueur(self, party: bytes) -> int:
        """What the account can still back."""
        account = self._accounts[party]
        return account.balance_ueur - account.locked_ueur

    def add(self, party: bytes, amount_ueur: int) -> None:
        """Money that enters (negative: leaves) the society."""
        account = self._accounts[party]
        self._accounts[party] = Account(account.balance_ueur + amount_ueur, account.locked_ueur)
        self._touched.add(party)

    def pay(self, payer: bytes, payee: bytes, amount_ueur: int) -> None:
        """Move an amount; a negative one moves back."""
        self.add(payer, -amount_ueur)
        self.add(payee, amount_ueur)

    def lock(self, party: bytes, amount_ueur: int) -> None:
        """Lock (negative: free) part of a balance."""
        account = self._accounts[party]
        self._accounts[party] = Account(account.balance_ueur, account.locked_ueur + amount_ueur)
        self._touched.add(party)

    def flush(self) -> None:
        """Write the block's changes into the state."""
        for party in sorted(self._touched):
            self._state.put(keys.account(party), self._accounts[party].encode())
        self._touched.clear()
