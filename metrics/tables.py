"""The tables of the package, checked wherever they are read or written."""

import re
from pathlib import Path

import pandas as pd
import pandera.pandas as pa
import pyarrow as arrow
import pyarrow.parquet as pq

from thedit import parquet
from thedit.errors import UserError
from thedit.files import atomic

FEATURES = "features"  # the metric of score rows that hold a vector instead of a value
FLOAT = pa.Column(float, nullable=True, coerce=True)
TEXT = pa.Column(str, coerce=True)
COUNT = pa.Column(int, pa.Check.ge(0), coerce=True)
LONGEST_PAIR = 160
PAIR = re.compile(rf"\w[\w.-]{{0,{LONGEST_PAIR - 1}}}", re.ASCII)  # a pair's name, which is that of a folder

_FRAME = {
    "method": TEXT,
    "method_version": TEXT,
    "dataset": TEXT,
    "split": TEXT,
    "protocol": TEXT,
    "pair": TEXT,
    "source_id": TEXT,
    "driver_id": TEXT,
    "frame": COUNT,
    "metric": TEXT,
    "variant": TEXT,
    "backend": TEXT,
    "weights_sha256": TEXT,
    "value": FLOAT,
    "valid": pa.Column(bool, coerce=True),
    "reason": TEXT,
    "prediction_sha256": TEXT,
    "target_sha256": TEXT,
}
_VALID_HAS_VALUE = pa.Check(lambda table: table["valid"] == table["value"].notna(), error="valid means: has a value")
_FAILED_HAS_REASON = pa.Check(
    lambda table: table["valid"] | (table["reason"] != ""), error="a value that is missing has a reason"
)
FRAMES = pa.DataFrameSchema(_FRAME, checks=[_VALID_HAS_VALUE, _FAILED_HAS_REASON], strict=True, ordered=True)
FRAME_KEY = ["method", "protocol", "pair", "frame", "metric", "variant", "backend"]

SCORES = pa.DataFrameSchema({**_FRAME, "vector": pa.Column(object, nullable=True)}, strict=True, ordered=True)

_VALUE = {
    "method": TEXT,
    "protocol": TEXT,
    "metric": TEXT,
    "variant": TEXT,
    "backend": TEXT,
    "value": FLOAT,
    "ci_low": FLOAT,
    "ci_high": FLOAT,
    "n": COUNT,
    "n_failed": COUNT,
    "n_reference": COUNT,
}
VALUE_KEY = ["protocol", "metric", "variant", "backend", "method"]
VALUES = pa.DataFrameSchema({**_VALUE, "weights_sha256": TEXT}, strict=True, ordered=True, unique=VALUE_KEY)
METRICS = pa.DataFrameSchema(
    {
        **_VALUE,
        "seed": pa.Column(int),
        "config_hash": TEXT,
        "code_version": TEXT,
        "packages": TEXT,
        "device": TEXT,
        "weights_sha256": TEXT,
    },
    strict=True,
    ordered=True,
    unique=VALUE_KEY,
)

SCALE = pa.DataFrameSchema(
    {
        "backend": TEXT,
        "weights_sha256": TEXT,
        "group": TEXT,
        "value": FLOAT,
        "ci_low": FLOAT,
        "ci_high": FLOAT,
        "n": COUNT,
        "n_people": COUNT,
        "n_failed": COUNT,
    },
    strict=True,
    ordered=True,
    unique=["backend", "group"],
)

VIEWS = pa.DataFrameSchema(
    {
        "method": TEXT,
        "protocol": TEXT,
        "metric": TEXT,
        "variant": TEXT,
        "backend": TEXT,
        "yaw": COUNT,
        "value": FLOAT,
        "ci_low": FLOAT,
        "ci_high": FLOAT,
        "n": COUNT,
        "n_failed": COUNT,
        "change": FLOAT,
        "change_low": FLOAT,
        "change_high": FLOAT,
        "seed": pa.Column(int),
        "config_hash": TEXT,
        "code_version": TEXT,
        "weights_sha256": TEXT,
    },
    strict=True,
    ordered=True,
    unique=["method", "protocol", "metric", "variant", "backend", "yaw"],
)

COMPARISONS = pa.DataFrameSchema(
    {
        "method": TEXT,
        "baseline": TEXT,
        "protocol": TEXT,
        "metric": TEXT,
        "variant": TEXT,
        "backend": TEXT,
        "weights_sha256": TEXT,
        "difference": FLOAT,
        "ci_low": FLOAT,
        "ci_high": FLOAT,
        "n": COUNT,
        "seed": pa.Column(int),
        "config_hash": TEXT,
        "code_version": TEXT,
    },
    strict=True,
    ordered=True,
    unique=["method", "protocol", "metric", "variant", "backend"],
)

