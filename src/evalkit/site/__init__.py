"""The site of outputs: one page that lists every report, and a server for this machine alone."""

from __future__ import annotations

from evalkit.site.page import write_site
from evalkit.site.serve import serve

__all__ = ["serve", "write_site"]
