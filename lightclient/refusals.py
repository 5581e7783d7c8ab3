"""Why the ledger refuses a transaction: a number and a sentence each. Source: docs/ledger.md, "Refusal codes".

Codes below 20 leave the state untouched altogether: the transaction is not known to come from its sender, or counts a
second time. From 20 on the sender's seq is consumed and the result can be proven.
"""

from __future__ import annotations

from enum import IntEnum


class Refusal(IntEnum):
    """Result code of a transaction. OK is 0."""

    OK = 0
    MALFORMED = 1
    TOO_LARGE = 2
    WRONG_CHAIN = 3
    UNKNOWN_SENDER = 4
    BAD_SIGNATURE = 5
    REPLAYED = 6
    SEQ_TOO_FAR = 7
    SEQ_TOO_OLD = 8

    EXPIRED = 20
    ROLE_MISSING = 21
    COMMITTED_READING = 22
    SLOT_UNALIGNED = 23
    BOOK_NOT_OPEN = 24
    BOOK_CLOSED = 25
    BOOK_FULL = 26
    LIMIT_OUTSIDE_TARIFF = 27
    ABOVE_NAMEPLATE = 28
    NOT_BACKED = 29
    ACCOUNT_BELOW_ZERO = 30
    TOO_MANY_ORDERS = 31
    TOO_MANY_MESSAGES = 32
    GONE = 33
    NOT_YOURS = 34
    OWN_ORDER = 35
    WHOLE_ONLY = 36
    NOT_CONSECUTIVE = 37
    TARIFF_STANDS = 40
    TARIFF_TOO_LATE = 41
    TARIFF_TOO_EARLY = 42
    TARIFF_CROSSED = 43
    READING_STANDS = 50
    READING_EARLY = 51
    READING_TOO_OLD = 52
    READING_GAP = 53
    READING_IMPLAUSIBLE = 54
    NOTICE_STANDS = 55
    NOTICE_EARLY = 56
    NOTICE_TOO_OLD = 57
    UNKNOWN_PARTY = 60
    TRANSFER_ZERO = 61
    BALANCE_TOO_LARGE = 62


SENTENCES: dict[Refusal, str] = {
    Refusal.OK: "carried out",
    Refusal.MALFORMED: "the bytes are not the canonical encoding of a known message within its bounds",
    Refusal.TOO_LARGE: "a transaction has at most 8 KiB",
    Refusal.WRONG_CHAIN: "the transaction is for another chain_id",
    Refusal.UNKNOWN_SENDER: "no party or device of this society has this id",
    Refusal.BAD_SIGNATURE: "the signature is not a low-s ES256 signature of the payload by the sender's key",
    Refusal.REPLAYED: "this seq has been used, or this reading or notice already counts",
    Refusal.SEQ_TOO_FAR: "seq is more than 1,024 above the highest seen",
    Refusal.SEQ_TOO_OLD: "seq is more than 1,023 below the highest seen",
    Refusal.EXPIRED: "the block is above expires_height",
    Refusal.ROLE_MISSING: "the sender does not have the role that this message needs",
    Refusal.COMMITTED_READING: "committed readings are not taken yet; send an open reading",
    Refusal.SLOT_UNALIGNED: "slot_s is not the start of a slot",
    Refusal.BOOK_NOT_OPEN: "the book of this slot is not open yet",
    Refusal.BOOK_CLOSED: "the gate of this slot has passed",
    Refusal.BOOK_FULL: "the book holds 512 open orders already",
    Refusal.LIMIT_OUTSIDE_TARIFF: "the limit lies outside the utility's bid and ask",
    Refusal.ABOVE_NAMEPLATE: "with what it has traded and ordered the device would exceed its nameplate",
    Refusal.NOT_BACKED: "the account cannot back this order",
    Refusal.ACCOUNT_BELOW_ZERO: "an account below zero places no orders",
    Refusal.TOO_MANY_ORDERS: "a device has at most 8 orders standing per slot",
    Refusal.TOO_MANY_MESSAGES: "the device has sent too many messages within the hour",
    Refusal.GONE: "the order does not stand with the remaining energy named",
    Refusal.NOT_YOURS: "the order belongs to another device",
    Refusal.OWN_ORDER: "a device cannot accept its own order",
    Refusal.WHOLE_ONLY: "this order is accepted whole or not at all",
    Refusal.NOT_CONSECUTIVE: "a block program names consecutive slots, each once",
    Refusal.TARIFF_STANDS: "a slot's tariff is written once",
    Refusal.TARIFF_TOO_LATE: "the book of this slot opened with the fallback tariff, or its gate has passed",
    Refusal.TARIFF_TOO_EARLY: "tariffs are taken at most 36 hours ahead",
    Refusal.TARIFF_CROSSED: "the bid is above the ask",
    Refusal.READING_STANDS: "another reading of this device and slot already counts",
    Refusal.READING_EARLY: "the slot is not over",
    Refusal.READING_TOO_OLD: "the dispute time of this slot is over",
    Refusal.READING_GAP: "the registers do not continue those of the neighbouring slot",
    Refusal.READING_IMPLAUSIBLE: "the energy is more than 1.05 times nameplate allows",
    Refusal.NOTICE_STANDS: "another notice of this device and slot already counts",
    Refusal.NOTICE_EARLY: "the slot has not begun",
    Refusal.NOTICE_TOO_OLD: "the dispute time of this slot is over",
    Refusal.UNKNOWN_PARTY: "no party of this society has this id",
    Refusal.TRANSFER_ZERO: "a transfer of nothing",
    Refusal.BALANCE_TOO_LARGE: "no account holds more than 10^18 ueur",
}
