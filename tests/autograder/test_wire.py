import socket
import struct
import threading
import time

import pytest

from autograder.wire import Channel, Closed, WireError


@pytest.fixture
def pair():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield Channel(ours, max_bytes=1000), theirs


def test_frames_arrive_whole(pair):
    channel, other = pair
    far = Channel(other)
    far.send(b"a" * 700)
    far.send(b"")
    assert channel.receive() == b"a" * 700
    assert channel.receive() == b""


def test_a_large_frame_is_sent_in_parts():
    ours, theirs = socket.socketpair()
    data = b"x" * (5 * 2**20)
    with ours, theirs:
        sender = threading.Thread(target=Channel(ours).send, args=(data,))
        sender.start()
        assert Channel(theirs).receive() == data
        sender.join()


def test_an_announced_size_beyond_the_limit_is_refused(pair):
    channel, other = pair
    other.send(struct.pack(">I", 1001))
    with pytest.raises(WireError, match="a frame of 1,001 bytes is too large"):
        channel.receive()
    with pytest.raises(WireError, match="a frame of 1,001 bytes is too large"):
        channel.send(b"x" * 1001)


def test_waiting_ends_at_the_deadline(pair):
    channel, other = pair
    other.send(struct.pack(">I", 10) + b"only")
    started = time.monotonic()
    with pytest.raises(TimeoutError):
        channel.receive_within(0.1)
    assert time.monotonic() - started < 5


def test_sending_to_one_who_does_not_read_ends_at_the_deadline():
    ours, theirs = socket.socketpair()
    with ours, theirs, pytest.raises(TimeoutError):
        Channel(ours).send(b"x" * 10**7, time.monotonic() + 0.1)


def test_a_hang_up_is_noticed(pair):
    channel, other = pair
    assert not channel.pending()
    other.close()
    assert channel.pending()
    assert channel.at_end()
    with pytest.raises(Closed):
        channel.receive()
    with pytest.raises(Closed):
        channel.send(b"x")


def test_what_nobody_asked_for_is_noticed(pair):
    channel, other = pair
    other.send(b"x")
    assert channel.pending()
    assert not channel.at_end()
