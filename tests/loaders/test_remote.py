"""Downloading: from loopback only, checked, cached, and nothing left of what went wrong."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from alliance_stats.errors import DataError, FileError
from alliance_stats.loaders import remote
from alliance_stats.loaders.remote import RemoteFile, cache_folder, cached_file, file_by_hand

CONTENT = b"patient,month\n1,0\n"
DIGEST = hashlib.sha256(CONTENT).hexdigest()
OTHER = b"something else altogether"
AGAIN = 'fetch_dataset("tiny")'


class Site:
    """What a server has, and how often it was asked."""

    def __init__(self) -> None:
        self.pages: dict[str, bytes] = {"/ratings.csv": CONTENT}
        self.requests: list[str] = []
        self.cut = False
        self.base = ""

    def file(self, sha256: str = "", path: str = "/ratings.csv") -> RemoteFile:
        return RemoteFile("ratings.csv", f"{self.base}{path}", sha256)


@pytest.fixture
def site() -> Iterator[Site]:
    served = Site()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            served.requests.append(self.path)
            page = served.pages.get(self.path)
            self.send_response(404 if page is None else 200)
            body = b"" if page is None else page
            self.send_header("Content-Length", str(len(body) + (1000 if served.cut else 0)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    served.base = f"http://127.0.0.1:{server.server_address[1]}"
    yield served
    server.shutdown()
    server.server_close()
    thread.join()


def left_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} if folder.is_dir() else set()


def test_a_file_is_downloaded_once(site: Site, tmp_path: Path) -> None:
    first = cached_file(site.file(DIGEST), tmp_path / "tiny", again=AGAIN)
    second = cached_file(site.file(DIGEST), tmp_path / "tiny", again=AGAIN)
    assert first == second == tmp_path / "tiny" / "ratings.csv"
    assert first.read_bytes() == CONTENT
    assert site.requests == ["/ratings.csv"]


def test_an_unknown_checksum_is_recorded_at_the_first_use(site: Site, tmp_path: Path) -> None:
    cached_file(site.file(), tmp_path, again=AGAIN)
    record = json.loads((tmp_path / "manifest.json").read_text("utf-8"))
    assert record == {"ratings.csv": {"address": f"{site.base}/ratings.csv", "sha256": DIGEST}}


def test_a_file_that_changed_in_the_cache_is_refused(site: Site, tmp_path: Path) -> None:
    path = cached_file(site.file(), tmp_path, again=AGAIN)
    path.write_bytes(OTHER)
    found = hashlib.sha256(OTHER).hexdigest()[:8]
    with pytest.raises(DataError, match=rf"(?s)ratings.csv is not .*{found}.*{DIGEST[:8]}.*Hint: delete the file"):
        cached_file(site.file(), tmp_path, again=AGAIN)


def test_a_wrong_download_is_refused_and_not_kept(site: Site, tmp_path: Path) -> None:
    site.pages["/ratings.csv"] = OTHER
    with pytest.raises(DataError, match=rf"ratings.csv is not the one this library was made for.*{DIGEST[:8]}"):
        cached_file(site.file(DIGEST), tmp_path, again=AGAIN)
    assert left_in(tmp_path) == set()


def test_a_known_checksum_is_compared_with_a_file_in_the_cache(site: Site, tmp_path: Path) -> None:
    (tmp_path / "ratings.csv").write_bytes(OTHER)
    with pytest.raises(DataError, match=DIGEST[:8]):
        cached_file(site.file(DIGEST), tmp_path, again=AGAIN)
    assert site.requests == []


def test_a_file_put_into_the_cache_by_hand_is_taken(site: Site, tmp_path: Path) -> None:
    (tmp_path / "ratings.csv").write_bytes(OTHER)
    assert cached_file(site.file(), tmp_path, again=AGAIN).read_bytes() == OTHER
    assert cached_file(site.file(), tmp_path, again=AGAIN).read_bytes() == OTHER
    assert site.requests == []


def test_another_version_of_the_data_is_downloaded_anew(site: Site, tmp_path: Path) -> None:
    cached_file(site.file(), tmp_path, again=AGAIN)
    site.pages["/later/ratings.csv"] = OTHER
    assert cached_file(site.file(path="/later/ratings.csv"), tmp_path, again=AGAIN).read_bytes() == OTHER
    assert json.loads((tmp_path / "manifest.json").read_text("utf-8"))["ratings.csv"]["address"].endswith(
        "later/ratings.csv"
    )


def test_a_page_that_is_not_there_says_what_to_do(site: Site, tmp_path: Path) -> None:
    file = site.file(path="/gone.csv")
    with pytest.raises(FileError) as caught:
        cached_file(file, tmp_path / "tiny", again=AGAIN)
    message = str(caught.value)
    assert f"could not be downloaded from {file.address} (HTTP 404)" in message
    assert f"save {file.address} as {tmp_path / 'tiny' / 'ratings.csv'} by hand, and call {AGAIN} again" in message
    assert left_in(tmp_path / "tiny") == set()


def test_without_a_network_the_message_says_where_to_put_the_file(site: Site, tmp_path: Path) -> None:
    dead = RemoteFile("ratings.csv", "http://127.0.0.1:9/ratings.csv")
    with pytest.raises(FileError, match=r"(?s)ConnectionError.*Hint: save http://127.0.0.1:9/ratings.csv as "):
        cached_file(dead, tmp_path, again=AGAIN)
    assert left_in(tmp_path) == set()


def test_a_download_that_is_cut_off_leaves_nothing(site: Site, tmp_path: Path) -> None:
    site.cut = True
    with pytest.raises(FileError, match="could not be downloaded"):
        cached_file(site.file(), tmp_path, again=AGAIN)
    assert left_in(tmp_path) == set()


def test_an_interrupt_leaves_nothing(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(bar: object, n: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(remote._Bar, "update", interrupt)
    with pytest.raises(KeyboardInterrupt):
        cached_file(site.file(), tmp_path, again=AGAIN)
    assert left_in(tmp_path) == set()


def test_a_download_without_end_is_stopped(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "LARGEST_FILE", 2**17)
    site.pages["/ratings.csv"] = b"x" * 2**20
    with pytest.raises(FileError, match=r"(?s)larger than.*so the download was stopped.*Hint"):
        cached_file(site.file(), tmp_path, again=AGAIN)
    assert left_in(tmp_path) == set()


def test_a_broken_list_of_checksums_says_what_to_delete(site: Site, tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text("[[", encoding="utf-8")
    with pytest.raises(FileError, match=r"(?s)cannot be read.*Hint: delete the folder"):
        cached_file(site.file(), tmp_path, again=AGAIN)


def test_a_folder_that_cannot_be_made_is_said(site: Site, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(FileError, match=r"(?s)cannot be stored.*ALLIANCE_STATS_CACHE"):
        cached_file(site.file(), tmp_path / "taken", again=AGAIN)


def test_nothing_is_printed_or_logged_without_progress(
    site: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    cached_file(site.file(), tmp_path, again=AGAIN, progress=False)
    shown = capsys.readouterr()
    assert shown.out + shown.err + caplog.text == ""


def test_a_slow_download_shows_a_bar_that_is_taken_away(
    site: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import tqdm

    # The bar waits half a second before it is drawn; shown at once, it is there to be looked at.
    drawn = tqdm.tqdm
    monkeypatch.setattr(tqdm, "tqdm", lambda **style: drawn(**{**style, "delay": 0, "mininterval": 0, "miniters": 0}))
    site.pages["/ratings.csv"] = b"x" * 2**18
    cached_file(site.file(), tmp_path, again=AGAIN, progress=True)
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "ratings.csv" in shown.err
    assert "127.0.0.1" not in shown.err


def test_a_file_by_hand_is_checked(site: Site, tmp_path: Path) -> None:
    (tmp_path / "ratings.csv").write_bytes(OTHER)
    assert file_by_hand(site.file(), tmp_path) == tmp_path / "ratings.csv"
    with pytest.raises(DataError, match=rf"(?s){DIGEST[:8]}.*Hint: save it again"):
        file_by_hand(site.file(DIGEST), tmp_path)
    assert left_in(tmp_path) == {"ratings.csv"}


def test_a_missing_file_by_hand_names_its_address(site: Site, tmp_path: Path) -> None:
    with pytest.raises(FileError, match=rf"(?s)no file 'ratings.csv'.*Hint: save {site.base}/ratings.csv there"):
        file_by_hand(site.file(), tmp_path)


def test_the_cache_can_be_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALLIANCE_STATS_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path
    monkeypatch.delenv("ALLIANCE_STATS_CACHE")
    assert cache_folder().name in ("alliance_stats", "Cache")
    assert os.fspath(tmp_path) not in str(cache_folder())
