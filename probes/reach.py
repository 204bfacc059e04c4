"""Passenger program: both ends of a channel to a place, so that a passenger runs there as if it ran here.

The near end runs on this machine, as `python reach.py SPEC`. It behaves as the passenger itself would: what it reads
on standard input the passenger reads, and what the passenger prints it prints. SPEC is JSON:

    prefix     the words before the Python of the place, such as ["ssh", "web1"]
    start      the words from there on up to the text that the Python runs, such as ["/usr/bin/python3", "-c"]
    shell      whether the far end is a shell, for which these words are quoted
    severs     whether the prefix is ended with the near end, as what it leads to then ends by itself
    pass       patterns of the variables of this process that the prefix is started with
    path       its PATH, if that is another
    python     what runs the passenger there; empty for the Python that was started
    words      what stands between that Python and the script
    script     the path of the script, below the folder of this file; `.` is that folder itself
    arguments  the script's arguments; a `{folder}` in them is the folder there
    files      by name, the text of further files for that folder
    folders    by name, a folder here whose files travel into one of that name below that folder
    keep, set  which variables of the place stay as they are, and those that are set; `{folder}` as above. The
               value of OPENSSL_CONF is a path here: that file travels, and the variable names the copy.
    converse   whether the passenger is asked on standard input, as __main__.py is; else it reads nothing
    answer     seconds that the place has to answer
    limit      seconds that all of it may take

The far end is this same text, sent over the prefix's standard input to `python -c BOOT`, back to Python 2.7. From its
magic line on both ends exchange frames: what came before, such as a banner, is no more than last words. The far end
writes the passenger and its files into a temporary folder, runs the passenger there in a sanitised environment, opens
a listener on its loopback for each port of the plan, and hands on what connects to it: bytes, half-closes and resets.
Where Linux tells, a connection that is not of the passenger, or of what that started, is sent away. The far end lives
by its standard input: when that ends, it kills the passenger, removes the folder and ends. The near end kills the
prefix, which has a process group of its own, and what it prints last is held back until all that is done.

The place is not trusted. The near end connects to ports of the plan alone, on this machine's loopback; takes no frame
longer than FRAME_LIMIT, no line longer than LINE_LIMIT, and no more than OUTPUT_LIMIT bytes in all; reads no file and
writes none for it. The far end writes nothing outside its folder. Where the place cannot be reached the near end
prints a marked line with a sentence, and ends with status 1.
"""

from __future__ import print_function

import errno
import fnmatch
import json
import os
import re
import select
import signal
import socket
import struct
import subprocess
import sys
import time

MARK = "TLS-FLOOR-REACH "
"""How a line of the near end's own begins: no line of the passenger does."""

MAGIC = b"\n\0TLS-FLOOR-REACH\0\n"
"""What the far end writes before its first frame."""

BOOT = (
    "import os;d=[b''];"
    "exec(\"while len(d[0])<%d:d[0]+=os.read(0,%d-len(d[0])) or os._exit(1)\");"
    "exec(compile(d[0],'reach.py','exec'),{'__name__':'far'})"
)
"""What a Python is started with: it reads so many bytes, and runs them. One line, for shells of any kind."""

HEADER = struct.Struct(">cII")
"""Before each frame: kind, number of the connection, length."""

# Of the near end: a piece of a file, as it is or deflated, what to run, what the passenger reads, and the plan that it
# is given.
FILE, PACKED, RUN, INPUT, PLAN = b"F", b"C", b"A", b"I", b"P"
# Of the far end: what the passenger printed, a new connection, one that was sent away, the end, and why there is none.
LINE, OPEN, STRANGER, END, PROBLEM = b"L", b"O", b"S", b"Z", b"X"
# Of the far end, too: what cannot be told there, by one of DOUBTS.
DOUBT = b"N"
# Of both, about a connection.
DATA, EOF, RESET = b"D", b"E", b"R"

PIECE = 4096
"""Bytes that are written at once: a pipe that takes any takes as many, so no end waits for the other while writing."""

FRAME_LIMIT = 64 * 1024
"""Bytes of the longest frame that a place may send."""

TRUSTED_LIMIT = 64 * 1024 * 1024
"""The same for what the near end sends, such as a plan."""

LINE_LIMIT = 256 * 1024
OUTPUT_LIMIT = 16 * 1024 * 1024
"""Bytes of what the passenger prints: a record has a thousand."""

WORDS_LIMIT = 64 * 1024
"""Bytes that a place may say before the magic line, and besides."""

BACKLOG_LIMIT = 1024 * 1024
"""Bytes that may wait to be written: then nothing more is read, and a connection that takes nothing is reset."""

DOUBTS = ("untold", "unnamed")
"""Nobody can tell whose a connection is; nothing says what localhost is."""

STREAMS_LIMIT = 512
"""Connections of a place that are open at once."""

GRACE = 2.0
"""Seconds that the other end has to end by itself."""

LOOPBACK = "127.0.0.1"

