"""Files that come with the package: specs of data sets, protocols, the default weights.

They lie in ``thedit/share``, in a checkout as links to the files at its top, in a wheel themselves, under the same
paths. The default weights (53 MB) are among them because there is no other place that would have them as long as the
package.
"""

from pathlib import Path

FOLDER = Path(__file__).parent / "share"


def find(path: str | Path) -> Path:
    """``path`` itself if there is such a file; else the file that is shipped under this path, if there is one.

    So ``data/annyheads.yaml`` is found in any folder, and a file of that name in the current one comes first.
    """
    return Path(path) if Path(path).exists() or not (FOLDER / path).exists() else FOLDER / path
