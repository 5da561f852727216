"""Attacks over the network: the harness listens on the machine itself, and must hear nothing."""

from __future__ import annotations

from attack import Attack, does, lies, spy
from threats import Threat


def listens(name: str, goal: str, attack: str) -> Attack:
    return spy(name, Threat.NETWORK, goal, attack)


ATTACKS = [
    listens(
        "tcp", "Connect to a server on this machine",
        """
        import socket
        for address in ("127.0.0.1", "localhost", "0.0.0.0"):
            try:
                with socket.create_connection((address, @PORT@), timeout=1) as connection:
                    connection.sendall(b"loot")
                    loot.append("BREACH: connected to " + address)
            except OSError as problem:
                loot.append(repr(problem))
        """,
    ),
    listens(
        "tcp-6", "Connect over IPv6",
        """
        import socket
        with socket.create_connection(("::1", @PORT@), timeout=1) as connection:
            connection.sendall(b"loot")
            loot.append("BREACH: connected")
        """,
    ),
    listens(
        "udp", "Send datagrams, which need no connection",
        """
        import socket
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            for address in ("127.0.0.1", "127.255.255.255"):
                sender.sendto(b"loot", (address, @UDP_PORT@))
        """,
    ),
    listens(
        "unix-socket", "Reach a server through a socket in the file system",
        """
        import socket
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect("@SOCKET@")
            loot.append("BREACH: connected")
        """,
    ),
    listens(
        "abstract-socket", "Reach a server through an abstract socket",
        """
        import socket
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect("\\0@TOKEN@")
            loot.append("BREACH: connected")
        """,
    ),
    listens(
        "outside", "Fetch a page, resolve a name",
        """
        import socket, urllib.request
        address = "http://192.0.2.1/"
        for act in (lambda: urllib.request.urlopen(address, timeout=1), lambda: socket.gethostbyname("a.test")):
            try:
                act()
                loot.append("BREACH: reached the network")
            except OSError as problem:
                loot.append(repr(problem)[:100])
        """,
    ),
    listens(
        "raw-sockets", "Open raw, packet and netlink sockets, and change the interfaces",
        """
        import ctypes, fcntl, socket, struct
        kinds = [(socket.AF_INET, socket.SOCK_RAW, 1), (socket.AF_PACKET, socket.SOCK_RAW, 768), (40, 1, 0), (38, 5, 0)]
        for kind in kinds:
            try:
                socket.socket(*kind)
                loot.append(("opened", kind))
            except OSError as problem:
                loot.append((kind, problem.errno))
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
            fcntl.ioctl(control, 0x8914, struct.pack("16sh", b"lo", 1))
            control.sendto(b"loot", ("127.0.0.1", @UDP_PORT@))
        """,
    ),
    does(
        "server-for-others", Threat.NETWORK, "Wait for other submissions to call",
        """
        import socket, threading
        server = socket.socket(socket.AF_UNIX)
        server.bind("\\0@TOKEN@-other-submissions")
        server.listen()
        threading.Thread(target=server.accept, daemon=True).start()
        """,
    ),
    spy(
        "calls-other-submissions", Threat.NETWORK, "Call another submission that runs at the same time",
        """
        import socket, time
        end = time.monotonic() + 1
        while time.monotonic() < end:
            with socket.socket(socket.AF_UNIX) as client:
                try:
                    client.connect("\\0@TOKEN@-other-submissions")
                    loot.append("BREACH: talked to another submission")
                    break
                except OSError:
                    time.sleep(0.05)
        """,
    ),
    lies(
        "waits-for-the-network", Threat.NETWORK, "Hang on a connection that nobody answers",
        """
        import socket
        def double(x):
            with socket.socket() as waiting:
                waiting.bind(("127.0.0.1", 0))
                waiting.listen()
                waiting.accept()
        """, status="timed out|failed",
    ),
]  # fmt: skip
