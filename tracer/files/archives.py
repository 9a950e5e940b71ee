"""What is in a `.keras` archive: its members, and one of them as a file of its own that is never unpacked."""

from __future__ import annotations

import contextlib
import io
import stat
import struct
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Final, cast

from tracer.core.trust.screening import Finding, Kind
from tracer.files.hdf5 import GROWTH, SLACK

_LOCAL_HEADER: Final = 30
_COPIED = 1 << 20


def screen_members(archive: zipfile.ZipFile, size: int) -> Iterator[Finding]:
    """Names that lead out of the folder that an archive is unpacked in, links, and more data than it can hold."""
    total = 0
    for member in archive.infolist():
        total += member.file_size
        parts = PurePosixPath(member.filename.replace("\\", "/"))
        if parts.is_absolute() or ".." in parts.parts:
            yield Finding(Kind.PATH, "archive", f"the member {member.filename!r} leads out of the archive")
        elif stat.S_ISLNK(member.external_attr >> 16):
            yield Finding(Kind.PATH, "archive", f"the member {member.filename!r} is a link")
    if total > GROWTH * size + SLACK:
        yield Finding(Kind.SIZE, "archive", f"it claims {total >> 20} MB, in {size} bytes")


@contextlib.contextmanager
def member_as_file(archive: zipfile.ZipFile, path: Path, name: str) -> Iterator[BinaryIO]:
    """One member, to read at any place: a part of the archive where it is stored as it is, a temporary copy else."""
    member = archive.getinfo(name)
    with contextlib.ExitStack() as stack:
        if member.compress_type == zipfile.ZIP_STORED and not member.flag_bits & 1:
            whole = stack.enter_context(path.open("rb"))
            yield cast(BinaryIO, _Part(whole, _start(whole, member), member.file_size))
            return
        copy = stack.enter_context(tempfile.TemporaryFile(prefix="tracer-"))
        with archive.open(member) as packed:
            while piece := packed.read(_COPIED):
                copy.write(piece)
        copy.seek(0)
        yield cast(BinaryIO, copy)


def _start(whole: BinaryIO, member: zipfile.ZipInfo) -> int:
    """Where the bytes of a member begin: behind a header that repeats its name, with fields of another length."""
    whole.seek(member.header_offset)
    header = whole.read(_LOCAL_HEADER)
    if len(header) < _LOCAL_HEADER:
        raise zipfile.BadZipFile("a member begins behind the end")
    name, extra = struct.unpack("<HH", header[26:30])
    return member.header_offset + _LOCAL_HEADER + int(name) + int(extra)


class _Part(io.RawIOBase):
    """A part of a file, as a file.

    Args:
        whole: the file; it is closed by whoever opened it.
        start: offset of the part, in bytes.
        length: of the part, in bytes.
    """

    def __init__(self, whole: BinaryIO, start: int, length: int) -> None:
        super().__init__()
        self._whole, self._start, self._length, self._at = whole, start, length, 0

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Moves, and returns the new offset in the part."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._length}[whence]
        self._at = max(0, base + offset)
        return self._at

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Reads what fits into the buffer, and returns how many bytes it was."""
        wanted = max(0, min(len(buffer), self._length - self._at))
        self._whole.seek(self._start + self._at)
        piece = self._whole.read(wanted)
        buffer[: len(piece)] = piece
        self._at += len(piece)
        return len(piece)
