"""Clients of real gRPC: the address, the name of a case, and what that wants to know.

CA in the environment is the authority that it trusts, and then TLS is spoken.
"""

import os
import sys
import threading

import grpc

address, case, rest = sys.argv[1], sys.argv[2], sys.argv[3:]
options = [("grpc.max_receive_message_length", -1), ("grpc.enable_retries", 0)]
if "CA" in os.environ:
    credentials = grpc.ssl_channel_credentials(open(os.environ["CA"], "rb").read())
    channel = grpc.secure_channel(address, credentials, options=options)
else:
    channel = grpc.insecure_channel(address, options=options)
WAIT = 10


def method(kind, name):
    return getattr(channel, kind)("/shop.Orders/" + name)


def ended(call, *args, **kwargs):
    """The error that a call ends with."""
    try:
        answer = call(*args, timeout=kwargs.pop("timeout", WAIT), **kwargs)
        answer = list(answer) if hasattr(answer, "__next__") else answer
    except grpc.RpcError as error:
        return error
    raise AssertionError("an error, and no %r" % (answer,))


def unary():
    answer, call = method("unary_unary", "Unary").with_call(
        b"hello", timeout=WAIT, metadata=(("x-sent", "a b"),)
    )
    assert answer == b"hello"
    first = dict(call.initial_metadata())
    assert first["x-first"] == "a b" and first["x-bytes-bin"] == b"\x00\xff", first
    assert dict(call.trailing_metadata())["x-last"] == "a"
    assert call.code() is grpc.StatusCode.OK
    assert method("unary_unary", "Unary")(b"", timeout=WAIT) == b""


def large():
    big = bytes(range(256)) * (4 * 1024 * 16)
    assert len(big) == 16 * 1024 * 1024
    try:
        answer = method("unary_unary", "Unary")(big, timeout=6 * WAIT)
    except grpc.RpcError as error:
        raise AssertionError(error)
    assert answer == big


def streams():
    answers = method("unary_stream", "Stream")(b"1000", timeout=WAIT)
    assert list(answers) == [b"%d" % number for number in range(1000)]
    assert list(method("unary_stream", "Stream")(b"0", timeout=WAIT)) == []
    pieces = (b"x" * 1000 for _ in range(300))
    assert method("stream_unary", "Total")(pieces, timeout=WAIT) == b"300000"
    assert method("stream_unary", "Total")(iter(()), timeout=WAIT) == b"0"


def both_ways():
    """A message is sent when the answer to the one before it is here."""
    turn = threading.Semaphore(1)

    def ask():
        for number in range(200):
            assert turn.acquire(timeout=WAIT)
            yield b"%d" % number

    answers = []
    for answer in method("stream_stream", "Echo")(ask(), timeout=WAIT):
        answers.append(answer)
        turn.release()
    assert answers == [b"%d" % number for number in range(200)]


def early():
    """The answer is here before the client has said everything."""
    over = threading.Event()

    def ask():
        yield b"one"
        over.wait(WAIT)

    assert method("stream_unary", "Early")(ask(), timeout=WAIT) == b"enough"
    over.set()


def errors():
    for code in grpc.StatusCode:
        if code is not grpc.StatusCode.OK:
            error = ended(method("unary_unary", "Fail"), b"%d" % code.value[0])
            assert error.code() is code, error
            assert error.details() == "100 % wrong: \u00fc", error
    error = ended(method("unary_stream", "LateFailure"), b"")
    assert error.code() is grpc.StatusCode.ABORTED, error
    error = ended(method("unary_unary", "Nothing"), b"")
    assert error.code() is grpc.StatusCode.UNIMPLEMENTED, error


def deadline():
    error = ended(method("unary_unary", "Hold"), b"", timeout=float(rest[0]))
    assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED, error


def cancel():
    call = method("unary_stream", "HoldStream")(b"", timeout=WAIT)
    assert next(call) == b"begun"
    call.cancel()
    assert call.code() is grpc.StatusCode.CANCELLED


def fault():
    """A call that evenkeel ends: with what, and what it says."""
    error = ended(method("unary_unary", rest[0]), b"0123456789")
    print(error.code().name, error.details())


def who():
    """Who answers so many calls."""
    call = method("unary_unary", "Who")
    print(*(call(b"", timeout=WAIT).decode() for _ in range(int(rest[0]))))


def lasting():
    """A stream that lasts until stdin ends: each line is echoed."""
    lines = (line.strip().encode() for line in iter(sys.stdin.readline, ""))
    try:
        for answer in method("stream_stream", "Echo")(lines, timeout=6 * WAIT):
            print(answer.decode(), flush=True)
    except grpc.RpcError as error:
        print(error.code().name, flush=True)


globals()[case]()
channel.close()
