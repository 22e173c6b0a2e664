"""What is shown to users as a sentence instead of a traceback."""

import errno
import importlib.metadata
import sys
from concurrent.futures.process import BrokenProcessPool

CROWDED = {"not enough memory", "can't allocate memory", "out of memory"}  # how libraries say it
SYSTEM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM, errno.EMFILE, errno.EIO}


class UserError(Exception):
    """A user's mistake or an unusable file.

    The message is one sentence that names the file, the field and the remedy, e.g.
    ``config/config.yaml: train.step: unknown key; did you mean 'steps'?``
    The command line prints it to standard error and exits with status 2.
    """


def sentence(error: BaseException) -> str | None:
    """What to tell a user instead of ``error``: a mistake of theirs, or what the machine lacks; None for any other."""
    if isinstance(error, UserError):
        return str(error)
    if isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and any(words in str(error).lower() for words in CROWDED)
    ):
        return f"not enough memory ({_line(error)}); end other programs, or give fewer jobs or a smaller batch."
    if isinstance(error, BrokenProcessPool):
        return "a worker process was ended from outside, often for lack of memory; give fewer jobs and run it again."
    if isinstance(error, OSError) and error.errno in SYSTEM:
        return f"{error.filename or 'a file'}: {error.strerror}; free space or choose another folder."
    if isinstance(error, ImportError | AttributeError) and (hidden := _hidden()):
        return hidden
    return None


def _line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def _hidden() -> str:
    """Which installed package is hidden by a file of its name, if one is."""
    for name in ("numpy", "torch", "pandas", "pyarrow", "cv2", "av", "yaml"):
        module = sys.modules.get(name)
        found = getattr(module, "__file__", None) or next(iter(getattr(module, "__path__", ())), None)
        for package in importlib.metadata.packages_distributions().get(name, ()):
            files = importlib.metadata.distribution(package).files or []
            places = {str(file.locate()) for file in files if str(file).startswith(f"{name}/__init__.")}
            if found and places and found not in places:
                return f"{found}: hides the installed package {name}; rename it, or take its folder out of PYTHONPATH."
    return ""