PR_SET_PDEATHSIG = 1
"""prctl(2), by linux/prctl.h: a signal for when whoever started the process has ended."""

SOCK_DIAG, SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST = 4, 20, 1
UNCONNECTED = (2, 10)
"""States of a socket that is no end of a connection yet, TCP_SYN_SENT, or never, TCP_LISTEN: tcp_states.h."""

NO_LINGER = struct.pack("ii", 1, 0)

clock = getattr(time, "monotonic", time.time)


class Refused(Exception):
    """The other end did what it must not do, or cannot be had; the text says what."""


def native(value):
    """Return JSON's texts as this Python's own: Python 2.7 starts nothing with a unicode environment."""
    if isinstance(value, dict):
        return dict((native(name), native(inner)) for name, inner in value.items())
    if isinstance(value, list):
        return [native(inner) for inner in value]
    return value if isinstance(value, (str, int, float, type(None))) else value.encode("utf-8")


def quoted(word):
    """Return a word as a POSIX shell takes it."""
    return word if re.match(r"^[A-Za-z0-9_@%+=:,./-]+$", word) else "'" + word.replace("'", "'\"'\"'") + "'"


def reason(error):
    """Return an error's reason in words."""
    return (getattr(error, "strerror", None) or str(error)).lower()


class Poller(object):
    """What there is to do: select.poll takes any number of files, and is not everywhere."""

    def __init__(self):
        self.poll = getattr(select, "poll", None)

    def ready(self, reading, writing, seconds):
        """Return the file descriptors that can be read, and those that can be written."""
        try:
            if self.poll is None:
                return select.select(reading, writing, [], seconds)[:2]
            poll, wanted = self.poll(), {}
            for descriptor in reading:
                wanted[descriptor] = select.POLLIN
            for descriptor in writing:
                wanted[descriptor] = wanted.get(descriptor, 0) | select.POLLOUT
            for descriptor, events in wanted.items():
                poll.register(descriptor, events)
            found = poll.poll(int(seconds * 1000))
        except (OSError, select.error) as error:
            if error.args[0] == errno.EINTR:
                return [], []
            raise
        gone = select.POLLHUP | select.POLLERR | select.POLLNVAL
        return (
            [each for each, events in found if events & (select.POLLIN | gone) and each in reading],
            [each for each, events in found if events & (select.POLLOUT | gone) and each in writing],
        )


class Frames(object):
    """Frames over two file descriptors."""

    def __init__(self, incoming, outgoing, limit):
        self.incoming, self.outgoing, self.limit = incoming, outgoing, limit
        self.waiting = bytearray()
        self.received = bytearray()
        self.ended = False

    def send(self, kind, number=0, data=b""):
        """Let a frame wait to be written."""
        self.waiting += HEADER.pack(kind, number, len(data)) + data

    def write(self):
        """Write a piece of what waits; nobody reads any more where that fails."""
        try:
            del self.waiting[: os.write(self.outgoing, bytes(self.waiting[:PIECE]))]
        except OSError as error:
            if error.errno not in (errno.EAGAIN, errno.EINTR):
                self.ended = True
                del self.waiting[:]

    def read(self):
        """Read what there is."""
        try:
            data = os.read(self.incoming, 65536)
        except OSError as error:
            if error.errno in (errno.EAGAIN, errno.EINTR):
                return
            data = b""
        self.ended = self.ended or not data
        self.received += data

    def frames(self):
        """Yield the frames that came in whole; raises Refused for one that is too long."""
        while len(self.received) >= HEADER.size:
            kind, number, length = HEADER.unpack(bytes(self.received[: HEADER.size]))
            if length > self.limit:
                raise Refused("it sent a frame of %d bytes, more than %d" % (length, self.limit))
            if len(self.received) < HEADER.size + length:
                return
            data = bytes(self.received[HEADER.size : HEADER.size + length])
            del self.received[: HEADER.size + length]
            yield kind, number, data

    @property
    def full(self):
        """Whether so much waits that nothing should be added."""
        return len(self.waiting) > BACKLOG_LIMIT


class Stream(object):
    """A connection of this side, and what waits to be written to it."""

    def __init__(self, connection):
        self.connection = connection
        self.waiting = bytearray()
        self.last = None  # EOF or RESET, after what waits
        self.shut = self.read_out = False


