"""A service of real gRPC: messages are bytes as they are, and what is said on stdin is its health.

It says "port N" when it serves, and a line for what a test waits for. CERTIFICATE and KEY in the environment are those of its TLS.
"""

import os
import sys
import threading
from concurrent import futures

import grpc

health = {"": 1, "shop.Orders": 1}


def say(*words):
    print(*words, flush=True)


def unary(request, context):
    told = dict(context.invocation_metadata())
    context.send_initial_metadata((("x-first", told.get("x-sent", "")), ("x-bytes-bin", b"\x00\xff")))
    context.set_trailing_metadata((("x-last", sys.argv[1]),))
    return request


def who(request, context):
    say("asked")
    return sys.argv[1].encode()


def fail(request, context):
    say("asked")
    code = next(code for code in grpc.StatusCode if code.value[0] == int(request))
    context.abort(code, "100 % wrong: \u00fc")


def late_failure(request, context):
    yield b"one"
    context.abort(grpc.StatusCode.ABORTED, "after one")


def stream(request, context):
    for number in range(int(request)):
        yield b"%d" % number


def total(requests, context):
    return b"%d" % sum(len(request) for request in requests)


def early(requests, context):
    """Answers before the client has said everything."""
    next(requests)
    return b"enough"


def echo(requests, context):
    for request in requests:
        yield request


def hold(request, context):
    """Waits for the end of the call, whoever brings it about."""
    left = context.time_remaining()
    say("held", "for ever" if left is None else int(left * 1000))
    over = threading.Event()
    if not context.add_callback(over.set):
        over.set()
    over.wait()
    say("over")
    return b""


def hold_stream(request, context):
    yield b"begun"
    hold(request, context)


def check(request, context):
    name = request[2:].decode()
    if name not in health:
        context.abort(grpc.StatusCode.NOT_FOUND, "no such service")
    return b"\x08" + bytes([health[name]])


METHODS = {
    "Unary": grpc.unary_unary_rpc_method_handler(unary),
    "Who": grpc.unary_unary_rpc_method_handler(who),
    "Fail": grpc.unary_unary_rpc_method_handler(fail),
    "LateFailure": grpc.unary_stream_rpc_method_handler(late_failure),
    "Stream": grpc.unary_stream_rpc_method_handler(stream),
    "Total": grpc.stream_unary_rpc_method_handler(total),
    "Early": grpc.stream_unary_rpc_method_handler(early),
    "Echo": grpc.stream_stream_rpc_method_handler(echo),
    "Hold": grpc.unary_unary_rpc_method_handler(hold),
    "HoldStream": grpc.unary_stream_rpc_method_handler(hold_stream),
}


def main():
    options = [("grpc.max_receive_message_length", -1), ("grpc.so_reuseport", 0)]
    server = grpc.server(futures.ThreadPoolExecutor(16), options=options)
    server.add_generic_rpc_handlers(
        (
            grpc.method_handlers_generic_handler("shop.Orders", METHODS),
            grpc.method_handlers_generic_handler(
                "grpc.health.v1.Health",
                {"Check": grpc.unary_unary_rpc_method_handler(check)},
            ),
        )
    )
    if "KEY" in os.environ:
        pair = [open(os.environ[name], "rb").read() for name in ("KEY", "CERTIFICATE")]
        credentials = grpc.ssl_server_credentials([pair])
        port = server.add_secure_port("127.0.0.1:0", credentials)
    else:
        port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    say("port", port)
    for line in sys.stdin:
        health["shop.Orders"] = int(line)
    server.stop(None)


main()
