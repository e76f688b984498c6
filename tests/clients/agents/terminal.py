"""A person at a terminal: `terminal.py PROMPT SAY UNTIL COMMAND [ARG]...` types SAY and Return when the screen shows PROMPT, and hangs up when it shows
UNTIL. The screen, without its colours and movements, goes to standard output. Ends with 1 when UNTIL was never seen."""

import fcntl
import os
import pty
import re
import select
import signal
import struct
import sys
import termios
import time

SECONDS_MAX = 60
MOVEMENTS = re.compile(r"\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b\[[0-9;?<>=]*[ -/]*[@-~]|\x1b.")
# What a program may ask a terminal, and what one answers: where the cursor is, and what kind it is.
ANSWERS = {b"\x1b[6n": b"\x1b[1;1R", b"\x1b[c": b"\x1b[?62c"}


def plain(screen: bytes) -> str:
    """Words as they are read: programs write each at its place, with no space between."""
    return re.sub(r"\s+", " ", MOVEMENTS.sub(" ", screen.decode(errors="replace")))


def main() -> int:
    prompt, say, until, *command = sys.argv[1:]
    child, terminal = pty.fork()
    if child == 0:
        os.execvp(command[0], command)
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
    end = time.monotonic() + SECONDS_MAX
    screen, said, seen = b"", 0, False
    while not seen and time.monotonic() < end:
        # A program that still draws its first screen loses what is typed: its silence says that it waits.
        waits = not select.select([terminal], [], [], 0.5)[0]
        if not waits:
            try:
                chunk = os.read(terminal, 65536)
            except OSError:
                break
            screen += chunk
            for question, answer in ANSWERS.items():
                os.write(terminal, answer * chunk.count(question))
        elif said == 0 and prompt in plain(screen):
            os.write(terminal, say.encode())
            said = len(screen)
        elif said and say in plain(screen[said:]):
            os.write(terminal, b"\r")
            said, say = len(screen), "\0"
        seen = said > 0 and until in plain(screen[said:])
    os.close(terminal)
    try:
        os.kill(child, signal.SIGHUP)
    except ProcessLookupError:
        pass
    os.waitpid(child, 0)
    sys.stdout.write(plain(screen))
    return 0 if seen else 1


sys.exit(main())