class Streams(object):
    """The connections of this side, whose bytes and ends are carried to the other side."""

    def __init__(self, frames):
        self.frames = frames
        self.known = {}

    def add(self, number, connection):
        """Carry a connection under this number."""
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.known[number] = Stream(connection)

    def reading(self):
        """Return the connections to read from, by descriptor."""
        if self.frames.full:
            return {}
        return dict((each.connection.fileno(), number) for number, each in self.known.items() if not each.read_out)

    def writing(self):
        """Return the connections with something to write, by descriptor."""
        return dict(
            (each.connection.fileno(), number)
            for number, each in self.known.items()
            if each.waiting or (each.last and not each.shut)
        )

    def take(self, kind, number, data):
        """Take what the other side says of a connection; one that is gone by now is nobody's."""
        stream = self.known.get(number)
        if stream is None:
            return
        if kind == DATA:
            stream.waiting += data
            if len(stream.waiting) > BACKLOG_LIMIT:
                self.reset(number)
        elif stream.last != RESET:
            stream.last = kind
            self.write(number)

    def read(self, number):
        """Carry what a connection says."""
        stream = self.known.get(number)
        if stream is None:
            return
        try:
            data = stream.connection.recv(16384)
        except socket.error as error:
            if error.errno not in (errno.EAGAIN, errno.EWOULDBLOCK, errno.EINTR):
                self.frames.send(RESET, number)
                self.drop(number)
            return
        if data:
            self.frames.send(DATA, number, data)
            return
        self.frames.send(EOF, number)
        stream.read_out = True
        if stream.shut:
            self.drop(number)

    def write(self, number):
        """Write what waits, and then the end that was said."""
        stream = self.known.get(number)
        if stream is None:
            return
        try:
            while stream.waiting:
                del stream.waiting[: stream.connection.send(bytes(stream.waiting[:16384]))]
        except socket.error as error:
            if error.errno in (errno.EAGAIN, errno.EWOULDBLOCK, errno.EINTR):
                return
            # Whoever takes no more may still have something to say, and says how it ended where that is read.
            del stream.waiting[:]
        if stream.last == RESET:
            self.drop(number, hard=True)
        elif stream.last == EOF and not stream.shut:
            stream.shut = True
            try:
                stream.connection.shutdown(socket.SHUT_WR)
            except socket.error:
                pass
            if stream.read_out:
                self.drop(number)

    def exchange(self, poller, reading, writing, seconds):
        """Wait for these descriptors, each with what is then to be done, and for the streams; do what is ready."""
        for descriptor, number in self.reading().items():
            reading[descriptor] = lambda each=number: self.read(each)
        for descriptor, number in self.writing().items():
            writing[descriptor] = lambda each=number: self.write(each)
        readable, writable = poller.ready(list(reading), list(writing), seconds)
        for descriptor in writable:
            writing[descriptor]()
        for descriptor in readable:
            reading[descriptor]()

    def reset(self, number):
        """End a connection on both sides."""
        self.frames.send(RESET, number)
        self.drop(number, hard=True)

    def drop(self, number, hard=False):
        """Forget a connection."""
        stream = self.known.pop(number)
        if hard:
            stream.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
        stream.connection.close()


# The far end.


class Peers(object):
    """Whose a connection to a listener here is: of the passenger and what it started, or a stranger's."""

    def __init__(self, root, by_netlink=False):
        self.root, self.by_netlink = root, by_netlink
        self.tells = os.path.exists("/proc/self/task/%d/children" % os.getpid())

    def stranger(self, far, near):
        """Say who is at the far end of a connection, unless it is ours or nobody can tell."""
        if not self.tells:
            return ""
        holder = self.holder(far, near)
        if holder is None:
            return "a process that closed at once"
        inode, user = holder
        # Twice, as a process that has just been started may be missed while it is being looked for.
        if any(self.held(inode, user) for _ in range(2)):
            return ""
        return "a process of user %s" % user

    def held(self, inode, user):
        """Whether the passenger, or what it started, holds a socket."""
        link, mine = "socket:[%s]" % inode, False
        for pid in self.family():
            try:
                for name in os.listdir("/proc/%d/fd" % pid):
                    try:
                        if os.readlink("/proc/%d/fd/%s" % (pid, name)) == link:
                            return True
                    except OSError:
                        continue
            except OSError as error:
                # A set-uid program may not be looked into; then the user alone has to do.
                mine = mine or (error.errno == errno.EACCES and user == str(os.geteuid()))
        return mine

    def family(self):
        """Yield the passenger's process and all that descends from it."""
        found, ahead = [], [self.root]
        while ahead:
            pid = ahead.pop()
            found.append(pid)
            yield pid
            try:
                for task in os.listdir("/proc/%d/task" % pid):
                    with open("/proc/%d/task/%s/children" % (pid, task)) as file:
                        ahead += [int(child) for child in file.read().split() if int(child) not in found]
            except (IOError, OSError):
                continue

    def holder(self, far, near):
        """Return inode and user of the socket at the far end; None if there is none any more."""
        found = None
        try:
            found = (by_netlink if self.by_netlink else by_tables)(far, near)
        except (IOError, OSError):
            if self.by_netlink:
                self.by_netlink = False
                return self.holder(far, near)
            self.tells = False
        return None if found is None or found[0] == "0" else found


