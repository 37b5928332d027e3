"""The synchronous client, against real sockets on loopback."""

from __future__ import annotations

import json
import socket
import ssl
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.fakes.certificates import Authority, Pair
from tests.ports import free_port
from xopc.client.http import MAX_BODY_BYTES, Client, NoAnswerError, RefusedError, split_base_url
from xopc.config.certificate import leaves
from xopc.contracts.errors import Failure, XopcError


@contextmanager
def answering(answer: bytes | None, *, close: bool = True) -> Generator[tuple[str, list[bytes]]]:
    """A server that gives every client the same bytes; None: it says nothing, and keeps the connection."""
    received: list[bytes] = []
    kept: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    client, _ = server.accept()
                except OSError:
                    return
                received.append(whole_request(client))
                if answer is not None:
                    client.sendall(answer)
                if answer is None or not close:
                    kept.append(client)
                else:
                    client.close()

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.getsockname()[1]}", received
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join()
            for client in kept:
                client.close()


def whole_request(client: socket.socket) -> bytes:
    data = client.recv(65536)
    while b"\r\n\r\n" not in data:
        data += client.recv(65536)
    head, _, body = data.partition(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0] or 0)
    while len(body) < length:
        body += client.recv(65536)
    return head + b"\r\n\r\n" + body


def reply(status: str, body: bytes) -> bytes:
    return b"HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n%s" % (status.encode(), len(body), body)


def test_a_json_object_is_the_answer_and_the_credential_goes_out() -> None:
    with answering(reply("200 OK", b'{"a": 1}')) as (url, received):
        assert Client(url, "s3cret").get("/api/status") == {"a": 1}
    assert received[0].startswith(b"GET /api/status HTTP/1.1\r\n")
    assert b"\r\nAuthorization: Bearer s3cret\r\n" in received[0]


def test_without_a_credential_there_is_no_header_for_it() -> None:
    with answering(reply("200 OK", b"{}")) as (url, received):
        assert Client(url).get("/x") == {}
    assert b"authorization" not in received[0].lower()


def test_a_password_may_hold_any_letter() -> None:
    with answering(reply("200 OK", b"{}")) as (url, received):
        Client(url, "pässwort").get("/x")
    assert "Bearer pässwort\r\n".encode() in received[0]


def test_a_post_sends_json_below_the_path_of_the_base() -> None:
    with answering(reply("202 Accepted", b'{"status": "restarting"}')) as (url, received):
        assert Client(f"{url}/xopc/").post("/api/restart", {"reason": "a test"}) == {"status": "restarting"}
    head, body = received[0].split(b"\r\n\r\n", 1)
    assert head.startswith(b"POST /xopc/api/restart HTTP/1.1\r\n")
    assert b"\r\nContent-Type: application/json\r\n" in head + b"\r\n"
    assert json.loads(body) == {"reason": "a test"}


def test_a_post_may_carry_headers_of_its_own() -> None:
    with answering(reply("200 OK", b"{}")) as (url, received):
        Client(url).post("/x", {}, {"Idempotency-Key": "k-1"})
    assert b"\r\nIdempotency-Key: k-1\r\n" in received[0]


def test_a_patch_sends_an_object_and_takes_one() -> None:
    with answering(reply("200 OK", b'{"job": {}}')) as (url, received):
        assert Client(url).patch("/x", {"name": "y"}) == {"job": {}}
    assert received[0].startswith(b"PATCH /x HTTP/1.1")
    assert received[0].endswith(b'{"name": "y"}')


def test_a_delete_sends_no_body() -> None:
    with answering(reply("200 OK", b'{"deleted": true}')) as (url, received):
        assert Client(url).delete("/x/a%3Ab") == {"deleted": True}
    assert received[0].startswith(b"DELETE /x/a%3Ab HTTP/1.1\r\n")
    assert b"content-type" not in received[0].lower()


