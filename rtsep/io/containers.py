"""What the headers of a sound file promise against what the file holds: libsndfile shortens such files silently."""

from __future__ import annotations

from typing import BinaryIO, Literal

# The chunk that holds the samples, by what stands first and third in the file.
_IFF_DATA = {
    (b"RIFF", b"WAVE"): b"data",
    (b"RIFX", b"WAVE"): b"data",
    (b"RF64", b"WAVE"): b"data",
    (b"FORM", b"AIFF"): b"SSND",
    (b"FORM", b"AIFC"): b"SSND",
}
_OGG_PAGE_MAX = 65307
_OGG_HEADER = 27
_OGG_END_OF_STREAM = 4


def find_fault(file: BinaryIO, file_size: int) -> str:
    """Say how the open file falls short of its own headers, in words that follow its name; empty if it does not."""
    file.seek(0)
    head = file.read(12)
    if head[:4] == b"OggS":
        return _find_ogg_fault(file, file_size)
    data_id = _IFF_DATA.get((head[:4], head[8:12]))
    return _find_iff_fault(file, file_size, head, data_id) if data_id else ""


def _find_iff_fault(file: BinaryIO, file_size: int, head: bytes, data_id: bytes) -> str:
    """Walk the chunks of a wav (RIFF, RF64) or aiff up to the samples, and compare their size with the file's.

    Chunks: EA IFF 85; the 64-bit sizes of RF64 in its ds64 chunk: EBU Tech 3306.
    """
    order: Literal["big", "little"] = "big" if head[:4] in (b"FORM", b"RIFX") else "little"
    size_64 = 0
    position = 12
    while len(chunk_head := _read_at(file, position, 8)) == 8:
        name, size = chunk_head[:4], int.from_bytes(chunk_head[4:], order)
        position += 8
        if name == b"ds64":
            size_64 = int.from_bytes(_read_at(file, position + 8, 8), "little")
        if name == data_id:
            promised = size_64 if head[:4] == b"RF64" and size == 0xFFFFFFFF else size
            return _compare(promised, file_size - position, container_size=int.from_bytes(head[4:8], order))
        position += size + size % 2
    return ""


def _compare(promised: int, held: int, container_size: int) -> str:
    """Judge the size of the samples; writers that could not know it put 0 or about 2 or 4 GiB in its place."""
    if promised == 0 and held > 0 and container_size == 0:
        return "was never completed: its header leaves the length at 0"
    if promised > held and not _is_placeholder(promised):
        return f"is truncated: its header promises {promised} bytes of samples, it holds {held}"
    return ""


def _is_placeholder(size: int) -> bool:
    return any(limit - 0x10000 <= size <= limit for limit in (0x80000000, 0xFFFFFFFF))


def _find_ogg_fault(file: BinaryIO, file_size: int) -> str:
    """Look for the last page, which must be whole and marked as the end of its stream (RFC 3533, section 6)."""
    tail = _read_at(file, max(0, file_size - 2 * _OGG_PAGE_MAX), 2 * _OGG_PAGE_MAX)
    page = tail[tail.rfind(b"OggS") :]
    if len(page) < _OGG_HEADER or not page[5] & _OGG_END_OF_STREAM:
        return "is truncated: its last page is not marked as the end of the stream"
    n_segments = page[26]
    length = _OGG_HEADER + n_segments + sum(page[_OGG_HEADER : _OGG_HEADER + n_segments])
    return "is truncated: its last page is cut off" if len(page) < length else ""


def _read_at(file: BinaryIO, position: int, n_bytes: int) -> bytes:
    file.seek(position)
    return file.read(n_bytes)