def by_netlink(far, near):
    """Return inode and user of the socket between two ends, as the kernel answers: sock_diag(7), servers/peers.py.

    That costs the same on a host with a thousand connections, whose tables take longer to read than a handshake.
    """
    kind = socket.AF_INET6 if ":" in far[0] else socket.AF_INET
    question = struct.pack("!BBxxIHH", kind, socket.IPPROTO_TCP, 0xFFFFFFFF, far[1], near[1])
    question += b"".join(socket.inet_pton(kind, end[0]).ljust(16, b"\0") for end in (far, near))
    question += struct.pack("=III", 0, 0xFFFFFFFF, 0xFFFFFFFF)
    header = struct.Struct("=IHHII")
    netlink = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, SOCK_DIAG)
    try:
        netlink.settimeout(1)
        netlink.send(header.pack(header.size + len(question), SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST, 1, 0) + question)
        answer = netlink.recv(4096)
    finally:
        netlink.close()
    if header.unpack(answer[: header.size])[1] != SOCK_DIAG_BY_FAMILY:
        return None
    state, user, inode = struct.unpack_from("=xBxx48x12xII", answer, header.size)
    return None if state in UNCONNECTED else (str(inode), str(user))


def by_tables(far, near):
    """Return the same by the tables of /proc/net."""
    if ":" in far[0]:
        return listed("/proc/net/tcp6", far, near)
    found = listed("/proc/net/tcp", far, near)
    # A socket of IPv6 may speak IPv4, as gRPC's do, and then stands among its own kind.
    if found is None and os.path.exists("/proc/net/tcp6"):
        return listed("/proc/net/tcp6", *[("::ffff:" + end[0], end[1]) for end in (far, near)])
    return found


def listed(table, far, near):
    """Return inode and user of the socket between two ends, as a table of /proc/net has it; None where it has none."""
    ends = " %s %s " % (in_hex(far), in_hex(near))
    with open(table) as file:
        for line in file:
            if ends in line:
                fields = line.split()
                return fields[9], fields[7]
    return None


def netlink_tells(connection):
    """Return whether netlink names a socket of ours: kernels without tcp_diag do not, nor do some sandboxes."""
    try:
        found = by_netlink(connection.getsockname(), connection.getpeername())
    except (IOError, OSError, AttributeError, struct.error):
        return False
    return found is not None and found[0] == str(os.fstat(connection.fileno()).st_ino)