def test_of_a_query_only_what_is_given_goes_out() -> None:
    with answering(reply("200 OK", b"{}")) as (url, received):
        Client(url).get("/x", {"search": "a b&c", "limit": 5, "channel": None})
        Client(url).get("/x", {"channel": None})
    assert [request.split(b" ")[1] for request in received] == [b"/x?search=a+b%26c&limit=5", b"/x"]


def test_what_was_searched_for_is_not_in_the_error() -> None:
    with answering(reply("404 Not Found", b"{}")) as (url, _), pytest.raises(RefusedError) as caught:
        Client(url).get("/x", {"search": "s3cret"})
    assert "s3cret" not in caught.value.message


def test_an_answer_that_is_too_long_is_given_up() -> None:
    body = b'"%s"' % (b"x" * MAX_BODY_BYTES)
    with answering(reply("200 OK", body)) as (url, _), pytest.raises(NoAnswerError, match="larger than 8 MiB"):
        Client(url).get("/x")


def test_an_answer_that_breaks_off_is_told() -> None:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{"
    with answering(head) as (url, _), pytest.raises(NoAnswerError, match="broke off in the middle"):
        Client(url).get("/x")


@pytest.mark.parametrize(
    ("status", "code", "failure"),
    [
        ("401 Unauthorized", "UNAUTHORIZED", Failure.UNAUTHORIZED),
        ("413 Too Large", "INVALID_REQUEST", Failure.BODY_TOO_LARGE),
        ("418 Teapot", "TEAPOT", Failure.INVALID_REQUEST),
        ("599 Odd", "ODD", Failure.INTERNAL_ERROR),
    ],
)
def test_an_error_envelope_is_told_by_its_message(status: str, code: str, failure: Failure) -> None:
    body = json.dumps({"error": {"code": code, "message": "It is so."}}).encode()
    with answering(reply(status, body)) as (url, _), pytest.raises(RefusedError) as caught:
        Client(url).get("/x")
    assert caught.value.message == "It is so."
    assert caught.value.failure is failure
    assert caught.value.status == int(status[:3])
    assert caught.value.body is not None


@pytest.mark.parametrize("body", [b"<html>", b"[]", b'{"error": "text"}', b""])
def test_an_error_without_an_envelope_is_told_by_its_status(body: bytes) -> None:
    with answering(reply("502 Bad Gateway", body)) as (url, _), pytest.raises(RefusedError, match="HTTP 502"):
        Client(url).get("/x")


def test_nobody_who_listens_is_no_answer() -> None:
    with pytest.raises(NoAnswerError, match=r"/x: connection refused$") as caught:
        Client(f"http://127.0.0.1:{free_port()}").get("/x")
    assert caught.value.failure is Failure.UNAVAILABLE


def test_a_server_that_says_nothing_is_given_up_in_time() -> None:
    with answering(None) as (url, _), pytest.raises(NoAnswerError, match=r"no answer within 0\.2 s"):
        Client(url, timeout_seconds=0.2).get("/x")


def test_a_server_that_stops_in_the_middle_of_its_body_is_given_up_in_time() -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"
    with answering(head, close=False) as (url, _), pytest.raises(NoAnswerError, match=r"no answer within 0\.2 s"):
        Client(url, timeout_seconds=0.2).get("/x")


@pytest.mark.parametrize(
    "answer", [b"SSH-2.0-OpenSSH_9.9\r\n", b"", reply("200 OK", b"hello"), reply("200 OK", b"[1]")]
)
def test_what_is_not_a_gateway_is_no_answer(answer: bytes) -> None:
    with answering(answer) as (url, _), pytest.raises(NoAnswerError):
        Client(url).get("/x")


def test_a_redirect_is_not_followed() -> None:
    moved = b"HTTP/1.1 302 Found\r\nLocation: http://example.com/\r\nContent-Length: 0\r\n\r\n"
    with answering(moved) as (url, _), pytest.raises(RefusedError, match="HTTP 302"):
        Client(url, "s3cret").get("/x")


def test_a_token_with_a_line_break_never_goes_out() -> None:
    with answering(reply("200 OK", b"{}")) as (url, received), pytest.raises(XopcError, match="line break"):
        Client(url, "a\r\nX-Evil: 1").get("/x")
    assert received == []


def test_a_name_that_no_host_can_have_is_no_answer() -> None:
    with pytest.raises(NoAnswerError, match="not the name of a host"):
        Client(f"http://{'a' * 70}.example.com").get("/x")


def test_a_credential_is_not_shown() -> None:
    assert "s3cret" not in repr(Client("http://127.0.0.1:1", "s3cret"))


# ------------------------------------------------------------------------ HTTPS


@contextmanager
def answering_securely(pair: Pair) -> Generator[str]:
    """A server with this certificate, for one client, which it answers with `{}`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            plain, _ = server.accept()
            try:
                with plain, context.wrap_socket(plain, server_side=True) as client:
                    whole_request(client)
                    client.sendall(reply("200 OK", b"{}"))
            except OSError:
                pass  # the client did not like the certificate

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"https://127.0.0.1:{server.getsockname()[1]}"
        thread.join()


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.mark.parametrize(("name", "days"), [("127.0.0.1", 30), ("gateway.example.com", 30), ("127.0.0.1", -0.5)])
def test_a_certificate_that_is_known_itself_is_trusted_whatever_it_says(
    authority: Authority, name: str, days: float
) -> None:
    pair = authority.issue("gateway", name, days=days)
    with answering_securely(pair) as url:
        assert Client(url, "s3cret", certificates=leaves([pair.certificate])).get("/x") == {}


@pytest.mark.parametrize("known", ["other", "none"])
def test_any_other_is_refused_also_one_of_the_same_authority(authority: Authority, known: str) -> None:
    certificates = leaves([authority.issue("other").certificate]) if known == "other" else ""
    with answering_securely(authority.issue()) as url, pytest.raises(NoAnswerError, match="not trusted here"):
        Client(url, "s3cret", certificates=certificates).get("/x")


def test_without_a_known_certificate_it_is_the_systems_trust_and_the_name_that_count(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    with answering_securely(authority.issue()) as url, pytest.raises(NoAnswerError, match="not trusted here"):
        Client(url, "s3cret").get("/x")
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file()))
    with answering_securely(authority.issue()) as url:
        assert Client(url, "s3cret").get("/x") == {}
    pair = authority.issue("gateway", "gateway.example.com")
    with answering_securely(pair) as url, pytest.raises(NoAnswerError, match="not trusted here"):
        Client(url, "s3cret").get("/x")


def test_a_port_that_speaks_no_https_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            client, _ = server.accept()
            with client:
                client.recv(65536)
                client.sendall(reply("400 Bad Request", b"{}"))

        thread = threading.Thread(target=serve)
        thread.start()
        with pytest.raises(NoAnswerError, match="no HTTPS was spoken there"):
            Client(f"https://127.0.0.1:{server.getsockname()[1]}", "s3cret").get("/x")
        thread.join()


@pytest.mark.parametrize(
    ("url", "parts"),
    [
        ("http://127.0.0.1:18790", (False, "127.0.0.1", 18790, "")),
        ("https://gateway.example.com/x/", (True, "gateway.example.com", 443, "/x")),
        ("http://[::1]", (False, "::1", 80, "")),
    ],
)
def test_a_base_url_is_read(url: str, parts: tuple[bool, str, int, str]) -> None:
    assert split_base_url(url) == parts


@pytest.mark.parametrize(
    "url", ["", "localhost:18790", "ws://localhost", "http://", "http://localhost:x", "http://[::1"]
)
def test_what_is_no_base_url_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        split_base_url(url)


@pytest.mark.parametrize("rest", ["ann:invented@localhost", "localhost?token=an-invented-one", "localhost/x#top"])
def test_a_base_url_holds_no_credential(rest: str) -> None:
    with pytest.raises(ValueError, match="--token is for that"):
        split_base_url(f"http://{rest}")
