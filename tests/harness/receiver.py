"""A small mail server for tests, written in another language than what it judges: it knows nothing of Tidings.

It takes mail on loopback, keeps none of it, and writes one line for every message whose final dot it has read, before it
answers: time, number of the session, verdict, recipient, with tabs between them. The verdict is `ok` for what it accepted,
and `lost` for what it accepted without the sender being able to hear of it, because the connection was cut after the dot.
"""

import argparse
import asyncio
import itertools
import os
import random
import re
import time

EXTENSIONS = ["PIPELINING", "8BITMIME", "SIZE 10000000", "ENHANCEDSTATUSCODES"]


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--log", required=True, help="the file of what was taken")
    parser.add_argument("--reject", help="recipients that are refused for good: a regular expression")
    parser.add_argument("--defer", help="recipients refused for now, and how often each: EXPRESSION:TIMES")
    parser.add_argument("--drop-in-data", type=float, default=0, help="share of messages cut off before the dot")
    parser.add_argument("--drop-after-dot", type=float, default=0, help="share of messages never answered")
    parser.add_argument("--latency", type=float, default=0, help="milliseconds before each answer")
    return parser.parse_args()


class Server:
    """What all sessions share."""

    def __init__(self, arguments):
        self.arguments = arguments
        self.log = os.open(arguments.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        self.sessions = itertools.count(1)
        self.rejected = re.compile(arguments.reject) if arguments.reject else None
        self.deferred, self.times = None, 0
        if arguments.defer:
            expression, times = arguments.defer.rsplit(":", 1)
            self.deferred, self.times = re.compile(expression), int(times)
        self.deferred_so_far = {}

    def judge(self, recipient):
        """The answer to RCPT."""
        if self.rejected and self.rejected.search(recipient):
            return "550 5.1.1 no such mailbox here"
        if self.deferred and self.deferred.search(recipient):
            so_far = self.deferred_so_far.get(recipient, 0)
            if so_far < self.times:
                self.deferred_so_far[recipient] = so_far + 1
                return "450 4.2.0 the mailbox is busy, come again"
        return "250 2.1.5 a recipient"

    def take(self, session, verdict, recipients):
        """Writes down a message, before anybody hears of it."""
        for recipient in recipients:
            line = f"{time.time():.6f}\t{session}\t{verdict}\t{recipient}\n"
            os.write(self.log, line.encode())

    async def serve(self, reader, writer):
        try:
            await Session(self, next(self.sessions), reader, writer).run()
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # The other side is gone, as it may be.
        finally:
            writer.close()


class Session:
    """One connection."""

    def __init__(self, server, number, reader, writer):
        self.server, self.number = server, number
        self.reader, self.writer = reader, writer
        self.sender, self.recipients = None, []

    async def line(self):
        return await self.reader.readuntil(b"\r\n")

    async def answer(self, text):
        if self.server.arguments.latency:
            await asyncio.sleep(self.server.arguments.latency / 1000)
        self.writer.write(text.encode() + b"\r\n")
        await self.writer.drain()

    async def run(self):
        await self.answer("220 receiver.test ESMTP")
        while True:
            words = (await self.line()).decode("utf-8", "replace").strip()
            verb = words.split(" ", 1)[0].upper()
            if verb == "QUIT":
                await self.answer("221 2.0.0 good bye")
                return
            if verb == "DATA":
                if not await self.data():
                    return
                continue
            await self.answer(self.command(verb, words))

    def command(self, verb, words):
        """The answer to a command that is neither DATA nor QUIT."""
        if verb == "EHLO":
            self.sender, self.recipients = None, []
            lines = ["receiver.test", *EXTENSIONS]
            return "\r\n".join([f"250-{line}" for line in lines[:-1]] + [f"250 {lines[-1]}"])
        if verb == "HELO":
            return "250 receiver.test"
        if verb in ("RSET", "NOOP"):
            if verb == "RSET":
                self.sender, self.recipients = None, []
            return "250 2.0.0 done"
        path = re.match(r"(?:MAIL FROM|RCPT TO):\s*<([^>]*)>", words, re.IGNORECASE)
        if verb == "MAIL" and path and self.sender is None:
            self.sender, self.recipients = path[1], []
            return "250 2.1.0 a sender"
        if verb == "RCPT" and path and self.sender is not None:
            verdict = self.server.judge(path[1])
            if verdict.startswith("2"):
                self.recipients.append(path[1])
            return verdict
        if verb in ("MAIL", "RCPT"):
            return "503 5.5.1 not now, or not so"
        return "500 5.5.2 unknown command"

    async def data(self):
        """Takes a message. False if the connection is to be cut."""
        if not self.recipients:
            await self.answer("503 5.5.1 nobody to send it to")
            return True
        await self.answer("354 go on, and end with a dot")
        arguments = self.server.arguments
        lines = 0
        cut = random.random() < arguments.drop_in_data
        while (await self.line()) != b".\r\n":
            lines += 1
            if cut and lines > 3:
                return False
        recipients, self.sender, self.recipients = self.recipients, None, []
        if random.random() < arguments.drop_after_dot:
            self.server.take(self.number, "lost", recipients)
            return False
        self.server.take(self.number, "ok", recipients)
        await self.answer("250 2.0.0 taken")
        return True


async def main():
    server = Server(parse_arguments())
    listener = await asyncio.start_server(server.serve, "127.0.0.1", server.arguments.port)
    async with listener:
        await listener.serve_forever()


asyncio.run(main())