def in_hex(end):
    """Return an address and a port as /proc/net has them: 32 bits at a time in the machine's order."""
    packed = socket.inet_pton(socket.AF_INET6 if ":" in end[0] else socket.AF_INET, end[0])
    words = struct.unpack("=%dI" % (len(packed) // 4), packed)
    return "".join("%08X" % word for word in words) + ":%04X" % end[1]


def localhost_is_here():
    """Return whether the machine says by itself that localhost is this machine alone, as servers/peers.py asks."""
    try:
        with open("/etc/hosts") as file:
            lines = [line.partition("#")[0].split() for line in file]
    except (IOError, OSError, ValueError):
        return False
    homes = set(words[0] for words in lines if "localhost" in words[1:])
    return bool(homes) and homes <= set([LOOPBACK, "::1"])


def own_home():
    """Return the home of the user; empty where nobody says so, as in an image without /etc/passwd."""
    import pwd  # here, as below: the near end starts often, and sooner without what the far end alone needs

    try:
        return os.environ.get("HOME") or pwd.getpwuid(os.getuid()).pw_dir
    except KeyError:
        return ""


def temporary_folder():
    """Return a new folder of ours: a container that may write nowhere else has at least its shared memory."""
    import tempfile

    problem = None
    for base in (os.environ.get("TMPDIR"), "/tmp", "/var/tmp", "/dev/shm"):
        if base and os.path.isabs(base):
            try:
                return tempfile.mkdtemp(prefix="tls-floor-", dir=base)
            except OSError as error:
                problem = error
    raise Refused("no temporary folder can be made there, not in /dev/shm either: %s" % reason(problem))


def listeners(by_name):
    """Return sockets that listen on one free port of loopback, by name on both families; raises Refused."""
    try:
        for _ in range(20):
            first = bound(socket.AF_INET, LOOPBACK, 0)
            if not by_name or not socket.has_ipv6:
                return [first]
            try:
                return [first, bound(socket.AF_INET6, "::1", first.getsockname()[1])]
            except socket.error as error:
                if error.errno in (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL, errno.EPROTONOSUPPORT):
                    return [first]
                first.close()
    except socket.error as error:
        raise Refused("nothing can listen on %s there: %s (is its loopback interface up?)" % (LOOPBACK, reason(error)))
    raise Refused("no port is free on both %s and ::1 there" % LOOPBACK)


def bound(family, host, port):
    """Return a socket that listens."""
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen(128)
    except Exception:
        listening.close()
        raise
    listening.setblocking(False)
    return listening


def try_loopback():
    """Return whether netlink tells whose a connection here is.

    Raises Refused where nobody can connect to a listener, as where the loopback interface is down.
    """
    (listening,) = listeners(False)
    near = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        near.settimeout(2)
        near.connect(listening.getsockname())
        return netlink_tells(near)
    except socket.error as error:
        raise Refused("nobody can connect to %s there: %s (is its loopback interface up?)" % (LOOPBACK, reason(error)))
    finally:
        near.close()
        listening.close()


class Far(object):
    """The far end: the passenger, its files, and the listeners in front of the near end."""

    def __init__(self, frames):
        self.frames = frames
        self.streams = Streams(frames)
        self.poller = Poller()
        self.folder = os.path.realpath(temporary_folder())
        self.listening = {}  # by descriptor: the socket, and the port of the plan
        self.child = self.peers = None
        self.asked = bytearray()
        self.opened = 0
        self.printing = False
        self.doubts = set()

    def close(self):
        """Kill the passenger and remove the folder."""
        for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)
        import shutil

        if self.child is not None:
            try:
                os.killpg(self.child.pid, signal.SIGKILL)
            except OSError:
                pass
            self.child.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def write_file(self, data):
        """Write a piece of a file, whose name stands before the first zero byte."""
        name, _, piece = data.partition(b"\0")
        name = name.decode("ascii")
        if not re.match(r"^\w[\w.-]*(/\w[\w.-]*)*\Z", name):
            raise Refused("%r is no name of a file for the folder there" % name)
        path = os.path.join(self.folder, *name.split("/"))
        if not os.path.isdir(os.path.dirname(path)):
            os.makedirs(os.path.dirname(path), 0o700)
        with open(path, "ab") as file:
            file.write(piece)

    def here(self, text):
        """Return a text with the folder in it."""
        return text.replace("{folder}", self.folder)

    def run(self, spec):
        """Start the passenger."""
        home, temporary = os.path.join(self.folder, "home"), os.path.join(self.folder, "tmp")
        for folder in (home, temporary):
            os.mkdir(folder, 0o700)
        kept = spec["keep"]
        env = dict((name, value) for name, value in os.environ.items() if any(fnmatch.fnmatchcase(name, each) for each in kept))
        # As interpreters/process_environment.py has it: the start-up code there is the user's own.
        base = os.environ.get("PYTHONUSERBASE") or os.path.join(own_home(), ".local")
        if os.path.isabs(base):
            env["PYTHONUSERBASE"] = base
        for name, value in spec["set"].items():
            env.pop(name, None)
            if value is not None:
                env[name] = self.here(value)
        # It may be killed before it removes what it writes there.
        env["TMPDIR"] = temporary
        command = [spec["python"] or sys.executable] + spec["words"]
        command += [os.path.normpath(os.path.join(self.folder, "probes", spec["script"]))]
        command += [self.here(word) for word in spec["arguments"]]
        asks_netlink = try_loopback() if spec["converse"] else False
        self.child = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=env,
            cwd=self.folder,
            close_fds=True,
            preexec_fn=os.setsid,
        )
        self.printing = True
        self.peers = Peers(self.child.pid, asks_netlink)
        if not spec["converse"]:
            self.close_input()

    def plan(self, plan):
        """Open a listener for each port of the plan; return the plan as it is here."""
        known, ports = localhost_is_here(), {}
        for cell in plan["cells"]:
            port = cell["port"]
            if port not in ports:
                several = listeners(cell["host"] != cell.get("address", cell["host"]))
                ports[port] = several[0].getsockname()[1]
                for each in several:
                    self.listening[each.fileno()] = (each, port)
            cell["port"], cell["known"] = ports[port], known
            if not known and cell["host"] == "localhost":
                self.doubts.add("unnamed")
            cell["cafile"] = os.path.join(self.folder, cell["cafile"])
        return plan

    def take(self, kind, number, data):
        """Do what the near end says."""
        if kind == FILE:
            self.write_file(data)
        elif kind == PACKED:
            import zlib  # here: not each Python has it, and few need it

            self.write_file(zlib.decompress(data))
        elif kind == RUN:
            self.run(native(json.loads(data.decode("utf-8"))))
        elif kind == INPUT:
            self.asked += data
        elif kind == PLAN:
            self.asked += json.dumps(self.plan(json.loads(data.decode("utf-8")))).encode("ascii") + b"\n"
        else:
            self.streams.take(kind, number, data)

    def accept(self, descriptor):
        """Let in who is the passenger, and send away everybody else."""
        listening, port = self.listening[descriptor]
        try:
            connection, far = listening.accept()
        except socket.error:
            return
        who = self.peers.stranger(far[:2], connection.getsockname()[:2])
        if who or len(self.streams.known) >= STREAMS_LIMIT:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
            connection.close()
            self.frames.send(STRANGER, port, (who or "more connections than %d" % STREAMS_LIMIT).encode("ascii"))
            return
        self.opened += 1
        self.frames.send(OPEN, self.opened, struct.pack(">I", port))
        self.streams.add(self.opened, connection)

    def close_input(self):
        """Let the passenger read no more."""
        try:
            self.child.stdin.close()
        except (IOError, OSError):
            pass

    def turn(self, seconds):
        """Do what there is to do, or wait for it."""
        frames, child = self.frames, self.child
        reading, writing = {frames.incoming: frames.read}, {}
        if frames.waiting:
            writing[frames.outgoing] = frames.write
        if self.printing and not frames.full:
            reading[child.stdout.fileno()] = self.hear
        if child is not None and self.asked and not child.stdin.closed:
            writing[child.stdin.fileno()] = self.ask
        for descriptor in () if frames.full else self.listening:
            reading[descriptor] = lambda each=descriptor: self.accept(each)
        self.streams.exchange(self.poller, reading, writing, seconds)
        for frame in frames.frames():
            self.take(*frame)

    def ask(self):
        """Write what the passenger reads."""
        try:
            del self.asked[: os.write(self.child.stdin.fileno(), bytes(self.asked[:PIECE]))]
        except OSError:
            self.close_input()

    def hear(self):
        """Hand on what the passenger prints."""
        data = os.read(self.child.stdout.fileno(), PIECE)
        if data:
            self.frames.send(LINE, 0, data)
        else:
            self.printing = False

    def serve(self):
        """Serve until the passenger has ended or the near end is gone."""
        ended = None
        while not self.frames.ended:
            self.turn(0.2 if ended is None else 0.02)
            if self.child is None or self.child.poll() is None:
                continue
            ended = ended or clock() + GRACE / 2
            # What it printed, and what it sent, may still be on its way; what it left running may never end.
            if clock() > ended or (not self.printing and not self.streams.known):
                break

    def say(self, kind, text):
        """Say how it ended, after all else."""
        self.frames.send(kind, 0, text.encode("utf-8")[: FRAME_LIMIT - 1])
        until = clock() + GRACE
        while self.frames.waiting and not self.frames.ended and clock() < until:
            _, writable = self.poller.ready([], [self.frames.outgoing], 0.2)
            if writable:
                self.frames.write()


