"""Make a kernel that has run a notebook as one that has just started; this runs inside the kernel."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable
from types import ModuleType
from typing import Any


def beginning() -> Callable[[str], None]:
    """Remember how this process is now and return what takes it back there, into a folder.

    Notes
    -----
    Taken back: names, execution count, open figures, settings of matplotlib and of pandas' display, which warnings were shown
    already, environment, search path and folder. Modules stay loaded: that is
    what a warm kernel saves.
    """
    environment, path = dict(os.environ), list(sys.path)

    def begin_again(folder: str) -> None:
        _forget_settings()
        os.environ.clear()
        os.environ.update(environment)
        sys.path[:] = path
        os.chdir(folder)
        for module in list(sys.modules.values()):  # some are no modules
            if isinstance(module, ModuleType):
                vars(module).pop("__warningregistry__", None)
        _shell().reset(new_session=True)

    return begin_again


def _forget_settings() -> None:
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")
    if "matplotlib" in sys.modules:
        sys.modules["matplotlib"].rc_file_defaults()
    if "pandas" in sys.modules:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            sys.modules["pandas"].reset_option("^(display|styler)")


def _shell() -> Any:
    from IPython.core.getipython import get_ipython

    return get_ipython()
