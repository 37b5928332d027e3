"""A stream of events as it arrives: frames from bytes, and the bytes from real sockets."""

from __future__ import annotations

import pytest

from tests.fakes.scripted_api import End, Json, Stream, frame, serving
from xopc.client.http import Client, NoAnswerError, RefusedError
from xopc.client.stream import MAX_FRAME_BYTES, Frame, FrameReader, open_stream
from xopc.contracts.errors import Failure

TEXT = b'id: 1\nevent: token\ndata: {"content": "Gr\xc3\xbc\xc3\x9fe"}\n\nevent: result\ndata: {}\n\n'
FRAMES = [Frame("token", {"content": "Grüße"}, "1"), Frame("result", {}, "1")]


def read(*pieces: bytes) -> list[Frame]:
    reader = FrameReader()
    return [one for piece in pieces for one in reader.feed(piece)]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_frames_are_the_same_however_their_bytes_are_cut(size: int) -> None:
    assert read(*(TEXT[at : at + size] for at in range(0, len(TEXT), size))) == FRAMES


def test_lines_may_end_in_the_way_of_the_network() -> None:
    assert read(TEXT.replace(b"\n", b"\r\n")) == FRAMES


def test_data_may_take_several_lines_and_no_space() -> None:
    assert read(b'data:{"a":\ndata:1}\n\n') == [Frame("message", {"a": 1})]


@pytest.mark.parametrize(
    "text", [b": ping\n\n", b"event: ping\ndata:\n\n", b"data: [1]\n\n", b"data: {\n\n", b"retry: 5\n\n", b"\n\n\n"]
)
def test_what_carries_no_object_is_left_out(text: bytes) -> None:
    assert read(text + b"data: {}\n\n") == [Frame("message", {})]


def test_a_frame_that_is_not_complete_does_not_count() -> None:
    assert read(b'id: 7\nevent: token\ndata: {"content": "a"}\n') == []


def test_frames_come_while_the_stream_is_open() -> None:
    answer = Stream((frame(1, "status", runId="r"), frame(2, "token", content="a")), End.HANG)
    with serving(answer, is_gateway=False) as api, open_stream(Client(api.url, "s3cret"), "/x", {"a": 1}) as frames:
        assert [next(frames).event, next(frames).data["content"]] == ["status", "a"]
    (asked,) = api.asked
    assert (asked.method, asked.path, asked.body) == ("POST", "/x", {"a": 1})
    assert asked.headers["accept"] == "text/event-stream"
    assert asked.headers["authorization"] == "Bearer s3cret"


def test_a_cursor_goes_out_as_a_header() -> None:
    headers = {"Last-Event-ID": "4"}
    with serving(Stream(()), is_gateway=False) as api, open_stream(Client(api.url), "/x", {}, headers) as frames:
        assert list(frames) == []
    assert api.asked[0].headers["last-event-id"] == "4"


def test_a_stream_that_breaks_gives_its_frames_and_says_so() -> None:
    with (
        serving(Stream((frame(1, "token"),), End.BREAK), is_gateway=False) as api,
        open_stream(Client(api.url), "/x", {}) as frames,
    ):
        assert next(frames).id == "1"
        with pytest.raises(NoAnswerError, match="broke off in the middle"):
            next(frames)


def test_a_stream_is_given_up_when_the_clients_time_is_over() -> None:
    with (
        serving(Stream((frame(1, "token"),), End.HANG), is_gateway=False) as api,
        open_stream(Client(api.url, timeout_seconds=0.3), "/x", {}) as frames,
    ):
        assert next(frames).id == "1"
        with pytest.raises(NoAnswerError, match=r"no answer within 0\.3 s"):
            next(frames)


def test_an_error_instead_of_a_stream_is_told() -> None:
    error = Json({"error": {"code": "INVALID_REQUEST", "message": "Empty."}}, 400)
    with (
        serving(error, is_gateway=False) as api,
        pytest.raises(RefusedError, match=r"^Empty\.$") as caught,
        open_stream(Client(api.url), "/x", {}),
    ):
        pass
    assert caught.value.failure is Failure.INVALID_REQUEST


def test_an_answer_that_is_no_stream_is_no_answer() -> None:
    with (
        serving(Json({}), is_gateway=False) as api,
        pytest.raises(NoAnswerError, match=r"does not stream \(application/json\)"),
        open_stream(Client(api.url), "/x", {}),
    ):
        pass


def test_an_event_without_end_is_given_up() -> None:
    endless = (b"data: " + b"x" * (1 << 20),) * (MAX_FRAME_BYTES // (1 << 20) + 1)
    with (
        serving(Stream(endless), is_gateway=False) as api,
        open_stream(Client(api.url, timeout_seconds=30), "/x", {}) as frames,
        pytest.raises(NoAnswerError, match="larger than 8 MiB"),
    ):
        next(frames)


def test_many_lines_of_one_event_count_together() -> None:
    reader = FrameReader()
    assert list(reader.feed(b"data: 12345\n" * 1000)) == []
    assert reader.waiting_bytes == 5000
    assert list(reader.feed(b"\n")) == []
    assert reader.waiting_bytes == 0


def test_what_fails_while_a_frame_is_used_is_no_failure_of_the_stream() -> None:
    with serving(Stream((frame(1, "token"),)), is_gateway=False) as api, pytest.raises(BrokenPipeError):
        _fail_with_first_frame(api.url)


def _fail_with_first_frame(url: str) -> None:
    with open_stream(Client(url), "/x", {}) as frames:
        raise BrokenPipeError(next(frames).event)