def far_end():
    """Be the far end."""
    outgoing = os.dup(1)
    os.dup2(2, 1)
    frames = Frames(0, outgoing, TRUSTED_LIMIT)
    frames.waiting += MAGIC

    def leave(number, frame):
        raise SystemExit(number)

    for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGINT):
        signal.signal(number, leave)
    far = None
    kind, text = PROBLEM, "it was ended"
    try:
        try:
            far = Far(frames)
            far.serve()
            if far.peers is not None and not far.peers.tells:
                far.doubts.add("untold")
            for doubt in sorted(far.doubts):
                frames.send(DOUBT, 0, doubt.encode("ascii"))
            kind, text = END, str(far.child.poll() if far.child is not None else None)
        except Refused as error:
            text = str(error)
        except (IOError, OSError, ValueError, KeyError, ImportError) as error:
            text = "it failed there: %s: %s" % (type(error).__name__, reason(error))
    finally:
        if far is not None:
            far.close()
        else:
            far = Far.__new__(Far)
            far.frames, far.poller = frames, Poller()
        far.say(kind, text)
        os._exit(0)


# The near end.


def travelling(folder):
    """Return the passenger's files, by the names that they have there."""
    ours = (".py", ".toml", ".security", ".js", ".java")
    known = below(folder, "probes").items()
    return dict((name, path) for name, path in known if name.endswith(ours) and path != os.path.join(folder, "reach.py"))


def below(folder, name):
    """Return the files of a folder, by the names that they have below one of this name."""
    found = {}
    for above, folders, names in os.walk(folder):
        folders[:] = sorted(each for each in folders if each != "__pycache__")
        for each in names:
            path = os.path.join(above, each)
            found[name + "/" + os.path.relpath(path, folder).replace(os.sep, "/")] = path
    return found


def found_on_path(name):
    """Return where a command is."""
    for folder in os.environ.get("PATH", os.defpath).split(os.pathsep) if "/" not in name else ():
        path = os.path.join(folder, name)
        if folder and os.path.isfile(path) and os.access(path, os.X_OK):
            return path
    return name


def severed():
    """Return what a process does before it becomes the prefix that ends with us, where the system can do that.

    An ssh that is still connecting would else go on, and start a far end long after we are gone.
    """
    import ctypes

    prctl, we = getattr(ctypes.CDLL(None), "prctl", None), os.getpid()

    def prepare():
        os.setsid()
        if prctl is not None:
            prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
            if os.getppid() != we:
                os._exit(1)

    return prepare


