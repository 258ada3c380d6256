"""The site on a web server of its own, for this machine alone: nothing outside the folder of outputs, and no other name."""

from __future__ import annotations

import errno
import os
import re
import shutil
import sys
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes, urlsplit

from evalkit.errors import ReportError
from evalkit.site.page import write_site
from evalkit.words import LANGUAGES, catalogue

ADDRESS = "127.0.0.1"
NAMES = ("127.0.0.1", "localhost")
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".csv": "text/csv; charset=utf-8",
    ".json": "application/json; charset=utf-8",
    ".ipynb": "application/x-ipynb+json; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".pdf": "application/pdf",
    ".docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    ".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    ".parquet": "application/vnd.apache.parquet",
}


def serve(out: Path, port: int = 8000) -> None:
    """Write the site and serve it to this machine until Ctrl-C; says the address first.

    Parameters
    ----------
    out : folder of outputs.
    port : a port of this machine; 0 for any that is free.

    Raises
    ------
    ReportError
        Where out is a file, and for a port that is taken or not allowed.
    """
    write_site(out)
    with server(out, port) as listening:
        address = f"http://{ADDRESS}:{listening.server_port}/"
        for lang in LANGUAGES:
            print(catalogue(lang).say("site.serving", address=address), flush=True)
        try:
            listening.serve_forever()
        except KeyboardInterrupt:
            print()


def server(out: Path, port: int) -> ThreadingHTTPServer:
    """Return a server of the folder that listens on this machine's own address; raises ReportError where the port cannot be had."""
    if not 0 <= port <= 65535:
        raise ReportError(f"There is no port {port}. Allowed: 1 to 65535, or 0 for any that is free.")
    try:
        return _Server((ADDRESS, port), partial(_Answer, root=os.path.realpath(out)))
    except OSError as problem:
        if problem.errno not in (errno.EADDRINUSE, errno.EACCES):
            raise
        taken = "is taken by another program" if problem.errno == errno.EADDRINUSE else "may not be used by this account"
        raise ReportError(f"Port {port} {taken}. Name another with --port, or --port 0 for any that is free.") from None


class _Server(ThreadingHTTPServer):
    """A server that does not mind a browser that leaves early."""

    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Report what went wrong, unless the browser closed the connection."""
        if not isinstance(sys.exception() if hasattr(sys, "exception") else sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class _Answer(BaseHTTPRequestHandler):
    """The answer to one request: a file of the folder, or a refusal."""

    server_version = "evalkit"
    sys_version = ""

    def __init__(self, *arguments: Any, root: str) -> None:
        self.root = root
        super().__init__(*arguments)

    def do_GET(self) -> None:
        """Send a file."""
        self._answer(body=True)

    def do_HEAD(self) -> None:
        """Send what would come before a file."""
        self._answer(body=False)

    def log_message(self, format: str, *arguments: Any) -> None:
        """Say nothing: the terminal holds the address, and one person reads."""

    def _answer(self, body: bool) -> None:
        if not self._addressed_here():
            # Another site that had its name point to this machine would come with that name.
            self.send_error(HTTPStatus.MISDIRECTED_REQUEST, "This server answers to 127.0.0.1 and localhost only")
            return
        path = self._file()
        if path is None:
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        with open(path, "rb") as file:
            self.send_response(HTTPStatus.OK)
            self.send_header("Content-Type", TYPES.get(os.path.splitext(path)[1].lower(), "application/octet-stream"))
            self.send_header("Content-Length", str(os.fstat(file.fileno()).st_size))
            self.send_header("Cache-Control", "no-cache")
            self.send_header("X-Content-Type-Options", "nosniff")
            self.send_header("Referrer-Policy", "no-referrer")
            self.end_headers()
            if body:
                shutil.copyfileobj(file, self.wfile)

    def _addressed_here(self) -> bool:
        """Return whether the request names this machine and this port."""
        named = re.fullmatch(r"([^:]+)(?::(\d+))?", self.headers.get("Host", ""))
        return named is not None and named[1].lower() in NAMES and int(named[2] or 80) == self.server.server_port  # type: ignore[attr-defined]

    def _file(self) -> str | None:
        """Return the file that is asked for, or nothing: folders are not listed, hidden files and what lies elsewhere not given."""
        asked = os.fsdecode(unquote_to_bytes(urlsplit(self.path).path))
        parts = [part for part in asked.split("/") if part] or ["index.html"]
        if any(part.startswith(".") or "\0" in part or "\\" in part for part in parts):
            return None
        path = os.path.realpath(os.path.join(self.root, *parts))
        inside = os.path.commonpath([self.root, path]) == self.root
        return path if inside and os.path.isfile(path) and os.access(path, os.R_OK) else None
