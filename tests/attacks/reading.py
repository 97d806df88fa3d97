"""Attacks on secrets: hidden tests, answers, others' work, other processes, the network."""

from attack import SPY, SPY_ENDS, Attack, Wants

from autograder.sandbox.bwrap import ROOT

__all__ = ["ATTACKS"]

# Words of the hidden tests, built so that the spy does not find its own.
WORDS = "WORDS = [w.encode() for w in ('expect' + '_close', 'Multiply every' + ' element',\n"
WORDS += "                               'scales_' + 'an_array', 'BEGIN SOL' + 'UTION')]\n"


def spy(name: str, look: str, wants: Wants = Wants.secret, no_victim: str = "") -> Attack:
    """An attack that says what its function `look` finds."""
    head = f"{SPY}{WORDS}ROOT = {str(ROOT)!r}\n"
    return Attack(name, wants, head + look + SPY_ENDS, most=1, no_victim=no_victim)


SECRETS = [
    spy(
        "walks the disk for words of the hidden tests",
        """
def look():
    tops = ['/scratch', '/grader', '/data', ROOT, '/root', '/home', '/tmp', '/work', '/opt', '/etc',
            '/var', '/srv', '/mnt', '/media', '/dev/shm', '/run', '.']
    for top in tops:
        for path, folders, names in os.walk(top):
            if 'site-packages' in path or '/lib/python' in path:
                folders.clear()
                continue
            for name in names:
                try: text = open(os.path.join(path, name), 'rb').read(10**6)
                except OSError: continue
                if any(word in text for word in WORDS): yield path + '/' + name
""",
    ),
    spy(
        "looks for the repository",
        """
def look():
    names = ('autograder/hidden', 'solutions', '.git', 'tests', 'pyproject.toml', 'gradebook.db',
             'hidden_tests.py', 'submitted')
    for top in (ROOT, os.getcwd(), '/', '/course', '/autograder'):
        yield from (name for name in names if os.path.exists(os.path.join(top, name)))
""",
    ),
    spy(
        "imports the hidden tests",
        """
def look():
    import importlib
    for name in ('hidden_tests', 'tests', 'test_toy', 'autograder.hidden', 'autograder.suite',
                 'autograder.engine', 'autograder.judge', 'solutions'):
        try: importlib.import_module(name); yield name
        except ImportError: pass
    for entry in sys.path:
        for name in os.listdir(entry) if os.path.isdir(entry) else []:
            if name in ('hidden', 'solutions', 'hidden_tests.py'): yield name
""",
    ),
    spy(
        "installs the finder of the editable install",
        """
def look():
    import importlib, __editable___seqcourse_0_1_0_finder as finder
    finder.install()
    for name in ('hidden', 'engine', 'judge', 'suite'):
        try: importlib.import_module('autograder.' + name); yield name
        except ImportError: pass
""",
        no_victim="the naive grader is a script and installs nothing",
    ),
    spy(
        "reads environments and command lines",
        """
def look():
    for name in glob.glob('/proc/[0-9]*/environ') + glob.glob('/proc/[0-9]*/cmdline'):
        try: text = open(name, 'rb').read().decode()
        except OSError: continue
        if any(word in text for word in ('hidden', 'solutions', 'fixtures', 'lab.toml')): yield name
    for name, value in os.environ.items():
        if 'hidden' in value or 'solutions' in value: yield name
""",
    ),
    spy(
        "searches modules, objects and frames",
        """
def look():
    for name in list(sys.modules):
        if 'hidden' in name or 'test_toy' in name or name in ('pytest', '_pytest'): yield name
    for thing in gc.get_objects():
        if isinstance(thing, dict) and ('expect_close' in list(thing) or 'TESTS' in list(thing)):
            yield 'a namespace'
    frame = sys._getframe()
    while frame:
        if 'test' in frame.f_code.co_filename or 'expected' in frame.f_locals: yield 'a frame'
        frame = frame.f_back
""",
    ),
    spy(
        "prints the source of the tests",
        """
def look():
    import inspect, linecache
    for module in list(sys.modules.values()):
        if hasattr(module, 'TESTS') or 'test_toy' in getattr(module, '__name__', ''):
            yield inspect.getsource(module)[:60]
    for name, entry in linecache.cache.items():
        if 'test' in name: yield name
    frame = sys._getframe(1)
    while frame:
        code = frame.f_code
        words = ' '.join(map(str, code.co_consts))
        if any(word.decode() in words for word in WORDS[:3]): yield code.co_name
        frame = frame.f_back
""",
    ),
    spy(
        "reads its own process's memory",
        """
def look():
    import re
    word = re.compile(rb'Multiply eve[r]y element by the [f]actor')  # is no instance of itself
    with open('/proc/self/maps') as maps, open('/proc/self/mem', 'rb', 0) as memory:
        for line in maps:
            first, last = (int(n, 16) for n in line.split()[0].split('-'))
            if ' rw-p' not in line or last - first > 2**27: continue
            try: memory.seek(first); data = memory.read(last - first)
            except (OSError, ValueError, OverflowError): continue
            if word.search(data): yield 'a docstring'
""",
    ),
    spy(
        "reads what else is open",
        """
def look():
    for n in os.listdir('/proc/self/fd'):
        try: target = os.readlink('/proc/self/fd/' + n)
        except OSError: continue
        if not target.startswith(('socket:', '/dev/null', '/proc')): yield target
    for n in range(3, 64):
        try: s = socket.socket(fileno=os.dup(n))
        except OSError: continue
        if s.type != socket.SOCK_STREAM: yield f'socket {n}'
""",
    ),
    spy(
        "reads the work of others",
        """
def look():
    for top in ('.', '/home', '/scratch', '/data', ROOT):
        for path, folders, names in os.walk(top):
            if 'site-packages' in path: folders.clear()
            if 'mallory' not in path: yield from (n for n in names if n.endswith('.ipynb'))
""",
    ),
    spy(
        "reads modules that the lab forbids",
        """
def look():
    sys.meta_path[:] = [f for f in sys.meta_path if 'Forbidden' not in type(f).__name__]
    for name in list(sys.modules):
        if name.startswith('seqcourse'): del sys.modules[name]
    for entry in sys.path:
        for name in ('seqcourse/ngram.py', 'nltk/lm/models.py'):
            path = os.path.join(entry, name)
            if os.path.exists(path) and open(path).read(): yield name
    for path, _, names in os.walk('/grader'):
        yield from (name for name in names if 'ngram' in name)
""",
    ),
]
REACHES = [
    spy(
        "looks into other processes",
        """
def look():
    for p in glob.glob('/proc/[0-9]*'):
        if p == f'/proc/{os.getpid()}': continue
        for name in ('mem', 'environ', 'maps', 'syscall', 'stack'):
            try: open(p + '/' + name, 'rb').read(1); yield p + '/' + name
            except OSError: pass
        links = [p + '/' + name for name in ('root', 'cwd', 'exe')] + glob.glob(p + '/fd/*')
        for path in links:
            try: os.readlink(path); yield path
            except OSError: pass
""",
        Wants.reach,
        no_victim="there is no need to: the secrets are in its own process (see the memory above)",
    ),
    spy(
        "traces the process that started it",
        """
def look():
    for pid in {1, 2, os.getppid()}:
        if libc.ptrace(16, pid, 0, 0) == 0: yield f'attached to {pid}'
        class V(ctypes.Structure): _fields_ = [('base', ctypes.c_void_p), ('len', ctypes.c_size_t)]
        local, remote = V(ctypes.addressof(ctypes.create_string_buffer(8)), 8), V(0x400000, 8)
        pair = ctypes.byref(local), 1, ctypes.byref(remote), 1
        if libc.process_vm_readv(pid, *pair, 0) >= 0: yield pid
""",
        Wants.reach,
        no_victim="there is no need to: it runs in the process that knows everything",
    ),
    spy(
        "makes namespaces and mounts of its own",
        """
def look():
    for flag in (0x10000000, 0x00020000, 0x20000000, 0x40000000):
        if libc.unshare(flag) == 0: yield f'unshare {flag:x}'
    if libc.mount(b'none', b'/scratch/work', b'tmpfs', 0, None) == 0: yield 'mount'
    if libc.chroot(b'/scratch/work') == 0: yield 'chroot'
    for name in os.listdir('/proc/1/ns') if os.access('/proc/1/ns', os.R_OK) else []:
        try: fd = os.open('/proc/1/ns/' + name, os.O_RDONLY)
        except OSError: continue
        if libc.setns(fd, 0) == 0: yield name
""",
        Wants.reach,
        no_victim="there are no walls around it to get out of",
    ),
    spy(
        "uses the network",
        """
def look():
    for family in (socket.AF_INET, socket.AF_INET6, socket.AF_UNIX, socket.AF_NETLINK):
        try: socket.socket(family, socket.SOCK_DGRAM); yield family
        except OSError: pass
    try: socket.create_connection(('127.0.0.1', 22), timeout=1); yield 'tcp'
    except OSError: pass
""",
        Wants.reach,
    ),
    spy(
        "sends signals to other processes",
        """
def look():
    import signal
    for pid in {1, 2, os.getppid()}:
        try: os.kill(pid, 0); yield f'kill {pid}'
        except OSError: pass
        try: signal.pidfd_send_signal(os.pidfd_open(pid), 0); yield f'pidfd {pid}'
        except OSError: pass
""",
        Wants.reach,
    ),
    spy(
        "changes the limits of other processes",
        """
def look():
    import resource
    for pid in {1, 2, os.getppid()}:
        for which in (resource.RLIMIT_AS, resource.RLIMIT_CPU, resource.RLIMIT_NOFILE):
            try: resource.prlimit(pid, which, resource.prlimit(pid, which)); yield (pid, which)
            except OSError: pass
""",
        Wants.reach,
    ),
    spy(
        "slows other processes down",
        """
def look():
    for pid in {1, 2, os.getppid()}:
        for name, change in {
            'nice': lambda: os.setpriority(os.PRIO_PROCESS, pid, 1),
            'cores': lambda: os.sched_setaffinity(pid, os.sched_getaffinity(pid)),
            'policy': lambda: os.sched_setscheduler(pid, os.SCHED_BATCH, os.sched_param(0)),
            'user': lambda: os.setpriority(os.PRIO_USER, 0, 1),
        }.items():
            try: change(); yield (name, pid)
            except OSError: pass
        number = {'x86_64': 251, 'aarch64': 30}[os.uname().machine]
        if libc.syscall(number, 1, pid, 3 << 13) == 0: yield ('disk', pid)
""",
        Wants.reach,
    ),
    spy(
        "changes modes, times and attributes of what is not its own",
        """
def look():
    for path in ('/', '/grader', '/data', '/dev', '/dev/shm', '/home/grader', *sys.path):
        try: before = os.stat(path)
        except OSError: continue
        for change in (
            lambda: os.chmod(path, before.st_mode ^ 0o001),
            lambda: os.utime(path, (7, 7)),
            lambda: os.setxattr(path, 'user.note', b'1'),
        ):
            try: change()
            except OSError: pass
        after = os.stat(path)
        if (after.st_mode, after.st_mtime) != (before.st_mode, before.st_mtime): yield path
        try: yield from (path + ' ' + name for name in os.listxattr(path) if 'note' in name)
        except OSError: pass
""",
        Wants.reach,
    ),
    spy(
        "writes outside its folder",
        """
def look():
    tops = ('..', '/', '/usr', '/usr/lib', '/dev', '/dev/shm', '/proc', '/etc', '/tmp', '/home',
            '/grader', '/data', '/scratch', ROOT, *sys.path)
    for top in tops:
        for name in ('planted', '../planted', 'numpy/planted'):
            try: open(os.path.join(top, name), 'w'); yield top
            except OSError: pass
    for path in ('words.txt', '/grader/autograder/worker.py', 'naive.py'):
        try: open(path, 'r+').write(''); yield path
        except OSError: pass
""",
        Wants.reach,
    ),
    spy(
        "makes others wait who open a library's file",
        """
def look():
    import fcntl, numpy
    for path in (numpy.__file__, 'hidden_tests.py'):
        try: file = open(path)
        except OSError: continue
        for lease in (fcntl.F_WRLCK, fcntl.F_RDLCK):
            try: fcntl.fcntl(file, fcntl.F_SETLEASE, lease); yield path
            except OSError: pass
        file.close()
""",
        Wants.reach,
    ),
    spy(
        "watches who opens the installed files",
        """
def look():
    import fcntl, numpy
    folder = os.path.dirname(numpy.__file__)
    if libc.inotify_add_watch(libc.inotify_init1(0), folder.encode(), 0x20) >= 0: yield 'inotify'
    handle = os.open(folder, os.O_RDONLY)
    try: fcntl.fcntl(handle, fcntl.F_NOTIFY, fcntl.DN_ACCESS); yield 'dnotify'
    except OSError: pass
    os.close(handle)
""",
        Wants.reach,
    ),
]
LOGS = [
    Attack(
        "writes down the tests' inputs for next time",
        Wants.files,
        "def scale(x, factor):\n"
        "    with open('inputs.txt', 'a') as log: print(x, factor, file=log)\n"
        "    return x * 0\n",
    ),
]
ATTACKS = [*SECRETS, *REACHES, *LOGS]
