"""Starts Python as a command line asks, where the interpreter itself is a library.

The interpreter runs `-c` and this module, isolated and without a working
directory. What its own command line would do is done here: the working
directory, the environment's `PYTHONPATH`, `-c`, `-m`, scripts and standard
input, and the exit status. What WASI lacks and common packages take for granted
is given in its simplest form; see `lend`.
"""

import os
import sys

ARCHIVE = "/usr/local/lib/python315.zip"
LIBRARY = "/usr/local/lib/python3.15"
SITE = LIBRARY + "/site-packages"
EXECUTABLE = "/usr/local/bin/python3"

USAGE = "usage: python [option] ... [-c cmd | -m mod | file | -] [arg] ..."


class Options:
    """What stands before the program on a command line."""

    def __init__(self):
        self.mode = None
        self.target = None
        self.rest = []
        self.warnings = []
        self.safe_path = False
        self.ignore_environment = False


def parse(arguments):
    """Reads options up to the first that names what to run."""
    options = Options()
    while arguments:
        word = arguments.pop(0)
        if word == "-" or not word.startswith("-"):
            options.mode, options.target = ("stdin", "-") if word == "-" else ("file", word)
            break
        if word in ("--version", "--help"):
            options.mode = word[2:]
            break
        if letters(options, word[1:], arguments):
            break
    options.rest = arguments
    return options


def letters(options, word, arguments):
    """Reads a bundle of one-letter options; true if it says what to run."""
    for at, letter in enumerate(word):
        if letter in "cmWX":
            value = word[at + 1 :] or (arguments.pop(0) if arguments else None)
            if value is None:
                fail(f"Argument expected for the -{letter} option")
            if letter == "W":
                options.warnings.append(value)
                return False
            if letter == "X":
                return False
            options.mode, options.target = letter, value
            return True
        if letter in "Vh?":
            options.mode = "version" if letter == "V" else "help"
            return True
        if letter in "IP":
            options.safe_path = True
        if letter in "IE":
            options.ignore_environment = True
        if letter == "B":
            sys.dont_write_bytecode = True
        if letter not in "bBdEiIOPqRsSuvx":
            fail(f"Unknown option: -{letter}")
    return False


def fail(message):
    """Ends as the interpreter does on a wrong command line."""
    sys.stderr.write(f"{message}\n{USAGE}\n")
    raise SystemExit(2)


def lend():
    """Gives what WASI has not: one user, and pytest without file descriptors to copy."""
    # Files say that they are of user 0, and packages compare.
    missing = {
        "getuid": lambda: 0,
        "geteuid": lambda: 0,
        "getgid": lambda: 0,
        "getegid": lambda: 0,
        "umask": lambda mask: 0o022,
        "getppid": lambda: 1,
        "cpu_count": lambda: 1,
    }
    for name, function in missing.items():
        if not hasattr(os, name):
            setattr(os, name, function)
    import catena_lend

    sys.meta_path.insert(0, catena_lend.Finder())


def unpack():
    """Has packages that were imported from an archive, when the interpreter was stopped, go on
    from the same files beside it."""
    for module in list(sys.modules.values()):
        path = getattr(module, "__path__", None)
        if isinstance(path, list):
            path[:] = [part.replace(ARCHIVE, LIBRARY) for part in path]
    sys.path_importer_cache.clear()
    sys.path[:] = [os.path.dirname(__file__), LIBRARY]


def search_path(options, first):
    """`sys.path` as the interpreter sets it, with the site's packages before those that are
    built in."""
    named = "" if options.ignore_environment else os.environ.get("PYTHONPATH", "")
    path = [] if options.safe_path or first is None else [first]
    path += [os.path.abspath(part) for part in named.split(":") if part]
    sys.path[:] = path + [SITE, LIBRARY]


def main_namespace():
    """The namespace of `__main__`, as it is before a program runs."""
    namespace = sys.modules["__main__"].__dict__
    namespace.clear()
    import builtins

    namespace.update(
        __name__="__main__",
        __builtins__=builtins,
        __doc__=None,
        __package__=None,
        __loader__=None,
        __spec__=None,
    )
    return namespace


def execute(source, name, namespace):
    """Runs a program's text. What is raised is shown without the frames of this module."""
    try:
        code = compile(source, name, "exec", dont_inherit=True)
        exec(code, namespace)
    except SystemExit:
        raise
    except BaseException as raised:
        show(raised, name, source)


def show(raised, name=None, source=b""):
    """Shows what ended a program, and ends with its status."""
    traceback = raised.__traceback__
    if name in ("<string>", "<stdin>"):
        import linecache

        # The line that started this module has that name as well.
        linecache._interactive_cache.clear()
        text = source if isinstance(source, str) else source.decode(errors="replace")
        linecache.cache[name] = (len(text), None, text.splitlines(True), name)
    while traceback is not None and traceback.tb_frame.f_code.co_filename == __file__:
        traceback = traceback.tb_next
    sys.excepthook(type(raised), raised.with_traceback(traceback), traceback)
    raise SystemExit(130 if isinstance(raised, KeyboardInterrupt) else 1) from None


def run_file(options):
    target = options.target
    search_path(options, os.path.dirname(os.path.abspath(target)))
    sys.argv[:] = [target, *options.rest]
    if os.path.isdir(target):
        sys.path.insert(0, target)
        import runpy

        return runpy.run_path(target, run_name="__main__")
    try:
        with open(target, "rb") as file:
            source = file.read()
    except OSError as err:
        where = os.path.abspath(target)
        reason = f"[Errno {err.errno}] {err.strerror}"
        sys.stderr.write(f"{EXECUTABLE}: can't open file {where!r}: {reason}\n")
        raise SystemExit(2) from None
    namespace = main_namespace()
    namespace["__file__"] = os.path.abspath(target)
    execute(source, target, namespace)


def run_module(options):
    search_path(options, os.getcwd())
    sys.argv[:] = ["-m", *options.rest]
    if options.target == "pip":
        return run_pip(options.rest)
    import runpy

    try:
        runpy._run_module_as_main(options.target)
    except SystemExit:
        raise
    except BaseException as raised:
        show(raised)


def run_pip(arguments):
    sys.path.append(os.path.dirname(__file__))
    import catena_pip

    raise SystemExit(catena_pip.main(arguments))


def start(command, arguments):
    os.chdir(os.environ.get("PWD", "/"))
    sys.executable = EXECUTABLE
    unpack()
    lend()
    if command.startswith("pip"):
        search_path(Options(), None)
        run_pip(arguments)
    if command in ("pytest", "py.test"):
        arguments = ["-m", "pytest", *arguments]
    options = parse(arguments)
    if options.warnings:
        import warnings

        sys.warnoptions[:] = options.warnings
        warnings._processoptions(options.warnings)
    if options.mode == "version":
        print(f"Python {sys.version.split()[0]}")
    elif options.mode == "help":
        print(USAGE)
    elif options.mode == "c":
        search_path(options, "")
        sys.argv[:] = ["-c", *options.rest]
        execute(options.target, "<string>", main_namespace())
    elif options.mode == "m":
        run_module(options)
    elif options.mode == "file":
        run_file(options)
    else:
        search_path(options, "")
        sys.argv[:] = [options.target or "", *options.rest]
        execute(sys.stdin.buffer.read(), "<stdin>", main_namespace())


start(os.path.basename(os.environ.pop("_", "python")), sys.argv[1:])