class Near(object):
    """The near end: the prefix's process, and the connections that the place may make."""

    def __init__(self, spec):
        self.spec = spec
        self.poller = Poller()
        self.process = self.frames = self.streams = None
        self.ports = frozenset()
        self.met = False
        self.words = bytearray()
        self.line = bytearray()
        self.last = []
        self.printed = 0
        self.asked = bytearray()
        self.plans = 0
        self.listening = spec["converse"]
        self.status = None
        self.certificates = {}
        self.strangers = {}
        self.doubts = set()

    def start(self):
        """Start the prefix, and let all wait that the far end needs; raises Refused."""
        with open(__file__, "rb") as file:
            code = file.read()
        start = self.spec["start"] + [BOOT % (len(code), len(code))]
        command = self.spec["prefix"] + ([quoted(word) for word in start] if self.spec["shell"] else start)
        passed = self.spec["pass"]
        env = dict((n, v) for n, v in os.environ.items() if any(fnmatch.fnmatchcase(n, each) for each in passed))
        # Who ends what bears this mark would end the prefix before the far end has cleaned up: reaper.py.
        env.pop("TLS_FLOOR_STARTED_BY", None)
        before = severed() if self.spec.get("severs") else os.setsid
        # Found by our own PATH, which what is there need not have.
        command[0] = found_on_path(command[0])
        if self.spec["path"]:
            env["PATH"] = self.spec["path"]
        try:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=env,
                close_fds=True,
                preexec_fn=before,
            )
        except OSError as error:
            what = "there is no command %r" if error.errno == errno.ENOENT else "the command %r cannot be started"
            raise Refused("%s here: %s" % (what % command[0], reason(error)))
        self.frames = Frames(self.process.stdout.fileno(), self.process.stdin.fileno(), FRAME_LIMIT)
        self.streams = Streams(self.frames)
        self.frames.waiting += code
        for name, path in sorted(travelling(os.path.dirname(os.path.abspath(__file__))).items()):
            self.send_file(name, path)
        for folder, path in self.spec.get("folders", {}).items():
            self.send_folder(folder, path)
        for name, text in sorted(self.spec["files"].items()):
            self.frames.send(FILE, 0, name.encode("ascii") + b"\0" + text.encode("utf-8"))
        settings = dict(self.spec["set"])
        if settings.get("OPENSSL_CONF"):
            self.send_file("openssl.cnf", settings["OPENSSL_CONF"])
            settings["OPENSSL_CONF"] = "{folder}/openssl.cnf"
        wanted = ("python", "words", "script", "arguments", "keep", "converse")
        run = dict(((name, self.spec[name]) for name in wanted), set=settings)
        self.frames.send(RUN, 0, json.dumps(run).encode("ascii"))

    def send_file(self, name, path):
        """Let a file of ours travel."""
        with open(path, "rb") as file:
            self.frames.send(FILE, 0, name.encode("ascii") + b"\0" + file.read())

    def send_folder(self, folder, path):
        """Let a folder of ours travel, deflated: it may be large."""
        import zlib

        for name, path in sorted(below(path, folder).items()):
            with open(path, "rb") as file:
                self.frames.send(PACKED, 0, zlib.compress(name.encode("ascii") + b"\0" + file.read()))

    def send_line(self, line):
        """Hand a line of our own input on; the second is the plan, whose files travel with it."""
        self.plans += 1
        if self.plans != 2:
            self.frames.send(INPUT, 0, line + b"\n")
            return
        plan = json.loads(line.decode("utf-8"))
        self.ports = frozenset(cell["port"] for cell in plan["cells"])
        for cell in plan["cells"]:
            path = cell["cafile"]
            if path not in self.certificates:
                self.certificates[path] = "trust-%d.pem" % len(self.certificates)
                self.send_file(self.certificates[path], path)
            cell["cafile"] = self.certificates[path]
        self.frames.send(PLAN, 0, json.dumps(plan).encode("ascii"))

    def take(self, kind, number, data):
        """Take what the place says; raises Refused for what it must not say."""
        if kind == LINE:
            self.hear(data)
        elif kind == OPEN:
            self.connect(number, data)
        elif kind == STRANGER:
            key = (number, data.decode("ascii", "replace")[:200])
            if number in self.ports and (key in self.strangers or len(self.strangers) < STREAMS_LIMIT):
                self.strangers[key] = self.strangers.get(key, 0) + 1
        elif kind == DOUBT:
            self.doubts.update(doubt for doubt in DOUBTS if doubt == data.decode("ascii", "replace"))
        elif kind == END:
            self.status = data.decode("ascii", "replace")
        elif kind == PROBLEM:
            raise Refused(data.decode("utf-8", "replace")[:600])
        elif kind in (DATA, EOF, RESET):
            self.streams.take(kind, number, data)
        else:
            raise Refused("it sent a frame of no known kind, %r" % kind)

    def connect(self, number, data):
        """Connect to a port of the plan for the place."""
        port = struct.unpack(">I", data)[0] if len(data) == 4 else None
        if port not in self.ports:
            raise Refused("it asked for a connection to port %s, which is none of its servers'" % port)
        if number in self.streams.known or len(self.streams.known) >= STREAMS_LIMIT:
            raise Refused("it asked for connection %d, and has %d" % (number, len(self.streams.known)))
        try:
            self.streams.add(number, socket.create_connection((LOOPBACK, port), 5))
        except (IOError, OSError):
            self.frames.send(RESET, number)

    def hear(self, data):
        """Print the lines of the passenger that are whole, but for the last, and for all that is not asked for."""
        self.printed += len(data)
        if self.printed > OUTPUT_LIMIT:
            raise Refused("it printed more than %d bytes" % OUTPUT_LIMIT)
        lines = (bytes(self.line) + data).split(b"\n")
        rest = lines.pop()
        self.line = bytearray(rest)
        if len(rest) > LINE_LIMIT:
            raise Refused("it printed a line of more than %d bytes" % LINE_LIMIT)
        for line in lines:
            if line.startswith(MARK.encode("ascii")):
                continue
            # Whoever reads the last record ends us: by then nothing may be left at the far end.
            if self.last or not self.spec["converse"] or b'"kind": "end"' in line:
                self.last.append(line)
            else:
                write_out(line + b"\n")

    def read_words(self):
        """Keep what the prefix says besides, as last words; what is beyond the limit is dropped."""
        data = os.read(self.process.stderr.fileno(), 65536)
        if not data:
            self.process.stderr.close()
        self.words += data[: max(0, WORDS_LIMIT - len(self.words))]

    def read_input(self):
        """Read our own input; at its end, whoever started us is gone."""
        data = os.read(0, 65536)
        if not data:
            raise Refused("whoever asked is gone")
        self.asked += data
        while b"\n" in self.asked:
            line, _, rest = bytes(self.asked).partition(b"\n")
            self.asked = bytearray(rest)
            self.send_line(line)

    def turn(self, seconds):
        """Do what there is to do, or wait for it."""
        frames = self.frames
        reading, writing = {}, {}
        if not frames.ended:
            reading[frames.incoming] = frames.read
        if frames.waiting and not frames.ended:
            writing[frames.outgoing] = frames.write
        if not self.process.stderr.closed:
            reading[self.process.stderr.fileno()] = self.read_words
        if self.listening and not frames.full:
            reading[0] = self.read_input
        self.streams.exchange(self.poller, reading, writing, seconds)
        if not self.met:
            self.look_for_magic()
        if self.met:
            for frame in frames.frames():
                self.take(*frame)

    def look_for_magic(self):
        """Drop what comes before the first frame."""
        before, magic, after = bytes(self.frames.received).partition(MAGIC)
        if magic:
            self.met = True
            self.frames.received = bytearray(after)
        elif len(before) > WORDS_LIMIT:
            raise Refused("it said more than %d bytes before a Python answered" % WORDS_LIMIT)

    def serve(self):
        """Serve until the place has said that all is done; raises Refused."""
        began = clock()
        while self.status is None:
            left = began + (self.spec["limit"] if self.met else self.spec["answer"]) - clock()
            if left <= 0:
                took = "all of it took more than" if self.met else "no Python answered within"
                raise Refused("%s %g s%s" % (took, self.spec["limit" if self.met else "answer"], self.said()))
            self.turn(min(left, 1.0))
            if self.frames.ended and self.status is None:
                status = self.ended()
                when = "before the end" if self.met else "before a Python answered"
                raise Refused("%s ended %s %s%s" % (self.spec["prefix"][0], status, when, self.said()))

    def said(self):
        """Return the last words of the prefix, for the end of a sentence."""
        if not self.process.stderr.closed and self.poller.ready([self.process.stderr.fileno()], [], 0.1)[0]:
            self.read_words()
        text = self.words if self.met or self.words.strip() else self.frames.received
        words = " ".join(bytes(text).decode("utf-8", "replace").split())
        return ": " + words[-300:] if words else ""

    def ended(self):
        """Wait until the prefix has ended, or end it; return how it ended in words."""
        if not self.process.stdin.closed:
            self.process.stdin.close()
        until = clock() + GRACE
        while self.process.poll() is None and clock() < until:
            time.sleep(0.01)
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except OSError:
            pass
        status = self.process.wait()
        return "with status %d" % status if status >= 0 else "by signal %d" % -status


