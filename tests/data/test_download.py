"""Downloads from a server that misbehaves: what can go on goes on, and nothing that looks whole is not."""

from __future__ import annotations

import hashlib
import shutil
from types import SimpleNamespace

import httpx
import pytest

from ganns.data.http.address import shown
from ganns.data.http.client import Timeouts
from ganns.data.http.download import download
from ganns.errors import DownloadError
from tests.support.webserver import serving

CONTENT = bytes(range(256)) * 400
SHA256 = hashlib.sha256(CONTENT).hexdigest()
QUICK = Timeouts(connect_s=5, silence_s=5, attempts=3, pause_s=0.001)


@pytest.fixture
def web(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with serving() as server:
        server.files["/faces.zip"] = CONTENT
        yield server


def fetch(web, folder, path="/faces.zip", timeouts=QUICK, **expected):
    return download(web.url + path, folder / "faces.zip", timeouts=timeouts, **expected)


def left(folder):
    """What lies in the folder, but for the lock."""
    return sorted(file.name for file in folder.iterdir() if file.suffix != ".lock")


def test_a_file_comes_whole_and_is_not_fetched_twice(web, tmp_path):
    seen = []
    for _ in range(2):
        target = fetch(
            web, tmp_path, size=len(CONTENT), sha256=SHA256.upper(), on_progress=lambda *now: seen.append(now)
        )
        assert target.read_bytes() == CONTENT
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert web.num_bytes["/faces.zip"] == len(CONTENT)
    assert left(tmp_path) == ["faces.zip"]
    assert web.requests[0][2]["accept-encoding"] == "identity"


def test_a_transfer_that_is_cut_off_goes_on_where_it_stopped(web, tmp_path):
    web.fault("/faces.zip", "cut", 1000)
    web.fault("/faces.zip", "cut", 2000)
    assert fetch(web, tmp_path, sha256=SHA256).read_bytes() == CONTENT
    assert web.fired["cut"] == 2
    assert web.ranges_of("/faces.zip") == [None, "bytes=1000-", "bytes=3000-"]
    assert web.num_bytes["/faces.zip"] == len(CONTENT)


def test_every_cut_that_brought_something_allows_for_more(web, tmp_path):
    for _ in range(8):
        web.fault("/faces.zip", "cut", 5000)
    assert fetch(web, tmp_path).read_bytes() == CONTENT
    assert web.fired["cut"] == 8 > QUICK.attempts


def test_the_next_command_goes_on_where_the_last_one_gave_up(web, tmp_path):
    web.fault("/faces.zip", "cut", 1000)
    for _ in range(3):
        web.fault("/faces.zip", "status", 503)
    with pytest.raises(DownloadError, match=r"answered 503, and 3 attempts .* continues from there"):
        fetch(web, tmp_path)
    assert web.fired == {"cut": 1, "status": 2}
    assert left(tmp_path) == ["faces.zip.partial", "faces.zip.partial.json"]
    web.faults.clear()
    assert fetch(web, tmp_path).read_bytes() == CONTENT
    assert web.ranges_of("/faces.zip")[-1] == "bytes=1000-"


def test_a_server_that_falls_silent_is_asked_again(web, tmp_path):
    web.fault("/faces.zip", "stall", 700)
    assert fetch(web, tmp_path, timeouts=Timeouts(5, 0.2, 3, 0.001)).read_bytes() == CONTENT
    assert web.fired["stall"] == 1
    assert web.ranges_of("/faces.zip")[1] == "bytes=700-"


def test_a_server_that_stays_silent_is_given_up(web, tmp_path):
    for _ in range(3):
        web.fault("/faces.zip", "stall", 0)
    with pytest.raises(DownloadError, match="silent for too long"):
        fetch(web, tmp_path, timeouts=Timeouts(5, 0.1, 3, 0.001))
    assert web.fired["stall"] == 3


def test_errors_of_the_server_that_pass_are_waited_out(web, tmp_path):
    for status in (500, 429):
        web.fault("/faces.zip", "status", status)
    assert fetch(web, tmp_path).read_bytes() == CONTENT
    assert web.fired["status"] == 2


@pytest.mark.parametrize(("status", "says"), [(404, "does not exist"), (403, "not public"), (418, "answered 418")])
def test_errors_that_stay_are_told_at_once(web, tmp_path, status, says):
    web.fault("/faces.zip", "status", status)
    with pytest.raises(DownloadError, match=says):
        fetch(web, tmp_path)
    assert len(web.requests) == web.fired["status"] == 1
    assert left(tmp_path) == []


def test_a_file_that_changes_between_two_requests_is_fetched_anew(web, tmp_path):
    other = CONTENT[::-1]
    web.fault("/faces.zip", "cut", 1000)
    with pytest.raises(DownloadError, match=r"1,000 of|peer closed|incomplete"):
        fetch(web, tmp_path, timeouts=Timeouts(5, 5, 1, 0.001))
    web.files["/faces.zip"] = other
    assert fetch(web, tmp_path).read_bytes() == other
    assert web.fired["cut"] == 1
    assert web.requests[-1][2]["if-range"] == f'"{hashlib.sha256(CONTENT).hexdigest()[:16]}"'


def test_a_change_is_noticed_where_the_server_does_not_know_if_range(web, tmp_path):
    web.conditional = False
    web.fault("/faces.zip", "cut", 1000)
    with pytest.raises(DownloadError):
        fetch(web, tmp_path, timeouts=Timeouts(5, 5, 1, 0.001))
    web.files["/faces.zip"] = CONTENT[::-1]
    assert fetch(web, tmp_path).read_bytes() == CONTENT[::-1]
    assert web.ranges_of("/faces.zip") == [None, "bytes=1000-", None]


def test_a_change_that_only_the_checksum_shows_is_fetched_anew_once(web, tmp_path):
    web.etags, web.files["/faces.zip"] = False, CONTENT[::-1]
    web.fault("/faces.zip", "cut", 1000)
    with pytest.raises(DownloadError):
        fetch(web, tmp_path, sha256=SHA256, timeouts=Timeouts(5, 5, 1, 0.001))
    web.files["/faces.zip"] = CONTENT
    assert fetch(web, tmp_path, sha256=SHA256).read_bytes() == CONTENT
    assert web.ranges_of("/faces.zip") == [None, "bytes=1000-", None]


def test_without_etag_and_checksum_pieces_are_not_put_together(web, tmp_path):
    web.etags = False
    web.fault("/faces.zip", "cut", 1000)
    assert fetch(web, tmp_path).read_bytes() == CONTENT
    assert web.fired["cut"] == 1
    assert web.ranges_of("/faces.zip") == [None, None]


def test_a_server_that_ignores_ranges_sends_everything_again(web, tmp_path):
    web.ranges = False
    web.fault("/faces.zip", "cut", 1000)
    assert fetch(web, tmp_path, sha256=SHA256).read_bytes() == CONTENT
    assert web.ranges_of("/faces.zip") == [None, "bytes=1000-"]
    assert web.num_bytes["/faces.zip"] == len(CONTENT) + 1000


def test_a_file_that_became_shorter_is_fetched_anew(web, tmp_path):
    web.conditional = False
    web.fault("/faces.zip", "cut", 1000)
    with pytest.raises(DownloadError):
        fetch(web, tmp_path, timeouts=Timeouts(5, 5, 1, 0.001))
    web.files["/faces.zip"] = CONTENT[:500]
    assert fetch(web, tmp_path).read_bytes() == CONTENT[:500]


def test_a_wrong_checksum_leaves_nothing(web, tmp_path):
    with pytest.raises(DownloadError, match=r"has the SHA-256 .* is expected. Nothing was kept"):
        fetch(web, tmp_path, sha256="0" * 64)
    assert left(tmp_path) == []
    assert len(web.requests) == 1


def test_a_wrong_size_is_refused_before_anything_comes(web, tmp_path):
    with pytest.raises(DownloadError, match=r"has 102,400 bytes, and 5 are expected"):
        fetch(web, tmp_path, size=5)
    assert left(tmp_path) == []


def test_a_body_shorter_than_announced_is_no_file(web, tmp_path):
    for _ in range(3):
        web.fault("/faces.zip", "declare", len(CONTENT) + 1)
    with pytest.raises(DownloadError, match="attempts"):
        fetch(web, tmp_path)
    assert web.fired["declare"] >= 2
    assert "faces.zip" not in left(tmp_path)


def test_a_body_of_unknown_length_needs_a_checksum(web, tmp_path):
    web.fault("/faces.zip", "close-delimited", 1000)
    with pytest.raises(DownloadError, match="does not say how long"):
        fetch(web, tmp_path)
    web.fault("/faces.zip", "close-delimited", 1000)
    with pytest.raises(DownloadError, match="SHA-256"):
        fetch(web, tmp_path, sha256=SHA256)
    assert web.fired["close-delimited"] == 2
    assert left(tmp_path) == []


def test_redirects_are_followed_and_circles_are_not(web, tmp_path):
    web.files["/latest"] = web.files["/a"] = b""
    web.fault("/latest", "redirect", "/faces.zip")
    assert fetch(web, tmp_path, "/latest").read_bytes() == CONTENT
    assert web.fired["redirect"] == 1
    for _ in range(30):
        web.fault("/a", "redirect", "/a")
    (tmp_path / "faces.zip").unlink()
    with pytest.raises(DownloadError, match="redirects"):
        fetch(web, tmp_path, "/a")


def test_an_authorisation_stays_with_its_host(web, tmp_path, monkeypatch):
    with serving() as other:
        other.files["/faces.zip"] = CONTENT
        web.fault("/faces.zip", "redirect", f"{other.url}/faces.zip")
        fetch(web, tmp_path, headers={"Authorization": "Bearer secret"})
        assert web.requests[0][2]["authorization"] == "Bearer secret"
        assert "authorization" not in other.requests[0][2]


def test_what_a_crash_left_before_the_renaming_is_not_fetched_again(web, tmp_path, monkeypatch):
    def crash(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("ganns.data.http.download.os.replace", crash)
        with pytest.raises(KeyboardInterrupt):
            fetch(web, tmp_path)
    assert fetch(web, tmp_path).read_bytes() == CONTENT
    assert len(web.requests) == 1


def test_another_file_of_that_name_is_not_overwritten(web, tmp_path):
    (tmp_path / "faces.zip").write_bytes(b"mine")
    with pytest.raises(DownloadError, match=r"faces\.zip has the SHA-256 .* Delete it"):
        fetch(web, tmp_path, sha256=SHA256)
    assert (tmp_path / "faces.zip").read_bytes() == b"mine"
    assert not web.requests


def test_a_piece_of_another_address_is_not_continued(web, tmp_path):
    web.files["/other.zip"] = b"x" * 5000
    web.fault("/other.zip", "cut", 1000)
    with pytest.raises(DownloadError):
        fetch(web, tmp_path, "/other.zip", timeouts=Timeouts(5, 5, 1, 0.001))
    assert fetch(web, tmp_path).read_bytes() == CONTENT
    assert web.ranges_of("/faces.zip") == [None]


def test_a_full_disk_is_noticed_before_it_is_full(web, tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=1000))
    with pytest.raises(DownloadError, match="MB free"):
        fetch(web, tmp_path)
    assert "faces.zip" not in left(tmp_path)


@pytest.mark.parametrize("url", ["ftp://host/x", "faces.zip", "http://", "http://[::1"])
def test_what_is_no_address_is_refused(url, tmp_path):
    with pytest.raises(DownloadError, match=r"http://\.\.\. or https://"):
        download(url, tmp_path / "x")


def test_a_server_that_is_not_there_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with pytest.raises(DownloadError, match=r"^http://127\.0\.0\.1:9/x cannot be fetched: no connection"):
        download("http://me:secret@127.0.0.1:9/x?signature=1", tmp_path / "x", timeouts=Timeouts(5, 5, 2, 0.001))


def test_messages_hold_no_secrets():
    assert shown("https://me:secret@host/a.zip?token=1#x") == "https://host/a.zip"
    assert httpx.URL("https://me:secret@host/a").host == "host"
