"""pgvector's binary wire: how an `array('f')` travels to and from Postgres without becoming text.

Format (pgvector, src/vector.c vector_send, read 2026-11-21): int16 dimensions, int16 zero, then float4s, big-endian.
"""

from __future__ import annotations

import struct
import sys
from array import array

from psycopg import AsyncConnection
from psycopg.adapt import Dumper, Loader
from psycopg.pq import Format
from psycopg.rows import DictRow
from psycopg.types import TypeInfo

from .database import Vector


def pack(vector: Vector) -> bytes:
    """`vector` as pgvector's binary value."""
    body = array("f", vector)
    if sys.byteorder == "little":
        body.byteswap()
    return struct.pack(">hh", len(body), 0) + body.tobytes()


def unpack(data: bytes) -> Vector:
    """The vector in pgvector's binary value `data`."""
    body = array("f")
    body.frombytes(bytes(data)[4:])
    if sys.byteorder == "little":
        body.byteswap()
    return body


def parse(text: str) -> Vector:
    """The vector in pgvector's text form, for example `[1,0.5]`."""
    inner = text.strip().strip("[]")
    return array("f", (float(part) for part in inner.split(","))) if inner else array("f")


async def register(connection: AsyncConnection[DictRow]) -> None:
    """Teach `connection` the vector type; does nothing where the extension is not created yet."""
    info = await TypeInfo.fetch(connection, "vector")
    if info is None:
        return
    info.register(connection)
    adapters = connection.adapters
    adapters.register_dumper(array, type("VectorDumper", (_VectorDumper,), {"oid": info.oid}))
    adapters.register_loader(info.oid, _VectorLoader)
    adapters.register_loader(info.oid, _VectorTextLoader)


class _VectorDumper(Dumper):
    format = Format.BINARY

    def dump(self, obj: Vector) -> bytes:
        return pack(obj)


class _VectorLoader(Loader):
    format = Format.BINARY

    def load(self, data: bytes | bytearray | memoryview) -> Vector:
        return unpack(bytes(data))


class _VectorTextLoader(Loader):
    format = Format.TEXT

    def load(self, data: bytes | bytearray | memoryview) -> Vector:
        return parse(bytes(data).decode())