SEEDS = pa.DataFrameSchema(
    {
        "protocol": TEXT,
        "method": TEXT,
        "metric": TEXT,
        "variant": TEXT,
        "backend": TEXT,
        "mean": FLOAT,
        "lowest": FLOAT,
        "highest": FLOAT,
        "n_seeds": COUNT,
    },
    strict=True,
    ordered=True,
    unique=VALUE_KEY,
)

STATUS = pa.DataFrameSchema(
    {"method": TEXT, "protocol": TEXT, "status": TEXT, "reason": TEXT, "frames": COUNT},
    strict=True,
    ordered=True,
    unique=["method", "protocol", "status", "reason"],
)

TRAINING = pa.DataFrameSchema(
    {"method": TEXT, "loss": TEXT, "images": COUNT, "value": FLOAT},
    strict=True,
    ordered=True,
    unique=["method", "loss", "images"],
)

VALIDITY = pa.DataFrameSchema(
    {
        "metric": TEXT,
        "variant": TEXT,
        "backend": TEXT,
        "statistic": TEXT,
        "group": TEXT,
        "value": FLOAT,
        "ci_low": FLOAT,
        "ci_high": FLOAT,
        "n": COUNT,
        "n_people": COUNT,
        "dataset": TEXT,
        "config_hash": TEXT,
        "code_version": TEXT,
        "weights_sha256": TEXT,
    },
    strict=True,
    ordered=True,
    unique=["metric", "variant", "backend", "statistic", "group"],
)

STRUCTURE = pa.DataFrameSchema(
    {
        "method": TEXT,
        "metric": TEXT,
        "variant": TEXT,
        "value": FLOAT,
        "ci_low": FLOAT,
        "ci_high": FLOAT,
        "n": COUNT,
        "dataset": TEXT,
        "config_hash": TEXT,
        "code_version": TEXT,
    },
    strict=True,
    ordered=True,
    unique=["method", "metric", "variant"],
)

PAIRS = pa.DataFrameSchema(
    {
        "protocol": TEXT,
        "pair": pa.Column(str, pa.Check(lambda name: bool(PAIR.fullmatch(name)), element_wise=True)),
        "frame": COUNT,
        "source_row": COUNT,
        "source_id": TEXT,
        "driver_row": COUNT,
        "driver_id": TEXT,
        "camera": pa.Column(object, pa.Check(lambda cell: len(cell) == 25, element_wise=True)),
        "target": pa.Column(str, pa.Check.isin(["driver", "truth", "none"])),
    },
    unique=["pair", "frame"],
)

PREDICTIONS = pa.DataFrameSchema(
    {"pair": TEXT, "frame": COUNT, "status": TEXT, "reason": TEXT, "sha256": TEXT}, unique=["pair", "frame"]
)


PAIRING = pa.DataFrameSchema(
    {
        "pair": TEXT,
        "frame": COUNT,
        "key": TEXT,
        "prediction": TEXT,
        "prediction_number": pa.Column(int, coerce=True),
        "target": TEXT,
        "target_number": pa.Column(int, coerce=True),
    },
    strict=True,
    ordered=True,
    unique=["pair", "frame"],
)


def check(table: pd.DataFrame, schema: pa.DataFrameSchema, origin: str | Path) -> pd.DataFrame:
    """``table`` if it follows ``schema``; otherwise a `UserError` that names ``origin`` and the column."""
    try:
        return schema.validate(table)
    except pa.errors.SchemaError as error:
        column = getattr(error.schema, "name", None) or "columns"
        reason = " ".join(str(error).split())[:300]
        raise UserError(f"{origin}: {column}: {reason}; make the file again.") from error


def read(path: str | Path, schema: pa.DataFrameSchema) -> pd.DataFrame:
    """Read a Parquet table and check it; `UserError` if it is missing, damaged or of another form."""
    return check(parquet.read(path), schema, path)


def write(table: pd.DataFrame, schema: pa.DataFrameSchema, path: str | Path) -> None:
    """Check a table and write it; the same table gives the same bytes."""
    checked = check(table.reindex(columns=list(schema.columns)).reset_index(drop=True), schema, path)
    with atomic(path) as sibling:
        pq.write_table(arrow.Table.from_pandas(checked, preserve_index=False), sibling, compression="zstd")
