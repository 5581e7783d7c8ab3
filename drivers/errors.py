"""Errors of drivers.

DriverError
├── DeviceSilent        no answer within the time allowed; trying again can help
├── ImplausibleReading  an answer that physics or the device's own limits exclude; trying again can help
├── DeviceRefused       the device understood the command and will not obey; trying again does not help
└── DriverMisconfigured the driver cannot be opened with these options; trying again does not help
"""

from __future__ import annotations


class DriverError(Exception):
    """Base of all driver errors. `device` names the device, `retry` says whether trying again can help."""

    retry = True

    def __init__(self, device: str, message: str) -> None:
        super().__init__(f"{device}: {message}")
        self.device = device


class DeviceSilent(DriverError):
    """No answer within the time allowed."""


class ImplausibleReading(DriverError):
    """An answer that physics or the device's own limits exclude."""


class DeviceRefused(DriverError):
    """The device understood the command and will not obey."""

    retry = False


class DriverMisconfigured(DriverError):
    """The driver cannot be opened with these options; the message says which and what was expected."""

    retry = False
