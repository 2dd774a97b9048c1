"""How the tests' own loops end."""

from __future__ import annotations

import asyncio
import gc
import socket
import ssl
import threading
from pathlib import Path

from tests.support.phone_thread import LoopThread
from tests.support.tls import authority


def test_a_loop_that_ends_waits_for_nobodys_farewell(tmp_path: Path) -> None:
    tls = authority(tmp_path, "IP:127.0.0.1")
    trusting = ssl.create_default_context(cadata=tls.pem)
    loop, connected = LoopThread("phone"), threading.Event()
    tasks: list[asyncio.Task[None]] = []

    async def talk(port: int) -> None:
        _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trusting)
        connected.set()
        writer.close()
        await writer.wait_closed()

    async def begin(port: int) -> None:
        tasks.append(asyncio.create_task(talk(port)))

    loop.start()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        loop.do(begin(listening.getsockname()[1]))
        accepted, _ = listening.accept()
        with tls.server.wrap_socket(accepted, server_side=True):  # which says nothing more
            connected.wait()
            loop.stop()
    tasks.clear()
    gc.collect()  # pytest makes an error of what is complained of then
