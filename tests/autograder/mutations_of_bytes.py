"""What can happen to the bytes of a notebook on their way: each function damages a copy."""

import random

__all__ = ["BYTES"]

Rng = random.Random


def _truncate(rng: Rng, data: bytes) -> bytes:
    return data[: rng.randrange(len(data))]


def _flip_a_bit(rng: Rng, data: bytes) -> bytes:
    at = rng.randrange(len(data))
    return data[:at] + bytes([data[at] ^ 1 << rng.randrange(8)]) + data[at + 1 :]


def _insert_bytes(rng: Rng, data: bytes) -> bytes:
    at = rng.randrange(len(data))
    return data[:at] + rng.randbytes(rng.choice([1, 3, 100])) + data[at:]


def _drop_a_piece(rng: Rng, data: bytes) -> bytes:
    at = rng.randrange(len(data))
    return data[:at] + data[at + rng.choice([1, 10, 500]) :]


def _repeat_a_piece(rng: Rng, data: bytes) -> bytes:
    at, size = rng.randrange(len(data)), rng.choice([1, 50, 1000])
    return data[: at + size] + data[at:]


def _byte_order_mark(rng: Rng, data: bytes) -> bytes:
    return rng.choice([b"\xef\xbb\xbf", b"\xff\xfe", b"\xef\xbb\xbf\xef\xbb\xbf"]) + data


def _wrong_encoding(rng: Rng, data: bytes) -> bytes:
    return data.decode().encode(rng.choice(["utf-16", "utf-32", "utf-16-be", "cp037"]))


def _nul_bytes(rng: Rng, data: bytes) -> bytes:
    at = rng.randrange(len(data))
    return data[:at] + b"\0" * rng.choice([1, 512]) + data[at:]


def _zeroed_block(rng: Rng, data: bytes) -> bytes:
    """What a power cut leaves of a file: the length is right, a block is not."""
    at = rng.randrange(0, len(data), 512)
    return data[:at] + b"\0" * len(data[at : at + 512]) + data[at + 512 :]


def _white_space(rng: Rng, data: bytes) -> bytes:
    return rng.choice([b" ", b"\n", b"\r\n", b"\t"]) * rng.choice([1, 100_000]) + data + b"\n" * 9


def _windows_lines(rng: Rng, data: bytes) -> bytes:
    return data.replace(b"\n", b"\r\n")


def _text_behind(rng: Rng, data: bytes) -> bytes:
    return data + rng.choice([b"}", b"{}", b"<<<<<<< HEAD\n", data])


def _not_json(rng: Rng, data: bytes) -> bytes:
    other = [b"", b"null", b"3", b'"cells"', b"[]", b"{}", b"PK\x03\x04", b"%PDF-1.7", b"<html>"]
    return rng.choice([*other, b"NaN", b"import os\n", rng.randbytes(4096)])


def _deep(rng: Rng, data: bytes) -> bytes:
    depth, sign = rng.choice([500, 990, 5_000, 100_000]), rng.choice(["[]", "{}"])
    opened = "[" if sign == "[]" else '{"a":'
    nest = opened * depth + "1" + sign[1] * depth
    return b'{"deep":' + nest.encode() + b"," + data.lstrip()[1:]


def _huge_number(rng: Rng, data: bytes) -> bytes:
    number = rng.choice([b"9" * 4_000, b"9" * 100_000, b"1e99999", b"-Infinity", b"NaN"])
    return b'{"number":' + number + b"," + data.lstrip()[1:]


def _key_twice(rng: Rng, data: bytes) -> bytes:
    """The last of two equal keys counts: the notebook's own cells, or none at all."""
    first = b'{"cells":[{"source":7}],' + data.lstrip()[1:]
    last = data.rstrip()[:-1] + b',"cells":' + rng.choice([b"[]", b"null", b'[{"a":1}]']) + b"}"
    return rng.choice([first, last])


BYTES = [_truncate, _flip_a_bit, _flip_a_bit, _insert_bytes, _drop_a_piece, _repeat_a_piece]
BYTES += [_byte_order_mark, _wrong_encoding, _nul_bytes, _zeroed_block, _white_space]
BYTES += [_windows_lines, _text_behind, _not_json, _deep, _huge_number, _key_twice]
