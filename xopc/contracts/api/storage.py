"""What `GET /api/status` says of the room that the gateway takes."""

from __future__ import annotations

from attrs import frozen


@frozen
class StorageUse:
    """Sizes in bytes, and how much there is of what may grow; a few seconds old at the most."""

    database_bytes: int
    wal_bytes: int
    """Of the write-ahead log beside it."""
    free_bytes: int
    """Of the database: what the next rows take before it grows."""
    disk_free_bytes: int
    """Of the disk that the database is on."""
    log_bytes: int
    """Of all log files."""
    sessions: int
    messages: int
    """Of all transcripts."""
    inbox_waiting: int
    """Messages without an answer yet."""
    outbox_waiting: int
    """Messages that are neither sent nor given up."""
    dead_letters: int
