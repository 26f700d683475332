"""Fetching a database, from a server on this machine."""

import hashlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from cortexcore.errors import DataError
from cortexcore.train.recordings import fetch_dataset, verify_dataset

FILES = {
    "100.hea": b"100 1 360 2\n100.dat 16 200 16 0 1 3 0 MLII\n",
    "100.dat": b"\x01\x00\x02\x00",
    "100.atr": b"\x00\x00",
    "RECORDS": b"100\n",
}


def sums(files):
    lines = [f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in files.items()]
    lines.append(f"{'0' * 64}  x_mitdb/x_100.hea\n")  # subfolders are not wanted
    return "".join(lines).encode()


class Server:
    """Serves ``files``; counts what was asked for. ``cut`` names a file that breaks off in the middle."""

    def __init__(self):
        self.files = {**FILES, "SHA256SUMS.txt": sums(FILES)}
        self.asked = []
        self.cut = ""
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                name = self.path.removeprefix("/db/")
                outer.asked.append(name)
                content = outer.files.get(name)
                if content is None:
                    self.send_error(404, "not here")
                    return
                self.send_response(200)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content[: len(content) // 2] if name == outer.cut else content)

            def log_message(self, *arguments):
                pass

        self.httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.httpd.server_port}/db"
        threading.Thread(target=self.httpd.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    running = Server()
    yield running
    running.httpd.shutdown()
    running.httpd.server_close()


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_fetches_what_is_listed_and_reports_progress(server, tmp_path):
    steps = []
    report = fetch_dataset("mitdb", tmp_path, server.url, steps.append)
    assert report.folder == tmp_path / "mitdb"
    assert report.fetched == ("100.atr", "100.dat", "100.hea")
    assert report.kept == ()
    assert [(step.file, step.done, step.total, step.fetched) for step in steps] == [
        ("100.atr", 1, 3, True),
        ("100.dat", 2, 3, True),
        ("100.hea", 3, 3, True),
    ]
    assert names(report.folder) == ["100.atr", "100.dat", "100.hea", "SHA256SUMS.txt"]
    assert (report.folder / "100.dat").read_bytes() == FILES["100.dat"]
    checked = verify_dataset("mitdb", tmp_path)
    assert checked.ok
    assert (checked.records, checked.files) == (("100",), report.fetched)


def test_goes_on_where_it_was(server, tmp_path):
    fetch_dataset("mitdb", tmp_path, server.url)
    (tmp_path / "mitdb" / "100.atr").unlink()
    (tmp_path / "mitdb" / "100.dat").write_bytes(b"\x01\x00\x03\x00")
    server.asked.clear()
    report = fetch_dataset("mitdb", tmp_path, server.url + "/")
    assert report.fetched == ("100.atr", "100.dat")
    assert report.kept == ("100.hea",)
    assert server.asked == ["SHA256SUMS.txt", "100.atr", "100.dat"]
    assert (tmp_path / "mitdb" / "100.dat").read_bytes() == FILES["100.dat"]


def test_the_mitdb_folder_itself_may_be_named(server, tmp_path):
    assert fetch_dataset("mitdb", tmp_path / "mitdb", server.url).folder == tmp_path / "mitdb"


def test_fetches_into_the_folder_that_is_looked_in_first(server, tmp_path, monkeypatch):
    monkeypatch.setenv("CORTEXCORE_DATA", str(tmp_path / "here"))
    assert fetch_dataset("mitdb", base_url=server.url).folder == tmp_path / "here" / "mitdb"


def test_a_file_that_does_not_match_is_not_kept(server, tmp_path):
    server.files["100.dat"] = b"\x09\x00\x02\x00"
    with pytest.raises(DataError, match=r"100\.dat does not match its published SHA-256"):
        fetch_dataset("mitdb", tmp_path, server.url)
    assert names(tmp_path / "mitdb") == ["100.atr", "SHA256SUMS.txt"]


@pytest.mark.parametrize("name", ["100.dat", "SHA256SUMS.txt"])
def test_a_transfer_that_breaks_off_is_not_kept(server, tmp_path, name):
    server.cut = name
    with pytest.raises(DataError, match=r"broke off after \d+ of \d+ bytes"):
        fetch_dataset("mitdb", tmp_path, server.url)
    assert name not in names(tmp_path / "mitdb")
    assert not list(tmp_path.rglob("*.partial"))


def test_a_file_that_is_not_there(server, tmp_path):
    del server.files["100.hea"]
    with pytest.raises(DataError, match=r"cannot fetch .*100\.hea \(not here\): check the connection"):
        fetch_dataset("mitdb", tmp_path, server.url)


def test_nobody_answers(tmp_path):
    with pytest.raises(DataError, match=r"cannot fetch http://127\.0\.0\.1:9/SHA256SUMS\.txt"):
        fetch_dataset("mitdb", tmp_path, "http://127.0.0.1:9")


@pytest.mark.parametrize("content", [b"<html>hello</html>", b""])
def test_another_site(server, tmp_path, content):
    server.files["SHA256SUMS.txt"] = content
    with pytest.raises(DataError, match=r"is this the database's SHA256SUMS\.txt"):
        fetch_dataset("mitdb", tmp_path, server.url)


def test_another_database(server, tmp_path):
    server.files["SHA256SUMS.txt"] = sums({"notes.txt": b""})
    with pytest.raises(DataError, match=r"lists no \.hea, \.dat, \.atr file"):
        fetch_dataset("mitdb", tmp_path, server.url)


def test_unknown_dataset(tmp_path):
    with pytest.raises(DataError, match="no dataset is called 'ptbxl': choose one of mitdb"):
        fetch_dataset("ptbxl", tmp_path)


def test_a_folder_that_cannot_be_made(server, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"cannot write to .*file.mitdb"):
        fetch_dataset("mitdb", tmp_path / "file", server.url)


def test_published_sums_tell_a_changed_file(server, tmp_path):
    fetch_dataset("mitdb", tmp_path, server.url)
    (tmp_path / "mitdb" / "100.atr").write_bytes(b"\x00\x00\x00\x00")
    report = verify_dataset("mitdb", tmp_path)
    assert not report.ok
    assert "100.atr does not match its published SHA-256" in report.problems[0]
