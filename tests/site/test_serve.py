"""The server gives this machine the files of one folder, and nobody anything else."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from evalkit.errors import ReportError
from evalkit.site.serve import TYPES, server


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("served") / "outputs"
    run = out / "甲山县 #1"
    run.mkdir(parents=True)
    (out / "index.html").write_text("list", encoding="utf-8")
    for kind in TYPES:
        (run / f"report.zh{kind}").write_bytes(b"content")
    (run / "report.zh.xyz").write_bytes(b"content")
    (out / ".lock").write_text("hidden", encoding="utf-8")
    (out / ".unfinished").mkdir()
    (out / ".unfinished" / "findings.json").write_text("{}", encoding="utf-8")
    (out.parent / "secret.txt").write_text("secret", encoding="utf-8")
    (out / "link.txt").symlink_to(out.parent / "secret.txt")
    (out.parent / "outputs-other").mkdir()
    (out.parent / "outputs-other" / "x.html").write_text("secret", encoding="utf-8")
    return out


@pytest.fixture(scope="module")
def port(folder: Path) -> Iterator[int]:
    listening = server(folder, 0)
    threading.Thread(target=listening.serve_forever, daemon=True).start()
    yield listening.server_port
    listening.shutdown()
    listening.server_close()


def ask(port: int, path: str, host: str | None = "127.0.0.1:PORT", method: str = "GET") -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.putrequest(method, path, skip_host=True)
    if host is not None:
        connection.putheader("Host", host.replace("PORT", str(port)))
    connection.endheaders()
    return connection.getresponse()


def test_the_list_and_every_kind_of_file_come_with_their_type(port: int) -> None:
    answer = ask(port, "/")
    assert (answer.status, answer.read(), answer.getheader("Content-Type")) == (200, b"list", "text/html; charset=utf-8")
    for kind, name in [*TYPES.items(), (".xyz", "application/octet-stream")]:
        answer = ask(port, "/" + quote(f"甲山县 #1/report.zh{kind}") + "?x=1")
        assert (answer.status, answer.getheader("Content-Type"), answer.read()) == (200, name, b"content")
        assert answer.getheader("X-Content-Type-Options") == "nosniff"
    answer = ask(port, "/", method="HEAD")
    assert (answer.status, answer.getheader("Content-Length"), answer.read()) == (200, "4", b"")


@pytest.mark.parametrize(
    "host",
    [
        "evil.example:PORT",
        "127.0.0.1.evil.example:PORT",
        "localhost.evil.example:PORT",
        "192.168.0.7:PORT",
        "127.0.0.1",
        "127.0.0.1:1",
        "[",
        "",
        None,
    ],
)
def test_a_request_under_another_name_is_refused(port: int, host: str | None) -> None:
    answer = ask(port, "/", host)
    assert answer.status == 421 and b"list" not in answer.read()


def test_both_names_of_this_machine_are_answered(port: int) -> None:
    assert [ask(port, "/", f"{host}:PORT").status for host in ("127.0.0.1", "localhost", "LOCALHOST")] == [200, 200, 200]


@pytest.mark.parametrize(
    "path",
    [
        "/../secret.txt", "/%2e%2e/secret.txt", "/x/..%2f..%2fsecret.txt", "/..%5csecret.txt", "/link.txt", "/.lock", "//etc/passwd",
        "/.unfinished/findings.json", "/%00", "/missing.html", "/" + quote("甲山县 #1"), "/" + quote("甲山县 #1") + "/",
        "/../outputs-other/x.html", "/" + "a" * 5000, "/%ff%fe", "/index.html/x",
    ],
)  # fmt: skip
def test_nothing_outside_and_no_list_of_a_folder_is_given(port: int, path: str) -> None:
    answer = ask(port, path)
    body = answer.read()
    assert answer.status == 404 and b"secret" not in body and b"report.zh" not in body


def test_only_reading_is_possible(port: int) -> None:
    assert [ask(port, "/", method=method).status for method in ("POST", "PUT", "DELETE")] == [501, 501, 501]


def test_no_other_machine_can_reach_it(folder: Path) -> None:
    with server(folder, 0) as listening:
        assert listening.server_address[0] == "127.0.0.1"


def test_a_port_that_is_taken_or_not_allowed_is_refused_with_the_way_out(folder: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(ReportError, match=rf"Port {port} is taken by another program. Name another with --port"):
            server(folder, port)
    with pytest.raises(ReportError, match=r"There is no port 70000. Allowed: 1 to 65535, or 0"):
        server(folder, 70000)


def test_it_says_where_it_is_and_ends_quietly(tmp_path: Path) -> None:
    code = (
        "import signal, sys; from pathlib import Path; from evalkit.site import serve; "
        "signal.signal(signal.SIGINT, signal.default_int_handler); serve(Path(sys.argv[1]), 0)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONIOENCODING": "utf-8"},
    )  # fmt: skip
    assert process.stdout is not None
    said = [process.stdout.readline() for _ in range(2)]
    port = int(said[1].split("127.0.0.1:")[1].split("/")[0])
    assert "只供本机" in said[0] and ask(port, "/").status == 200
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=20)
    assert process.returncode == 0 and errors == ""
