"""Errors meant for the user: one line that says what was expected, what was found, and what to do.

The command line prints the message of a :class:`RegionFuseError` without a traceback and exits with a
non-zero status. Any other exception is a bug of ours and keeps its traceback.
"""

from __future__ import annotations


class RegionFuseError(Exception):
    """Base of every error that a user can cause and mend."""


class ConfigError(RegionFuseError):
    """A configuration key, type, value or path is wrong."""


class DataError(RegionFuseError):
    """Images or annotations on disk are missing, unreadable or contradictory."""


class MethodError(RegionFuseError):
    """A fusion method is unknown, breaks the contract, or failed while running."""


class CheckpointError(RegionFuseError):
    """A weights file is unreadable, unsafe, or does not fit the network."""


class DetectorError(RegionFuseError):
    """A detector could not be built, trained or run."""


class ReportError(RegionFuseError):
    """Stored results are missing or do not allow a report."""


class StorageError(RegionFuseError):
    """The output cannot be written: disk full, read-only, or locked by another process."""
