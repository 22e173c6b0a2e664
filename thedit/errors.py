"""The one exception that is shown to users as a sentence instead of a traceback."""


class UserError(Exception):
    """A user's mistake or an unusable file.

    The message is one sentence that names the file, the field and the remedy, e.g.
    ``config/config.yaml: train.step: unknown key; did you mean 'steps'?``
    The command line prints it to standard error and exits with status 2.
    """
