"""The least that a router on grpc.aio can be: it sends on the bytes that it gets.

    python benchmarks/bare_proxy.py 127.0.0.1:8500

It prints the port that it listens on, and ends with its standard input.
"""

import asyncio
import sys

import grpc

_SERVICE, _METHOD = "tensorflow.serving.PredictionService", "Predict"


async def main(server: str) -> None:
    """Sends each request on to `server`."""
    async with grpc.aio.insecure_channel(server) as channel:
        predict = channel.unary_unary(f"/{_SERVICE}/{_METHOD}")

        async def send_on(raw: bytes, context: grpc.aio.ServicerContext) -> bytes:
            answer: bytes = await predict(raw, timeout=context.time_remaining())
            return answer

        proxy = grpc.aio.server()
        handler = grpc.unary_unary_rpc_method_handler(send_on)
        proxy.add_generic_rpc_handlers(
            [grpc.method_handlers_generic_handler(_SERVICE, {_METHOD: handler})]
        )
        port = proxy.add_insecure_port("127.0.0.1:0")
        await proxy.start()
        print(port, flush=True)
        await asyncio.to_thread(sys.stdin.read)
        await proxy.stop(0)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
