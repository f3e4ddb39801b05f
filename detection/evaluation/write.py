"""Tables as files: the same table gives the same bytes."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from ...datasets.storage import write_bytes, write_text

_INTEGERS: Final = frozenset({"seed", "image_id", "object_id"})
_FLOATS: Final = frozenset(
    {
        *("confidence", "iou", "top_score", "true_score", "other_score", "margin", "area"),
        *("x1", "y1", "x2", "y2", "px1", "py1", "px2", "py2"),
    }
)


def write_csv(table: pd.DataFrame, path: Path) -> None:
    """Write ``table`` as UTF-8 CSV with six significant digits; an empty cell is undefined.

    Raises:
        StorageError: the file cannot be written.
    """
    write_text(path, table.to_csv(index=False, float_format="%.6g", na_rep="", lineterminator="\n"))


def write_parquet(table: pd.DataFrame, path: Path) -> None:
    """Write the table of objects as Parquet; see :func:`parquet_bytes`.

    Raises:
        StorageError: the file cannot be written.
    """
    write_bytes(path, parquet_bytes(table))


def parquet_bytes(table: pd.DataFrame) -> bytes:
    """Return the table of objects as Parquet, with column types that do not depend on its rows.

    A tenth of the size of the table itself, which hundreds of detectors would fill the memory with.
    """
    schema = pa.schema([(name, _arrow_type(name)) for name in table.columns])
    texts = [field.name for field in schema if field.type == pa.string()]
    arrow = pa.Table.from_pandas(
        table.astype(dict.fromkeys(texts, object)), schema=schema, preserve_index=False
    )
    buffer = pa.BufferOutputStream()
    # Without pandas' own metadata, which names the versions and the index of the process that wrote it.
    pq.write_table(arrow.replace_schema_metadata(None), buffer, compression="zstd")
    content: bytes = buffer.getvalue().to_pybytes()
    return content


@functools.lru_cache(maxsize=8)
def read_parquet(content: bytes) -> pd.DataFrame:
    """Return the table of :func:`parquet_bytes`; it is shared between callers and must not be changed."""
    return pq.read_table(pa.BufferReader(content)).to_pandas()


def join_parquet(parts: Sequence[bytes], path: Path) -> None:
    """Write tables of :func:`parquet_bytes`, at least one, as one table, without holding it.

    Args:
        parts: the tables; they have the same columns.
        path: file to write.

    Raises:
        StorageError: the file cannot be written.
    """
    buffer = pa.BufferOutputStream()
    with pq.ParquetWriter(buffer, pq.read_schema(pa.BufferReader(parts[0])), compression="zstd") as writer:
        for part in parts:
            writer.write_table(pq.read_table(pa.BufferReader(part)))
    write_bytes(path, buffer.getvalue().to_pybytes())


def _arrow_type(name: str) -> pa.DataType:
    if name in _INTEGERS:
        return pa.int64()
    return pa.float64() if name in _FLOATS else pa.string()
