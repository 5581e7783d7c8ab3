"""Errors of the journal as a command tells them: with an exit code, and with what the person at the keyboard can do."""

from __future__ import annotations

from storeforward.errors import (
    JournalBusy,
    JournalDamaged,
    JournalError,
    JournalInUse,
    JournalTooNew,
    JournalUnreadable,
)
from tools.console import CommandError, ExitCode


def explained(error: JournalError) -> CommandError:
    """The same error, with its exit code and what to do about it."""
    match error:
        case JournalInUse():
            next_step = "stop the agent that runs"
        case JournalTooNew():
            next_step = "use the version of homewatt that wrote it, or a newer one"
        case JournalUnreadable():
            next_step = "see to [journal] path: folder, rights; an agent makes the file when it starts"
        case JournalDamaged():
            next_step = "start the agent: it sets the file aside, begins a fresh one and takes back what can be read"
        case JournalBusy():
            next_step = "try again"
        case _:
            next_step = (
                "see to the disk and the room on it; a look into a journal takes a copy, in the folder that TMPDIR names"
            )
    return CommandError(ExitCode.PRECONDITION, str(error), next_step)