def write_out(data):
    """Print; whoever reads may be gone."""
    while data:
        data = data[os.write(1, data) :]


def tell(**record):
    """Print a line of the near end's own."""
    write_out(("\n" + MARK + json.dumps(record, sort_keys=True) + "\n").encode("ascii"))


def near_end(spec):
    """Be the near end; return the status to end with."""
    near = Near(spec)
    try:
        try:
            near.start()
            near.serve()
        finally:
            if near.process is not None:
                near.ended()
            for (port, who), times in sorted(near.strangers.items()):
                tell(kind="stranger", port=port, who=who, times=times)
            for doubt in sorted(near.doubts):
                tell(kind="doubt", what=doubt)
    except Refused as error:
        tell(kind="problem", text=str(error))
        return 1
    # The last line may lack its end, and may no more than the others be taken for one of our own.
    rest = b"" if near.line.startswith(MARK.encode("ascii")) else bytes(near.line)
    write_out(b"".join(line + b"\n" for line in near.last) + rest)
    return int(near.status) if re.match(r"^-?\d{1,3}\Z", near.status) else 1


def main():
    """Be the near end, and end as the passenger did."""
    status = near_end(native(json.loads(sys.argv[1])))
    sys.stdout.flush()
    if status < 0:
        if -status not in (signal.SIGKILL, signal.SIGSTOP):
            signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    os._exit(status)


if __name__ == "__main__":
    main()
elif __name__ == "far":
    far_end()
