"""Opens the journal that a configuration names, the same way for the agent and for the tools that repair one."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager

from agent.config import AgentConfig
from agent.journaling.summaries import MeansOfSamples
from agent.keystore import KeyStore
from agent.vocabulary import Clock
from lightclient.wire import device_id
from storeforward.journal import Journal
from storeforward.options import JournalOptions
from storeforward.signatures import verifier


def open_journal(config: AgentConfig, keystore: KeyStore, clock: Clock, boot_id: bytes) -> AbstractAsyncContextManager[Journal]:
    """The journal of a device; nobody else can have it open meanwhile. Raises JournalError."""
    device, journal = config.device, config.journal
    return Journal.open(
        journal.path,
        device=device_id(device.chain_id, keystore.public_key()),
        sign=keystore.sign,
        clock=clock,
        boot_id=boot_id,
        options=JournalOptions(
            cache_kib=journal.cache_kib,
            max_mib=journal.max_mib,
            max_days=journal.max_days,
            reserve_kib=journal.reserve_kib,
            checkpoint_pages=journal.checkpoint_pages,
            # What was handed in is looked for at both wakes of a slot; sooner than that nobody misses it.
            resend_first_s=max(60, device.slot_duration_s),
            resend_most_s=4 * device.slot_duration_s,
        ),
        summaries=MeansOfSamples(device.slot_duration_s),
        verify=verifier(keystore.public_key()),
    )
